"""`python -m measure [--quick]`: runs all parts against one endpoint and writes the report."""

import json
import sys
import time

from measure import parts, places, report, systems
from measure.azure import Azure


def main():
    quick = sys.argv[1:] == ["--quick"]
    plan = parts.QUICK if quick else parts.FULL
    began = time.monotonic()
    run = {"command": "benches/run --quick" if quick else "benches/run", "date": report.today()}
    run["machine"] = report.machine()
    ours = systems.known()
    for missing in {systems.SPARES.name, systems.REUSE.name} - {system.name for system in ours}:
        print(f"not measured: {missing}; this sqlscope has no such setting", flush=True)
    with Azure() as azure:
        for name, part in [
            ("overhead", lambda: parts.overhead(azure, plan)),
            ("opening", lambda: parts.opening(azure, plan)),
            ("cold", lambda: parts.cold(azure, plan, ours)),
            ("queries", lambda: parts.queries(azure, plan, ours)),
            ("steady", lambda: parts.steady(azure, plan, ours)),
            ("growth", lambda: parts.growth(azure, plan)),
        ]:
            print(f"{time.monotonic() - began:4.0f} s: {name}", flush=True)
            run[name] = part()
    run["minutes"] = (time.monotonic() - began) / 60
    # By way of JSON, as it is kept: every key is text from here on.
    results = places.TARGET / "results.json"
    results.write_text(json.dumps(run, indent=1))
    report.write(json.loads(results.read_text()))
    print(f"{time.monotonic() - began:4.0f} s: written to benches/README.md and benches/results.svg")


main()
