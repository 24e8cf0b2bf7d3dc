"""The endpoint of all runs: `bench-endpoint`, which is told what to do line by line."""

import json
import os
import shutil
import struct
import subprocess
import urllib.parse
import urllib.request

import pyodbc

from measure import places

# What the table has until it is grown.
ROWS = 10
SQL_COPT_SS_ACCESS_TOKEN = 1256


class Azure:
    """Started with an empty database, which then has the project's tables and `ROWS` rows in dbo.todo."""

    def __init__(self):
        data = places.TARGET / "data"
        shutil.rmtree(data, ignore_errors=True)
        self.process = subprocess.Popen(
            [places.ENDPOINT, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.place = json.loads(self.process.stdout.readline())
        self.identities = 0
        self.latency(0)
        migrate = {**self.environment(self.identity()), "FUNCTIONS_APP_ROOT_PATH": str(places.PROJECT)}
        subprocess.run([places.APP, "migrate"], env=migrate, check=True, stdout=subprocess.DEVNULL)
        self.fill(ROWS)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.stdin.close()
        self.process.wait(10)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def latency(self, milliseconds):
        """For what connects from now on, each way."""
        self.tell(f"latency {milliseconds}")

    def identity(self):
        """An identity endpoint of its own for a system, and the place of its count."""
        self.identities += 1
        return self.tell("identity")["identity"], self.identities - 1

    def tokens(self, identity):
        """How many tokens were asked for there."""
        return self.tell("counts")["tokens"][identity[1]]

    def environment(self, identity):
        """What leads a system here: what the platform sets, and what the peers read."""
        string = (
            f"Server=tcp:localhost,{self.place['port']};Database=sqlscope;Encrypt=yes;TrustServerCertificate=no;"
            f"ServerCertificate={self.place['ca']};Authentication=ActiveDirectoryManagedIdentity"
        )
        return {
            "PATH": os.environ["PATH"],
            "IDENTITY_ENDPOINT": identity[0],
            "IDENTITY_HEADER": self.place["header"],
            "SqlConnectionString": string,
            "BENCH_SQL_PORT": str(self.place["port"]),
            "BENCH_CA": self.place["ca"],
            "SSL_CERT_FILE": self.place["ca"],
            "ODBCSYSINI": str(places.TARGET / "odbc"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def fill(self, rows):
        """Has dbo.todo hold this many rows, by doubling it."""
        with self.connection() as connection:
            run = connection.cursor().execute
            count = run("SELECT COUNT(*) FROM dbo.todo").fetchval()
            if count == 0:
                run("INSERT dbo.todo (title) VALUES (N'water the plants')")
                count = 1
            while count < rows:
                more = min(count, rows - count)
                run(f"INSERT dbo.todo (title) SELECT TOP ({more}) title FROM dbo.todo")
                count += more

    def connection(self):
        url, _ = self.identity()
        query = urllib.parse.urlencode({"api-version": "2019-08-01", "resource": "https://database.windows.net/"})
        request = urllib.request.Request(f"{url}?{query}", headers={"X-IDENTITY-HEADER": self.place["header"]})
        with urllib.request.urlopen(request) as answer:
            token = json.load(answer)["access_token"].encode("utf-16-le")
        return pyodbc.connect(
            "Driver={ODBC Driver 18 for SQL Server};Database=sqlscope;Encrypt=yes;"
            f"Server=tcp:localhost,{self.place['port']}",
            autocommit=True,
            attrs_before={SQL_COPT_SS_ACCESS_TOKEN: struct.pack("<I", len(token)) + token},
        )
