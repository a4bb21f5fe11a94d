"""The numbered assumptions of docs/assumptions.md, and whether a run confirmed them."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

FILE = settings.BASE_DIR / "docs" / "assumptions.md"
_LINE = re.compile(r"^\| (\d+) \| (.+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

CONFIRMED, REFUTED, NOT_TRIED = "confirmed", "refuted", "not tried"


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
    text = FILE.read_text(encoding="utf-8")
    return [Assumption(int(number), assumed, by) for number, assumed, by, _ in _LINE.findall(text)]


def judged(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Each assumption with its verdict, for the report. One contradicting finding refutes it, whatever else was
    observed. Raises ValueError for a number that the file does not have."""
    by_number: dict[int, list[Finding]] = {}
    for finding in findings:
        by_number.setdefault(finding.number, []).append(finding)
    lines = numbered()
    if unknown := set(by_number) - {line.number for line in lines}:
        raise ValueError(f"docs/assumptions.md has no line {', '.join(map(str, sorted(unknown)))}.")
    return [asdict(line) | _verdict(by_number.get(line.number, [])) for line in lines]


def _verdict(found: list[Finding]) -> dict[str, Any]:
    if not found:
        return {"verdict": NOT_TRIED, "part": False, "evidence": ""}
    contradicting = [finding for finding in found if not finding.holds]
    evidence = list(dict.fromkeys(finding.evidence for finding in contradicting or found))
    part = not contradicting and all(finding.part for finding in found)
    return {"verdict": REFUTED if contradicting else CONFIRMED, "part": part, "evidence": " ".join(evidence)}
