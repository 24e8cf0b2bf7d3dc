"""The parts of the benchmark; each returns plain data. What a ratio compares is measured in turn, round after round."""

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace

from measure import places, systems


@dataclass
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    warm: float
    slow: tuple  # the numbers of requests at once at 2 ms
    opens: dict  # how many opens at each latency, a round
    steady: float
    held: tuple
    rows: tuple
    starts: int


AT_ONCE = (1, 8, 32, 128)

FULL = Plan(
    rounds=3,
    seconds=2.5,
    warm=0.5,
    slow=AT_ONCE,
    opens={0: 150, 1: 40, 5: 15},
    steady=10,
    held=(1, 10, 100, 500, 1000),
    rows=(10, 1000, 100_000, 1_000_000),
    starts=10,
)
QUICK = Plan(
    rounds=1,
    seconds=1,
    warm=0.3,
    slow=(8,),
    opens={0: 50, 1: 15, 5: 5},
    steady=4,
    held=(1, 10, 100, 1000),
    rows=(10, 1000, 100_000),
    starts=3,
)
# What opens connections outside of requests.
BY_HAND = [(systems.APP, places.APP), (systems.BARE, places.TIBERIUS)]


def overhead(azure, plan):
    """A function without SQL against warp routes that return the same bytes, at 32 at once."""
    found = {"forwarded": {}, "default mode": {}}
    app = replace(systems.known()[0], name=systems.APP)
    with app.start(azure) as ours, systems.WARP.start(azure) as warp:
        ours.first_answer()
        warp.first_answer()
        for mode, path in [("forwarded", "/api/plain"), ("default mode", "/Plain")]:
            for _ in range(plan.rounds):
                for running in (ours, warp):
                    sample = running.load(32, plan.seconds, plan.warm, path)
                    found[mode].setdefault(running.system.name, []).append(sample)
    return found


def opening(azure, plan):
    """Connections opened one after another."""
    found = {}
    for latency, count in plan.opens.items():
        azure.latency(latency)
        for _ in range(plan.rounds):
            for name, command in BY_HAND:
                [line] = by_hand(azure, [command, "opens", str(count)])
                found.setdefault(latency, {}).setdefault(name, []).append(line)
    azure.latency(0)
    return found


def queries(azure, plan, ours):
    """A request with one query, by each system, at so many at once."""
    found, tokens = {}, {}
    measured = [*ours, systems.KEPT, systems.OPEN, systems.QUEUE, systems.NULL]
    for latency in (0, 2):
        # What keeps connections keeps their latency: all start anew.
        azure.latency(latency)
        with ExitStack() as stack:
            running = [stack.enter_context(system.start(azure)) for system in measured]
            for one in running:
                one.first_answer()
            for at_once in AT_ONCE if latency == 0 else plan.slow:
                for _ in range(plan.rounds if latency == 0 else 1):
                    for one in running:
                        sample = one.load(at_once, plan.seconds, plan.warm)
                        by_system = found.setdefault(latency, {}).setdefault(at_once, {})
                        by_system.setdefault(one.system.name, []).append(sample)
            if latency == 0:
                tokens = {one.system.name: one.tokens() for one in running}
    azure.latency(0)
    # As the replaced system has it, beside the fairer one.
    with systems.NULL_EACH.start(azure) as each:
        each.first_answer()
        found[0][8][each.system.name] = [each.load(8, plan.seconds, plan.warm)]
        tokens[each.system.name] = each.tokens()
    return {"samples": found, "tokens": tokens}


def steady(azure, plan, ours):
    """About 20 requests a second at irregular moments, 5 ms each way."""
    found = {}
    azure.latency(5)
    with ExitStack() as stack:
        running = [stack.enter_context(system.start(azure)) for system in [*ours, systems.KEPT]]
        for one in running:
            one.first_answer()
        for _ in range(min(plan.rounds, 2)):
            for one in running:
                sample = one.load(4, plan.steady, warm=2, pause=190)
                found.setdefault(one.system.name, []).append(sample)
    azure.latency(0)
    return found


def growth(azure, plan):
    """Many sessions open at once, and a table that grows."""
    found = {"held": {}, "rows": {}}
    held = [*plan.held, 0, plan.held[-1]]
    for name, command in BY_HAND:
        found["held"][name] = by_hand(azure, [command, "holds", *map(str, held)])
    fresh = systems.known()[0]
    with fresh.start(azure) as running:
        running.first_answer()
        for rows in plan.rows:
            azure.fill(rows)
            found["rows"][rows] = running.load(8, plan.seconds, plan.warm, ids=rows)
    return found


def cold(azure, plan, ours):
    """From exec to the first answered SQL request."""
    found = {}
    peers = [systems.KEPT, systems.QUEUE]
    for _ in range(plan.starts):
        for system in [*ours, *peers]:
            with system.start(azure) as running:
                found.setdefault(system.name, []).append(running.first_answer())
    return found


def by_hand(azure, command):
    environment = {**azure.environment(azure.identity()), "SQLSCOPE_MAX_SESSIONS": "2000"}
    ended = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]
