"""File downloads of the history. Each download is recorded first."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse

from controlplane.audit import export as files
from controlplane.audit import ledger
from controlplane.audit.ledger import actor_label
from controlplane.audit.models import Entry
from controlplane.pages import current_staff
from controlplane.statement_timeout import extended_timeout


def as_csv(
    request: HttpRequest, what: str, name: str, head: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """`what` is recorded in the history, `name` is the file name. Text that a spreadsheet would run as a formula is
    escaped."""
    record_export(request, {"told": f"exported as csv: {what}"})
    return as_file(_lines(head, rows), f"{name}.csv", "text/csv; charset=utf-8")


def record_export(request: HttpRequest, summary: dict[str, Any]) -> None:
    actor = current_staff(request)
    cause = ledger.Cause(Entry.Cause.PERSON, "", actor, actor_label(actor))
    with transaction.atomic():
        ledger.record(ledger.entry("history.exported", "history", "", "History", after=summary, cause=cause))


def as_file(lines: Iterator[str], name: str, kind: str) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_with_longer_timeout(lines), content_type=kind, headers=headers)


def _with_longer_timeout(lines: Iterator[str]) -> Iterator[str]:
    with extended_timeout():
        yield from lines


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = files.line_writer()
    yield writer.writerow(head)
    for row in rows:
        yield writer.writerow([files.escape_formula(str(cell)) for cell in row])
