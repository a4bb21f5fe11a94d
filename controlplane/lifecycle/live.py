"""`live_check`: read-only checks of the key, the base URL and the workspace."""

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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
    Remote,
    User,
)
from controlplane.lifecycle.live_reads import READS, Read, findings, first_agent, get
from controlplane.lifecycle.report import Finding
from controlplane.mirror.models import Hold, SyncRun

Level = Literal["ok", "warn", "fail"]
CLOCK_WARN, CLOCK_FAIL = 5.0, 120.0  # allowed clock difference in seconds
SLOW_MS = 1500.0  # median read, in milliseconds
FIELD_NAME = re.compile(r"[A-Za-z0-9_]{1,60}")
MAX_NAMED = 5
MODELS: dict[str, type[Remote]] = {
    "agents": AgentSummary,
    "archived agents": AgentSummary,
    "numbers": PhoneNumber,
    "one agent": Agent,
}
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
    if (agent := first_agent(client, reads)) is not None:
        reads.append(agent)
    found = list(findings(client, reads))
    checks = [
        _key(client, reads),
        _scopes(reads),
        _workspace(reads),
        _pages(client, reads),
        *_schemas(reads),
        _clock(reads),
        *_latency(reads),
        *_assumptions(found),
    ]
    return checks, found


def _connection_failure(read: Read) -> Check | None:
    """The failure of the first read, if it makes all other reads pointless."""
    if isinstance(read.error, KeyRefused) and not read.missing_scope:
        mend = "Put a good key into ELEVENLABS_API_KEY, and the URL of its region into ELEVENLABS_BASE_URL."
        return Check("key", "fail", str(read.error), mend)
    if read.error is not None and read.error.status is None and not isinstance(read.error, BadShape | Limited):
        mend = "Look at ELEVENLABS_BASE_URL, and whether this machine reaches it (name server, firewall, proxy)."
        return Check("connection", "fail", str(read.error), mend)
    return None


def _key(client: ElevenLabs, reads: list[Read]) -> Check:
    """Only a response, or an error about a missing scope, shows that a key is valid: any key may get a remote error."""
    if any(read.error is None or read.missing_scope for read in reads):
        return Check("key", "ok", f"{client.base_url} takes it.")
    mend = "Run this again in a minute. If it stays so: is ELEVENLABS_BASE_URL ElevenLabs' own URL?"
    return Check("key", "fail", f"{client.base_url} gave no usable answer: unknown whether it takes the key.", mend)


def _scopes(reads: list[Read]) -> Check:
    lacking = {read.missing_scope: read.what for read in reads if read.missing_scope}
    working = ", ".join(dict.fromkeys(read.scope for read in reads if read.error is None))
    note = "convai_write is not tried: this writes nothing."
    if lacking:
        level: Level = "fail" if "convai_read" in lacking else "warn"
        named = ", ".join(f"{scope} ({what})" for scope, what in lacking.items())
        mend = "Give the key these scopes at ElevenLabs (Developers, API keys), or make a new one with them."
        return Check("scopes", level, f"The key lacks {named}. {working or 'Nothing else'} works; {note}", mend)
    if not working:
        return Check("scopes", "warn", "No answer contained any.", TRY_LATER)
    return Check("scopes", "ok", f"{working} work; {note}")


def _workspace(reads: list[Read]) -> Check:
    read = next(read for read in reads if read.what == "workspace")
    workspace_id = read.answer.workspace_id if isinstance(read.answer, User) else None
    is_held = Hold.objects.filter(kind=Hold.Kind.WORKSPACE, state=Hold.State.OPEN).exists()
    last_run = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).exclude(workspace="").first()
    if is_held or (workspace_id and last_run is not None and last_run.workspace != workspace_id):
        message = f"The key opens …{(workspace_id or 'unknown')[-6:]}, not the workspace that is shown here."
        mend = "Set the right key, or accept the other workspace under Sync, Holds."
        return Check("workspace", "fail", message, mend)
    if read.failure:
        return Check("workspace", "warn", f"Which one it is could not be read: {read.error}", TRY_LATER)
    if not workspace_id:
        mend = "Give it the scope user_read, so that a key of another workspace is known at once."
        return Check("workspace", "warn", "The key may not read which workspace it belongs to.", mend)
    return Check("workspace", "ok", f"…{workspace_id[-6:]}{', the one that is shown here' if last_run else ''}.")


