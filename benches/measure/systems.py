"""The systems that are measured: how each is started, what it uses, and what it answers under load."""

import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field, replace

from measure import places

# Names where there is no other to tell them from.
APP, BARE = "sqlscope", "bare tiberius"
# The Rust systems may hold as many sessions as there are ever requests at once.
OURS = {"FUNCTIONS_APP_ROOT_PATH": str(places.BENCHES / "app"), "SQLSCOPE_MAX_SESSIONS": "1000"}


@dataclass
class System:
    """A way to answer requests; `{port}` in its command and settings is where it is to listen."""

    name: str
    command: list
    path: str = "/api/todo/%d"
    settings: dict = field(default_factory=dict)

    def start(self, azure):
        return Running(self, azure)


def ours(name, **settings):
    return System(name, [places.APP], settings={**OURS, "FUNCTIONS_CUSTOMHANDLER_PORT": "{port}", **settings})


FRESH = ours("fresh", SQLSCOPE_SPARES="0")
SPARES = ours("fresh with spares", SQLSCOPE_SPARES="4")
REUSE = ours("reuse", SQLSCOPE_SESSIONS="reuse")
KEPT = System("bare tiberius, kept", [places.TIBERIUS, "serve", "{port}"], "/kept/%d")
OPEN = System("bare tiberius, opening", [places.TIBERIUS, "serve", "{port}"], "/open/%d")
QUEUE = System("Python, QueuePool", [*places.PYTHON, "{port}", "queue"], "/todo/%d")
NULL = System("Python, NullPool", [*places.PYTHON, "{port}", "null"], "/todo/%d")
NULL_EACH = System("Python, NullPool, a token each", [*places.PYTHON, "{port}", "null", "each"], "/todo/%d")
WARP = System("bare warp", [places.WARP, "{port}"], "/api/plain")


def known():
    """The systems that this app can be: one that refuses a setting is not measured under it."""
    refused = set()
    for name, value in [("SQLSCOPE_SPARES", "0"), ("SQLSCOPE_SESSIONS", "reuse")]:
        # Without a port it ends at the start, with a word about the first thing that it refuses.
        environment = {**OURS, name: value, "SqlConnectionString": "Server=localhost;Database=x;User ID=u;Password=p"}
        ended = subprocess.run([places.APP], env=environment, capture_output=True, text=True)
        if f"setting {name} is unknown" in ended.stdout + ended.stderr:
            refused.add(name)
    fresh = replace(FRESH, settings={k: v for k, v in FRESH.settings.items() if k not in refused})
    others = [system for system in (SPARES, REUSE) if not refused & system.settings.keys()]
    return [fresh, *others]


class Running:
    """A process of a system; to be used in a `with`."""

    def __init__(self, system, azure):
        self.system = system
        self.azure = azure
        self.identity = azure.identity()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        placed = lambda text: str(text).replace("{port}", str(self.port))
        environment = {name: placed(value) for name, value in system.settings.items()}
        logs = places.TARGET / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = open(logs / f"{system.name}.log", "w")
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [placed(part) for part in system.command],
            env={**azure.environment(self.identity), **environment},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def first_answer(self, limit=30):
        """Seconds from exec to the first answer that is a success."""
        path = self.system.path.replace("%d", "1")
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        while time.perf_counter() - self.started < limit:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as stream:
                    stream.sendall(request)
                    if stream.recv(4096).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                        return time.perf_counter() - self.started
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.0005)
        raise SystemExit(f"{self.system.name} does not answer: see {self.log.name}")

    def cpu(self):
        """Seconds of processor time that the process has used."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            parts = stat.read().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        """Bytes of resident memory."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def tokens(self):
        return self.azure.tokens(self.identity)

    def load(self, connections, seconds, warm=0.5, path=None, ids=10, pause=0):
        """What wrk finds at so many requests at once, and what the process uses meanwhile."""
        path = path or self.system.path
        if warm:
            self.wrk(connections, warm, path, ids, pause)
        before = self.cpu()
        found = self.wrk(connections, seconds, path, ids, pause)
        used = self.cpu() - before
        if found["failed"] or not found["requests"]:
            raise SystemExit(f"{self.system.name}: {found['failed']} requests failed: see {self.log.name}")
        return {
            "rate": found["requests"] / found["seconds"],
            "p50": found["p50"],
            "p99": found["p99"],
            # Seconds for 1,000 requests are milliseconds for one.
            "cpu": used / found["requests"] * 1000,
            "resident": self.resident(),
        }

    def wrk(self, connections, seconds, path, ids, pause):
        # wrk takes whole seconds: what is shorter is cut off at its end, which it summarises as well.
        command = [
            *[shutil.which("wrk"), "--threads", "1", "--connections", str(connections), "--duration", "600s"],
            *["--timeout", "30s", "--script", str(places.BENCHES / "measure/wrk.lua")],
            *[f"http://127.0.0.1:{self.port}", "--", path, str(ids), str(pause)],
        ]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(seconds)
        running.send_signal(2)
        return json.loads(running.communicate()[0].strip().rsplit("\n", 1)[-1])
