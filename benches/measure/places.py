"""Where everything lies: the project, what was built, and what the runs write."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BENCHES = PROJECT / "benches"
TARGET = PROJECT / "target/benches"

APP = PROJECT / "target/release/bench-app"
WARP = PROJECT / "target/release/bench-warp"
ENDPOINT = PROJECT / "target/release/bench-endpoint"
TIBERIUS = TARGET / "tiberius/release/bare-tiberius"
PYTHON = [TARGET / "venv/bin/python", BENCHES / "peers/python/app.py"]
