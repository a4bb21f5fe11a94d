"""Renders the report as Markdown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from controlplane.lifecycle.step import OTHERWISE, OUTCOMES

SANDBOX = (
    "> **This report is about the sandbox, not about ElevenLabs.** The sandbox is this project's own stand-in, "
    "which behaves as described in [assumptions.md](assumptions.md): a run on it shows that the experiment works "
    "and what the control plane makes of it. Latencies are those of one machine talking to itself. Run "
    "`manage.py lifecycle` on a real account for a report about ElevenLabs."
)
AFTER_DELETE = {
    "dangling": "it still shows the id of the deleted agent",
    "null": "it shows no agent, though it is still found by the deleted agent's id",
    "released": "it shows no agent",
}


def markdown(data: dict[str, Any]) -> str:
    return "\n".join(_lines(data)).rstrip() + "\n"


def _lines(data: dict[str, Any]) -> Iterator[str]:
    yield "# API check report\n"
    if data["sandbox"]:
        yield SANDBOX + "\n"
    where = (
        "the sandbox" if data["sandbox"] else f"{data['remote']}, workspace {_escaped(data['workspace']) or 'unknown'}"
    )
    yield (
        f"Written by `manage.py lifecycle` from a run on {where}, from {data['began']} to {data['ended']}, "
        f"{data['rounds']} round{'' if data['rounds'] == 1 else 's'}, with the number {data['number']}.\n"
    )
    yield f"**{verdict(data)}**\n"
    if data["left"]:
        yield "## Left over\n"
        yield from (f"- {_plain(_escaped(one))}" for one in data["left"])
        yield ""
    yield "## In short\n"
    yield from _in_short(data)
    yield "\n## Latencies\n"
    yield "In milliseconds: of each write what the request took; of “listed” from the import's answer to the list.\n"
    rows = [(one["words"], one["count"], one["p50"], one["p95"]) for one in data["latencies"]]
    yield from _table(("what", "times", "p50", "p95"), rows)
    yield "\n## Steps of the first round\n"
    yield (
        "“service”: through the services that the pages use. “client alone”: the checks of this app would refuse it, "
        "so it was sent without them (but journaled like any other operation). “read”: nothing was written.\n"
    )
    steps = [step for step in data["steps"] if step["round"] == 1]
    yield from _table(
        ("step", "way", "expected", "outcome", "status", "requests", "of these writes", "found"),
        [
            (
                *(step[name] for name in ("title", "way", "expected")),
                OUTCOMES.get(step["outcome"], step["outcome"]),
                step["status"] or "",
                *(step[name] for name in ("requests", "writes")),
                _escaped(step["found"]),
            )
            for step in steps
        ],
    )
    if again := [step for step in data["steps"] if step["round"] > 1 and step["outcome"] == OTHERWISE]:
        yield "\n## Unexpected in a later round\n"
        yield from _table(("round", "step", "found"), [(s["round"], s["title"], _escaped(s["found"])) for s in again])
    yield "\n## Refusals\n"
    yield "Status and body of each, without secrets and prompts, and cut where it is long.\n"
    refused = [step for step in data["steps"] if (step["status"] or 0) >= 400]
    yield from _table(("step", "status", "body"), [(s["title"], s["status"], _verbatim(s["body"])) for s in refused])
    yield "\n## Assumptions\n"
    yield "The numbered lines of [assumptions.md](assumptions.md).\n"
    lines = [
        (one["number"], _verdict(one), _escaped(one["evidence"], "<[&"), one["assumed"]) for one in data["assumptions"]
    ]
    yield from _table(("#", "verdict", "evidence", "assumed"), lines)


def verdict(data: dict[str, Any]) -> str:
    if data["broken_off"]:
        return f"Aborted: {data['broken_off']}"
    counted = {name: sum(one["verdict"] == name for one in data["assumptions"]) for name in ("confirmed", "refuted")}
    unexpected = sum(step["outcome"] == OTHERWISE for step in data["steps"])
    not_tried = len(data["assumptions"]) - sum(counted.values())
    words = f"{counted['confirmed']} assumptions confirmed, {counted['refuted']} refuted, {not_tried} not tried"
    steps = "1 step" if unexpected == 1 else f"{unexpected} steps"
    good = not unexpected and not counted["refuted"]
    return f"{'As expected' if good else 'Unexpected'}: {words}; {steps} with an unexpected result."


def _in_short(data: dict[str, Any]) -> Iterator[str]:
    swap = data["hot_swap"]
    if swap:
        yield f"- Hot-swap: {'one request' if swap == 1 else f'{swap} requests'}."
    if data["in_use"]:
        yield f"- A number in use, assigned to another agent: {_plain(_escaped(data['in_use']))}."
    if data["after_delete"]:
        yield f"- A number whose agent was deleted: {AFTER_DELETE[data['after_delete']]}."
    for one in data["latencies"]:
        if one["name"] == "listed":
            yield f"- An import is listed after {one['p50'] / 1000:.1f} s (p50), {one['p95'] / 1000:.1f} s (p95)."


def _verdict(line: dict[str, Any]) -> str:
    words = f"{line['verdict']} in part" if line["part"] else line["verdict"]
    return f"**{words}**" if line["verdict"] == "refuted" else words


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_plain(str(cell)) for cell in row)} |"


def _escaped(text: str, special: str = "\\`<[&") -> str:
    """Escape text that the remote may have supplied, so that it cannot form HTML, links, images or code. `marks` are
    the characters to escape."""
    return "".join(f"\\{one}" if one in special else one for one in text).replace("|", "&#124;")


def _verbatim(text: str) -> str:
    """JSON as inline code, fenced with more backticks than it contains. A bar would end the table cell even inside
    code."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}".replace("|", "\\u007c") if text else ""


def _plain(text: str) -> str:
    """Text for one table cell: without line breaks, and with bars escaped."""
    return " ".join(text.split()).replace("\\|", "|").replace("|", "\\|")
