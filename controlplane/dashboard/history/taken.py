"""A file that somebody takes away. That it was taken is an entry itself, written first."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse

from controlplane.audit import export as files
from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.operations.pages import actor_of
from controlplane.operations.run import name_of


def as_csv(
    request: HttpRequest, what: str, name: str, head: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """`what` stands in the history, `name` is the file's. Text that a spreadsheet would run is made harmless."""
    actor = actor_of(request)
    cause = ledger.Cause(Entry.Cause.PERSON, "", actor, name_of(actor))
    told = {"told": f"exported as csv: {what}"}
    with transaction.atomic():
        ledger.record(ledger.entry("history.exported", "history", "", "History", after=told, cause=cause))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingHttpResponse(_lines(head, rows), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(files.Echo())
    yield writer.writerow(head)
    for row in rows:
        yield writer.writerow([files.harmless(str(cell)) for cell in row])
