"""The figures to reach, and what a run found of each: medians of the ratios of its rounds."""

from dataclasses import dataclass
from statistics import median

from measure.systems import APP, BARE, FRESH, KEPT, NULL, OPEN, QUEUE, REUSE, SPARES, WARP

KIB = 1024


@dataclass
class Figure:
    """`values` are of one round each; empty where it could not be measured."""

    what: str
    goal: float
    at_least: bool
    values: list
    unit: str = " ×"
    digits: int = 2

    @property
    def found(self):
        return median(self.values) if self.values else None

    @property
    def verdict(self):
        if not self.values:
            return "not measured"
        reached = self.found >= self.goal if self.at_least else self.found <= self.goal
        return "yes" if reached else "**no**"

    def text(self, value):
        return f"{value:,.{self.digits}f}{self.unit}"

    def row(self):
        goal = ("at least " if self.at_least else "at most ") + self.text(self.goal)
        if not self.values:
            return f"| {self.what} | {goal} | | | {self.verdict} |"
        least, most = self.text(min(self.values)), self.text(max(self.values))
        spread = f"{least} to {most}" if len(self.values) > 1 else ""
        return f"| {self.what} | {goal} | {self.text(self.found)} | {spread} | {self.verdict} |"


def ratios(samples, ours, peer, key):
    """A ratio for each round; none where a system was not measured."""
    pairs = zip(samples.get(ours.name, []), samples.get(peer.name, []))
    return [mine[key] / theirs[key] for mine, theirs in pairs if theirs[key]]


def figures(run):
    return [*without_sql(run), *of_an_open(run), *of_a_request(run), *of_reuse(run), *of_the_process(run)]


def at_least(what, goal, values, **more):
    return Figure(what, goal, True, values, **more)


def at_most(what, goal, values, **more):
    return Figure(what, goal, False, values, **more)


def without_sql(run):
    for mode, goal in [("forwarded", 0.75), ("default mode", 0.5)]:
        samples = run["overhead"][mode]
        pairs = zip(samples[APP], samples[WARP.name])
        values = [mine["rate"] / theirs["rate"] for mine, theirs in pairs]
        yield at_least(f"requests/s of a function without SQL, {mode}, against bare warp", goal, values)


def of_an_open(run):
    opening = run["opening"]
    yield at_most("time of a fresh open against bare tiberius", 1.05, opens(opening["0"], "wall"))
    yield at_most("the same, 5 ms each way", 1.05, opens(opening["5"], "wall"))
    yield at_most("round trips of a fresh open, more than a bare one's", 0, trips_more(opening), unit="", digits=0)
    yield at_most("CPU of a fresh open against bare tiberius", 1, opens(opening["0"], "cpu"))


def of_a_request(run):
    at = run["queries"]["samples"]["0"]
    for count in ("8", "32"):
        values = ratios(at[count], FRESH, OPEN, "rate")
        yield at_least(f"requests/s, fresh at {count} against bare tiberius that opens for each", 0.95, values)
    for count in ("8", "32"):
        values = ratios(at[count], FRESH, QUEUE, "rate")
        yield at_least(f"requests/s, fresh at {count} against Python's QueuePool", 1, values)
        values = ratios(at[count], FRESH, QUEUE, "cpu")
        yield at_most(f"CPU for a request, fresh at {count} against Python's QueuePool", 0.5, values)
    for count, goal in [("1", 2), ("8", 2.5), ("32", 3.5)]:
        values = ratios(at[count], FRESH, NULL, "rate")
        yield at_least(f"requests/s, fresh at {count} against Python's NullPool", goal, values)
    values = ratios(run["steady"], SPARES, KEPT, "p50")
    yield at_most("p50 at 20 requests/s, 5 ms each way, with spares against a kept connection", 1.1, values)


def of_reuse(run):
    at = run["queries"]["samples"]["0"]
    for count in ("1", "8", "32"):
        values = ratios(at[count], REUSE, KEPT, "rate")
        yield at_least(f"requests/s, reuse at {count} against bare tiberius with kept connections", 0.85, values)
    for count, goal in [("1", 4), ("32", 8)]:
        values = ratios(at[count], REUSE, QUEUE, "rate")
        yield at_least(f"requests/s, reuse at {count} against Python's QueuePool", goal, values)
    values = ratios(at["32"], REUSE, QUEUE, "p99")
    yield at_most("p99, reuse at 32 against Python's QueuePool", 1 / 15, values, digits=3)
    values = ratios(at["32"], REUSE, QUEUE, "cpu")
    yield at_most("CPU for a request, reuse at 32 against Python's QueuePool", 1 / 12, values, digits=3)


def of_the_process(run):
    cold = {name: [{"seconds": seconds} for seconds in starts] for name, starts in run["cold"].items()}
    # As a user has it.
    ours = SPARES if SPARES.name in cold else FRESH
    values = ratios(cold, ours, QUEUE, "seconds")
    yield at_most("cold start against the Python system", 1 / 15, values, digits=3)
    values = ratios(cold, ours, KEPT, "seconds")
    yield at_most("cold start against bare tiberius with ring", 2, values)
    for count in ("32", "128"):
        values = ratios(run["queries"]["samples"]["0"][count], ours, QUEUE, "resident")
        yield at_most(f"resident memory after {count} at once against the Python system", 1 / 6, values, digits=3)
    held = run["growth"]["held"][APP]
    yield at_most("memory for each further open session", 64, [memory_each(held)], unit=" KiB", digits=0)
    yield at_least("of that, given back when they close", 0.5, [given_back(held)])
    tokens = run["queries"]["tokens"]
    asked = [tokens[system.name] for system in (FRESH, SPARES, REUSE) if system.name in tokens]
    yield at_most("token requests of a process in all of it", 1, asked, unit="", digits=0)


def opens(at_latency, key):
    """The ratio of the medians, for each round."""
    pairs = zip(at_latency[APP], at_latency[BARE])
    return [median(mine[key]) / median(theirs[key]) for mine, theirs in pairs]


def trips(opening, name):
    """Round trips of an open: how much longer it takes when each takes 10 ms longer; for each round."""
    pairs = zip(opening["5"][name], opening["0"][name])
    return [(median(far["wall"]) - median(near["wall"])) / 0.010 for far, near in pairs]


def trips_more(opening):
    return [round(mine - theirs) for mine, theirs in zip(trips(opening, APP), trips(opening, BARE))]


def memory_each(held):
    """KiB for each session between 10 and the most that were open."""
    few = next(step for step in held if step["open"] == 10)
    most = max(held, key=lambda step: step["open"])
    return (most["resident"] - few["resident"]) / (most["open"] - few["open"]) / KIB


def given_back(held):
    """How much of the memory of all sessions is gone when they are."""
    first, most = held[0]["resident"], max(held, key=lambda step: step["open"])["resident"]
    closed = next(step for step in held if step["open"] == 0)["resident"]
    return (most - closed) / (most - first)
