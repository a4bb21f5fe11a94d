"""`live_check`: read-only checks of the key, the base URL and the workspace."""

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from controlplane.elevenlabs import (
    Agent,
    AgentSummary,
    BadShape,
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    Limited,
    NoSuchRoute,
    Page,
    PhoneNumber,
    User,
    is_id,
)
from controlplane.lifecycle.assumptions import Finding
from controlplane.lifecycle.live_findings import findings
from controlplane.lifecycle.live_reads import READS, Read, get
from controlplane.mirror.models import Hold, SyncRun

Level = Literal["ok", "warn", "fail"]
CLOCK_WARN, CLOCK_FAIL = 5.0, 120.0  # allowed clock difference in seconds
SLOW_MS = 1500.0  # median read, in milliseconds
NAME = re.compile(r"[A-Za-z0-9_]{1,60}")
MAX_NAMED = 5
TRY_LATER = "Run this again in a minute."


@dataclass(frozen=True)
class Check:
    name: str
    level: Level
    message: str
    mend: str = ""  # how to fix it, if not ok


def run_checks(client: ElevenLabs) -> tuple[list[Check], list[Finding]]:
    """All checks, and their findings about docs/assumptions.md."""
    reads = [get(client, *READS[0])]
    if (failure := _connection_failure(reads[0])) is not None:
        return [failure], []
    reads += [get(client, *one) for one in READS[1:]]
    agents = [read.answer for read in reads[:2] if isinstance(read.answer, Page)]
    ids = (row.get("agent_id") for page in agents for row in page.rows)
    first = next((one for one in ids if isinstance(one, str) and is_id(one)), None)
    if first is not None:
        reads.append(get(client, "one agent", "convai_read", lambda client: client.get_agent(first)))
    found = list(findings(client, reads))
    checks = [
        _key(client, reads),
        _scopes(reads),
        _workspace(reads),
        _pages(client, reads),
        *_shapes(reads),
        _clock(reads),
        *_latency(reads),
        *_assumptions(found),
    ]
    return checks, found


def _connection_failure(read: Read) -> Check | None:
    """The failure of the first read, if it makes all other reads pointless."""
    error = read.error
    if isinstance(error, KeyRefused) and not error.is_missing_permission:
        mend = "Put a good key into ELEVENLABS_API_KEY, and the address of its region into ELEVENLABS_BASE_URL."
        return Check("key", "fail", str(error), mend)
    if error is not None and error.status is None and not isinstance(error, BadShape | Limited):
        mend = "Look at ELEVENLABS_BASE_URL, and whether this machine reaches it (name server, firewall, proxy)."
        return Check("connection", "fail", str(error), mend)
    return None


def _key(client: ElevenLabs, reads: list[Read]) -> Check:
    """Only a response, or an error about a missing scope, shows that a key is valid: any key may get a remote error."""
    if any(read.error is None or _lacks_a_scope(read.error) for read in reads):
        return Check("key", "ok", f"{client.base_url} takes it.")
    mend = "Run this again in a minute. If it stays so: is ELEVENLABS_BASE_URL ElevenLabs' own address?"
    return Check("key", "fail", f"{client.base_url} gave no usable answer: unknown whether it takes the key.", mend)


def _lacks_a_scope(error: ElevenLabsError | None) -> TypeGuard[KeyRefused]:
    return isinstance(error, KeyRefused) and error.is_missing_permission


def _scopes(reads: list[Read]) -> Check:
    lacking = {read.error.permission or read.scope: read.what for read in reads if _lacks_a_scope(read.error)}
    working = list(dict.fromkeys(read.scope for read in reads if read.error is None))
    note = "convai_write is not tried: this writes nothing."
    if not lacking and not working:
        return Check("scopes", "warn", "No answer contained any.", TRY_LATER)
    if not lacking:
        return Check("scopes", "ok", f"{', '.join(working)} work; {note}")
    named = ", ".join(f"{scope} ({what})" for scope, what in lacking.items())
    return Check(
        "scopes",
        "fail" if "convai_read" in lacking else "warn",
        f"The key lacks {named}. {', '.join(working) or 'Nothing else'} works; {note}",
        "Give the key these scopes at ElevenLabs (Developers, API keys), or make a new one with them.",
    )


def _workspace(reads: list[Read]) -> Check:
    user = next((read.answer for read in reads if isinstance(read.answer, User)), None)
    workspace_id = user.workspace_id if user is not None else None
    hold = Hold.objects.filter(kind=Hold.Kind.WORKSPACE, state=Hold.State.OPEN).exists()
    last_run = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).exclude(workspace="").first()
    if hold or (workspace_id and last_run is not None and last_run.workspace != workspace_id):
        return Check(
            "workspace",
            "fail",
            f"The key opens …{(workspace_id or 'unknown')[-6:]}, not the workspace that is shown here.",
            "Set the right key, or accept the other workspace under Sync, Holds.",
        )
    error = next((read.error for read in reads if read.what == "workspace" and not _lacks_a_scope(read.error)), None)
    if error is not None:
        return Check("workspace", "warn", f"Which one it is could not be read: {error}", TRY_LATER)
    if not workspace_id:
        return Check(
            "workspace",
            "warn",
            "The key may not read which workspace it belongs to.",
            "Give it the scope user_read, so that a key of another workspace is known at once.",
        )
    return Check("workspace", "ok", f"…{workspace_id[-6:]}{', the one that is shown here' if last_run else ''}.")