def _pages(client: ElevenLabs, reads: list[Read]) -> Check:
    if wrong := [read.failure for read in reads if isinstance(read.error, BadShape | NoSuchRoute)]:
        mend = "ElevenLabs has changed its answers, or a proxy alters them: update the control plane."
        return Check("page shapes", "fail", " ".join(wrong), mend)
    if failures := [read.failure for read in reads if read.failure]:
        return Check("page shapes", "warn", " ".join(failures), TRY_LATER)
    numbers = next(read for read in reads if read.what == "numbers")
    if numbers.attempt is not None and not numbers.is_paged:
        message = "There is only the older list of numbers, without pages."
        return Check("page shapes", "warn", message, "Nothing: it is read too.")
    return _second_page(client, reads[0])


def _second_page(client: ElevenLabs, agents: Read) -> Check:
    """Whether a cursor leads to the next page, tested with two pages of one agent each."""
    if not isinstance(agents.answer, Page) or len(agents.answer.rows) < 2:
        return Check("page shapes", "ok", "Every list is as it should be.")
    try:
        first = client.list_agents(page_size=1)
        second = client.list_agents(page_size=1, cursor=first.next_cursor)
    except ElevenLabsError as error:
        return Check("page shapes", "warn", f"A second page could not be read: {error}", TRY_LATER)
    if first.next_cursor is None or first.rows == second.rows:
        message = "A cursor does not lead to the next page."
        return Check("page shapes", "fail", message, "Report this to the maintainer.")
    return Check("page shapes", "ok", "Every list is as it should be, and a cursor leads to the next page.")


def _schemas(reads: list[Read]) -> Iterator[Check]:
    """Check each row against its schema. Fields that the schema does not know are reported, and are harmless."""
    failures: list[str] = []
    unknown: set[str] = set()
    rows = [(read.what, row) for read in reads if read.what in MODELS for row in read.rows]
    for what, row in rows:
        try:
            known = type(MODELS[what].parse(row)).model_fields.keys()
        except BadShape as error:
            failures.append(f"{what}: {error}")
            continue
        for name in row.keys() - known:
            unknown.add(f"{what}: {name if FIELD_NAME.fullmatch(name) else '(no plain name)'}")
    if failures:
        more = f" and {len(failures) - MAX_NAMED} more" if len(failures) > MAX_NAMED else ""
        mend = "Each of these is left out and listed, with its id, on the page of the next sync."
        yield Check("schemas", "fail", f"{' '.join(failures[:MAX_NAMED])}{more}", mend)
    elif not any(isinstance(read.answer, Page) for read in reads):
        yield Check("schemas", "warn", "No list could be read, so no row was looked at.", "See above.")
    else:
        yield Check("schemas", "ok", f"{len(rows)} rows read, all of them fit.")
    if unknown:
        yield Check("unknown fields", "ok", f"Kept and not used: {', '.join(sorted(unknown))}.")


def _clock(reads: list[Read]) -> Check:
    offsets = [read.offset for read in reads if read.offset is not None]
    if not offsets:
        return Check("clock", "warn", "No answer contained the time.", "Nothing, if the clock of this machine is set.")
    offset = min(offsets, key=abs)
    if abs(offset) <= CLOCK_WARN:
        return Check("clock", "ok", f"Within {max(abs(offset), 1):.0f} s of ElevenLabs'.")
    message = f"This machine's clock is {abs(offset):.0f} s {'behind' if offset > 0 else 'ahead of'} ElevenLabs'."
    mend = "Set it (NTP): deadlines, the history's times and what counts as fresh go by it."
    return Check("clock", "fail" if abs(offset) > CLOCK_FAIL else "warn", message, mend)


def _latency(reads: list[Read]) -> Iterator[Check]:
    """Successful reads only: the time of an error says nothing about latency."""
    took = [read.attempt.milliseconds for read in reads if read.attempt is not None and read.error is None]
    if took:
        median = statistics.median(took)
        message = f"A read takes {median:.0f} ms, the longest took {max(took):.0f} ms."
        mend = "Is the URL that of the nearest region, and is the network of this machine busy?"
        is_slow = median > SLOW_MS
        yield Check("latency", "warn" if is_slow else "ok", message, mend if is_slow else "")


def _assumptions(found: list[Finding]) -> Iterator[Check]:
    """What the reads show about the numbered assumptions."""
    refuted = [f"{finding.number} ({finding.evidence})" for finding in found if not finding.holds]
    if refuted:
        mend = "Look up these lines in docs/assumptions.md, which lists where they matter."
        yield Check("assumptions", "warn", f"Refuted: {', '.join(refuted)}.", mend)
    elif found:
        lines = ", ".join(str(number) for number in sorted({finding.number for finding in found}))
        yield Check("assumptions", "ok", f"Confirmed by reads: lines {lines} of docs/assumptions.md.")
