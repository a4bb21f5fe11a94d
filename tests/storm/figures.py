"""The figures of a storm, printed at the end of the run whether or not it passed, and written to STORM_REPORT."""

import json
import os
from pathlib import Path
from typing import Any

PROPERTY = "storm"

Figures = dict[str, Any]


def keep(figures: Figures, record_property: Any) -> None:
    record_property(PROPERTY, json.dumps(figures))  # from an xdist worker to the process with the terminal
    if where := os.environ.get("STORM_REPORT"):
        path = Path(where)
        before = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([*before, figures], indent=2) + "\n")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = [
        json.loads(value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in getattr(report, "user_properties", [])
        if name == PROPERTY and report.when == "call"
    ]
    for figures in found:
        terminalreporter.section("the storm")
        for name, value in figures.items():
            shown = ", ".join(f"{one} {count}" for one, count in value.items()) if isinstance(value, dict) else value
            terminalreporter.write_line(f"{name.replace('_', ' ')}: {shown}")
