"""The report of a run: its data, which is one JSON object, and what the page and the Markdown document show of it."""

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from controlplane.elevenlabs import is_sandbox
from controlplane.elevenlabs.scrub import scrub
from controlplane.lifecycle.models import Report

ASSUMPTIONS = settings.BASE_DIR / "docs" / "assumptions.md"
_LINE = re.compile(r"^\| (\d+) \| (.+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CONFIRMED, REFUTED, NOT_TRIED = "confirmed", "refuted", "not tried"
FORMAT = 1
FILE_NAMES = ("findings.md", "findings.json")
EXPECTED, UNEXPECTED = "as assumed", "otherwise"  # outcomes of a step, as stored in reports
OUTCOMES = {EXPECTED: "as expected", UNEXPECTED: "unexpected"}  # as shown
MEASURED = {  # {step name: label}
    "create": "Create an agent",
    "import": "Import",
    "listed": "Listed after the import",
    "assign": "Assign",
    "swap": "Swap",
    "remove": "Remove the number",
    "delete": "Delete an agent",
}
AFTER_DELETE = {
    "dangling": "it still shows the id of the deleted agent",
    "null": "it shows no agent, though it is still found by the deleted agent's id",
    "released": "it shows no agent",
}
Data = dict[str, Any]  # of a report, or one of its steps, latencies or assumptions


@dataclass(frozen=True)
class Assumption:
    number: int
    assumed: str
    confirmed_by: str


@dataclass(frozen=True)
class Finding:
    """What one step observed about one assumption. `part`: only the part of the statement that `evidence` names."""

    number: int
    holds: bool
    evidence: str
    part: bool = False


def numbered() -> list[Assumption]:
    text = ASSUMPTIONS.read_text(encoding="utf-8")
    return [Assumption(int(number), assumed, by) for number, assumed, by, _ in _LINE.findall(text)]


def judged(findings: Sequence[Finding]) -> list[Data]:
    """Each assumption with its verdict, for the report. One contradicting finding refutes it, whatever else was
    observed. Raises ValueError for a number that the file does not have."""
    lines = numbered()
    if unknown := {finding.number for finding in findings} - {line.number for line in lines}:
        raise ValueError(f"docs/assumptions.md has no line {', '.join(map(str, sorted(unknown)))}.")
    return [asdict(line) | _verdict([one for one in findings if one.number == line.number]) for line in lines]


def _verdict(found: list[Finding]) -> Data:
    if not found:
        return {"verdict": NOT_TRIED, "part": False, "evidence": ""}
    contradicting = [finding for finding in found if not finding.holds]
    evidence = list(dict.fromkeys(finding.evidence for finding in contradicting or found))
    part = not contradicting and all(finding.part for finding in found)
    return {"verdict": REFUTED if contradicting else CONFIRMED, "part": part, "evidence": " ".join(evidence)}


# --- Its data --------------------------------------------------------------------------------------------------------


def report_data(report: Report, steps: list[Data], findings: Sequence[Finding], facts: Mapping[str, Any]) -> Data:
    """The report without the leftovers, which are known only after the clean-up."""
    data = {
        "format": FORMAT,
        "sandbox": is_sandbox(report.base_url),
        "remote": report.base_url,
        "workspace": report.workspace,
        "by": report.actor_name,
        "began": report.started_at.isoformat(timespec="seconds"),
        "ended": timezone.now().isoformat(timespec="seconds"),
        "rounds": max((step["round"] for step in steps), default=0),
        **facts,
        "latencies": latencies(steps),
        "steps": steps,
        "assumptions": judged(findings),
        "left": [],
    }
    return {name: scrubbed(value) for name, value in data.items()}


def latencies(steps: list[Data]) -> list[Data]:
    """Milliseconds on the wire of the writes that ElevenLabs accepted; for "listed", from the import's response until
    the number was listed."""
    measured: dict[str, list[int]] = {name: [] for name in MEASURED}
    for step in steps:
        if step["name"] in measured and step["milliseconds"] is not None and (step["status"] or 0) < 300:
            measured[step["name"]].append(step["milliseconds"])
    return [
        {"name": name, "words": MEASURED[name], "count": len(took), "p50": rank(took, 0.5), "p95": rank(took, 0.95)}
        for name, took in measured.items()
        if took
    ]


def rank(durations: list[int], share: float) -> int:
    """The nearest-rank percentile."""
    return sorted(durations)[max(math.ceil(share * len(durations)) - 1, 0)]


def scrubbed(value: Any) -> Any:
    """`value` with all known secrets removed from its texts. The body of a refusal was scrubbed when it was recorded:
    as one text, the word "token" in it would hide the name that follows."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {name: item if name == "body" else scrubbed(item) for name, item in value.items()}
    return [scrubbed(item) for item in value] if isinstance(value, list) else value


# --- What is shown of it ---------------------------------------------------------------------------------------------


def is_as_expected(data: Data) -> bool:
    """Whether nothing was refuted and no step that was tried had an unexpected result."""
    return not _count(data["assumptions"], "verdict", REFUTED) and not _count(data["steps"], "outcome", UNEXPECTED)


def _count(rows: list[Data], field: str, value: str) -> int:
    return sum(row[field] == value for row in rows)


def verdict(data: Data) -> str:
    if data["broken_off"]:
        return f"Aborted: {data['broken_off']}"
    confirmed, refuted, not_tried = (
        _count(data["assumptions"], "verdict", name) for name in (CONFIRMED, REFUTED, NOT_TRIED)
    )
    unexpected = _count(data["steps"], "outcome", UNEXPECTED)
    return (
        f"{'As expected' if is_as_expected(data) else 'Unexpected'}: {confirmed} assumptions confirmed, "
        f"{refuted} refuted, {not_tried} not tried; {unexpected} step{'' if unexpected == 1 else 's'} with an "
        "unexpected result."
    )


def hot_swap(data: Data) -> str:
    """How many requests a move took; empty if it was not tried."""
    requests = data.get("hot_swap")
    return "" if not requests else "one request" if requests == 1 else f"{requests} requests"


def listed_after(data: Data) -> dict[str, str]:
    """How long an import took to be listed: {"p50": "5.1 s", "p95": …}; empty if it was not measured."""
    found = [one for one in data.get("latencies", []) if one["name"] == "listed"]
    return {name: duration(found[0][name]) for name in ("p50", "p95")} if found else {}


def duration(milliseconds: float) -> str:
    """ "6 ms", "5.1 s"."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == round(seconds) else f"{seconds:.1f} s"


def chart(data: Data) -> Data:
    """Latencies on a logarithmic scale, with positions as CSS percentages; empty if nothing was measured."""
    figures = data.get("latencies", [])
    if not figures:
        return {}
    decades = max(math.ceil(math.log10(max(1, *(one["p95"] for one in figures)))), 1)
    rows = []
    for one in figures:
        at50, at95 = (100 * math.log10(max(one[name], 1)) / decades for name in ("p50", "p95"))
        places = {"at50": f"{at50:.2f}%", "at95": f"{at95:.2f}%", "between": f"{at95 - at50:.2f}%"}
        rows.append(one | places | {"p50": duration(one["p50"]), "p95": duration(one["p95"])})
    ticks = [(f"{100 * power / decades:.2f}%", duration(10**power)) for power in range(decades + 1)]
    return {"rows": rows, "ticks": ticks}


def report_context(data: Data) -> Data:
    """The template variables of both renderings, `report.html` and `report.md`."""
    steps = [
        step | {"is_unexpected": step["outcome"] == UNEXPECTED, "shown": OUTCOMES.get(step["outcome"], NOT_TRIED)}
        for step in data["steps"]
    ]
    lines = data["assumptions"]
    return {
        "data": data,
        "verdict": verdict(data),
        "hot_swap": hot_swap(data),
        "after_delete": AFTER_DELETE.get(data["after_delete"], ""),
        "listed_after": listed_after(data),
        "chart": chart(data),
        "steps": [step for step in steps if step["round"] == 1],
        "later": [step for step in steps if step["round"] > 1 and step["is_unexpected"]],
        "refusals": [step for step in steps if (step["status"] or 0) >= 400],
        "tried": [line for wanted in (REFUTED, CONFIRMED) for line in lines if line["verdict"] == wanted],
        "not_tried": [line for line in lines if line["verdict"] == NOT_TRIED],
    }


def markdown(data: Data) -> str:
    return render_to_string("lifecycle/report.md", report_context(data)).rstrip() + "\n"


# --- Files -----------------------------------------------------------------------------------------------------------


def folder_problem(folder: Path) -> str:
    """Why the report cannot be written to the folder; empty if it can. Creates the folder. Called before a run, which
    takes minutes."""
    if blocked := [name for name in FILE_NAMES if (folder / name).is_dir()]:
        return f"{folder / blocked[0]} is a folder, but the report has to be written there."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})."


def write_files(folder: Path, data: Data) -> str:
    """Replaces existing files. Returns why that failed; empty if it did not."""
    as_json = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    try:
        for name, text in zip(FILE_NAMES, (markdown(data), as_json), strict=True):
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        return error.strerror or "unknown error"
    return ""