def _pages(client: ElevenLabs, reads: list[Read]) -> Check:
    failures = [f"{read.what}: {read.error}" for read in reads if _is_shape(read.error)]
    if failures:
        mend = "ElevenLabs has changed its answers, or a proxy alters them: update the control plane."
        return Check("page shapes", "fail", " ".join(failures), mend)
    others = [f"{read.what}: {read.error}" for read in reads if read.error and not _lacks_a_scope(read.error)]
    if others:
        return Check("page shapes", "warn", " ".join(others), TRY_LATER)
    numbers = next(read for read in reads if read.what == "numbers")
    if numbers.attempt is not None and "/v2/" not in numbers.attempt.path:
        return Check(
            "page shapes", "warn", "There is only the older list of numbers, without pages.", "Nothing: it is read too."
        )
    return _second_page(client, reads[0])


def _second_page(client: ElevenLabs, agents: Read) -> Check:
    """Whether a cursor leads to the next page, tested with two pages of one agent each."""
    words = "Every list is as it should be"
    if not isinstance(agents.answer, Page) or len(agents.answer.rows) < 2:
        return Check("page shapes", "ok", f"{words}.")
    try:
        first = client.list_agents(page_size=1)
        second = client.list_agents(page_size=1, cursor=first.next_cursor)
    except ElevenLabsError as error:
        return Check("page shapes", "warn", f"A second page could not be read: {error}", TRY_LATER)
    if first.next_cursor is None or first.rows == second.rows:
        return Check(
            "page shapes", "fail", "A cursor does not lead to the next page.", "Report this to the maintainer."
        )
    return Check("page shapes", "ok", f"{words}, and a cursor leads to the next page.")


def _is_shape(error: ElevenLabsError | None) -> bool:
    return isinstance(error, BadShape | NoSuchRoute)


def _shapes(reads: list[Read]) -> Iterator[Check]:
    """Check each row against its schema. Fields that the schema does not know are reported, and are harmless."""
    failures: list[str] = []
    unknown: dict[str, None] = {}
    rows = 0
    for what, model, row in _rows(reads):
        rows += 1
        try:
            parsed = model.parse(row)
        except BadShape as error:
            failures.append(f"{what}: {error}")
            continue
        for name in row.keys() - type(parsed).model_fields.keys():
            unknown[f"{what}: {name if NAME.fullmatch(name) else '(no plain name)'}"] = None
    if failures:
        more = f" and {len(failures) - MAX_NAMED} more" if len(failures) > MAX_NAMED else ""
        mend = "Each of these is left out and listed, with its id, on the page of the next sync."
        yield Check("schemas", "fail", f"{' '.join(failures[:MAX_NAMED])}{more}", mend)
    elif not any(isinstance(read.answer, Page) for read in reads):
        yield Check("schemas", "warn", "No list could be read, so no row was looked at.", "See above.")
    else:
        yield Check("schemas", "ok", f"{rows} rows read, all of them fit.")
    if unknown:
        yield Check("unknown fields", "ok", f"Kept and not used: {', '.join(sorted(unknown))}.")


def _rows(reads: list[Read]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    models = {"agents": AgentSummary, "archived agents": AgentSummary, "numbers": PhoneNumber}
    for read in reads:
        if isinstance(read.answer, Page):
            for row in read.answer.rows:
                yield read.what, models[read.what], row
        elif isinstance(read.answer, Agent):
            yield read.what, Agent, read.answer.raw


def _clock(reads: list[Read]) -> Check:
    offsets = [read.offset for read in reads if read.offset is not None]
    if not offsets:
        return Check("clock", "warn", "No answer contained the time.", "Nothing, if the clock of this machine is set.")
    offset = min(offsets, key=abs)
    if abs(offset) <= CLOCK_WARN:
        return Check("clock", "ok", f"Within {max(abs(offset), 1):.0f} s of ElevenLabs'.")
    words = f"This machine's clock is {abs(offset):.0f} s {'behind' if offset > 0 else 'ahead of'} ElevenLabs'."
    mend = "Set it (NTP): deadlines, the history's times and what counts as fresh go by it."
    return Check("clock", "fail" if abs(offset) > CLOCK_FAIL else "warn", words, mend)


def _latency(reads: list[Read]) -> Iterator[Check]:
    """Successful reads only: the time of an error says nothing about latency."""
    took = [read.attempt.milliseconds for read in reads if read.attempt is not None and read.error is None]
    if not took:
        return
    median, longest = statistics.median(took), max(took)
    words = f"A read takes {median:.0f} ms, the longest took {longest:.0f} ms."
    if median > SLOW_MS:
        mend = "Is the address that of the nearest region, and is the network of this machine busy?"
        yield Check("latency", "warn", words, mend)
    else:
        yield Check("latency", "ok", words)


def _assumptions(found: list[Finding]) -> Iterator[Check]:
    """What the reads show about the numbered assumptions."""
    refuted = [f"{finding.number} ({finding.evidence})" for finding in found if not finding.holds]
    if refuted:
        mend = "Look up these lines in docs/assumptions.md, which lists where they matter."
        yield Check("assumptions", "warn", f"Refuted: {', '.join(refuted)}.", mend)
    elif found:
        lines = ", ".join(str(number) for number in sorted({finding.number for finding in found}))
        yield Check("assumptions", "ok", f"Confirmed by reads: lines {lines} of docs/assumptions.md.")
