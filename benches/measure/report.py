"""The report: what ran where and when, the figures, and the tables behind them, between two marks in the README."""

import os
import platform
import subprocess
from datetime import date
from statistics import median

from measure import figures, picture, places
from measure.figures import KIB

BEGIN, END = "<!-- results: written by benches/run -->", "<!-- end of the results -->"
MIB = KIB * KIB


def write(run):
    (places.BENCHES / "results.svg").write_text(picture.picture(run))
    readme = places.BENCHES / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n\n{results(run)}\n\n{END}{after}")


def results(run):
    found = figures.figures(run)
    lines = [
        f"`{run['command']}`, {run['date']}, in {run['minutes']:.1f} minutes, on {run['machine']}.",
        "",
        "![requests/s, waiting time and cold start beside the peers](results.svg)",
        "",
        "| figure | to reach | found | rounds | reached |",
        "|---|---|---|---|---|",
        *[figure.row() for figure in found],
        "",
        *overhead(run),
        *opening(run),
        *queries(run),
        *steady(run),
        *growth(run),
        *cold(run),
    ]
    return "\n".join(lines).rstrip()


def machine():
    """What it runs on, and how busy that was with other things: to be called before anything is started."""
    with open("/proc/meminfo") as meminfo:
        memory = int(meminfo.readline().split()[1]) / MIB
    said = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.split()
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, Linux {platform.release().split('-')[0]}, "
        f"rustc {said('rustc', '--version')[1]}, Python {platform.python_version()}, wrk {said('wrk', '-v')[1]}; "
        f"{os.getloadavg()[0]:.1f} processes wanted a core when it began"
    )


def today():
    return date.today().isoformat()


def middle(samples, key):
    return median(sample[key] for sample in samples)


def overhead(run):
    yield from title("1. A function without SQL, 32 at once", "mode | server | requests/s | p50 ms | p99 ms | CPU ms")
    for mode, by_server in run["overhead"].items():
        for name, samples in by_server.items():
            yield row(mode, name, *load(samples))
    yield ""


def opening(run):
    yield from title("2. An open, in turn", "each way | client | ms | CPU ms | CPU ms with its close | round trips")
    for latency, by_client in run["opening"].items():
        for name, rounds in by_client.items():
            wall, cpu = (median(median(one[key]) for one in rounds) * 1000 for key in ("wall", "cpu"))
            close = median(one["cpu_with_close"] for one in rounds) * 1000
            trips = f"{median(figures.trips(run['opening'], name)):.1f}" if latency == "5" else ""
            yield row(f"{latency} ms", name, f"{wall:.2f}", f"{cpu:.2f}", f"{close:.2f}", trips)
    yield ""


def queries(run):
    tokens = run["queries"]["tokens"]
    for latency, by_count in run["queries"]["samples"].items():
        columns = "at once | system | requests/s | p50 ms | p99 ms | CPU ms | MiB"
        yield from title(f"3. A request with one query, {latency} ms each way", columns)
        for count, by_system in by_count.items():
            for name, samples in by_system.items():
                yield row(count, name, *load(samples), f"{middle(samples, 'resident') / MIB:.1f}")
        yield ""
    asked = ", ".join(f"{name} {count}" for name, count in tokens.items())
    yield f"Tokens that each process asked for, from its start through all requests at 0 ms: {asked}."
    yield ""


def steady(run):
    yield from title("About 20 requests a second, 5 ms each way", "system | requests/s | p50 ms | p99 ms | CPU ms")
    for name, samples in run["steady"].items():
        yield row(name, *load(samples))
    yield ""


def growth(run):
    columns = "client | open | ms for each that was opened | MiB resident"
    yield from title("4. Sessions open at once, one line after another", columns)
    for name, steps in run["growth"]["held"].items():
        for step in steps:
            each = f"{step['seconds_each'] * 1000:.2f}" if step["open"] else ""
            yield row(name, step["open"], each, f"{step['resident'] / MIB:.1f}")
    yield ""
    yield from title("A table that grows: fresh, 8 at once", "rows | requests/s | p50 ms | p99 ms | CPU ms")
    for rows, sample in run["growth"]["rows"].items():
        yield row(f"{int(rows):,}", *load([sample]))
    yield ""


def cold(run):
    yield from title("From exec to the first answered SQL request", "system | median ms | least | most")
    for name, starts in run["cold"].items():
        yield row(name, *(f"{seconds * 1000:.1f}" for seconds in (median(starts), min(starts), max(starts))))


def load(samples):
    rate, p50, p99, cpu = (middle(samples, key) for key in ("rate", "p50", "p99", "cpu"))
    return f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{cpu:.3f}"


def title(text, columns):
    return [f"### {text}", "", f"| {columns} |", "|---" * (columns.count("|") + 1) + "|"]


def row(*cells):
    return f"| {' | '.join(map(str, cells))} |"
