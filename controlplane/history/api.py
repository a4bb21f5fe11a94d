"""API endpoint of the history, with the filters of the page."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from controlplane.api.auth import requires
from controlplane.api.paging import Cursor, Limit, Page, is_cursor_of, page
from controlplane.api.problems import Problem
from controlplane.api.schemas import Moment, Text, one_of
from controlplane.audit.models import Entry
from controlplane.history import download, filters
from controlplane.history.search import search
from controlplane.readonly_admin import ReadOnlyAdmin

router = Router(tags=["History"])
MAX_PAGE_SIZE = ReadOnlyAdmin.list_per_page  # the page size of the timeline
LIST, EXPORT = (
    "history",
    "history, exported",
)  # the list a cursor is valid for: EXPORT for a cursor that continues an export

EntryCause = Annotated[Entry.Cause, one_of(Entry.Cause)]


class EntryOut(Schema):
    id: int
    at: datetime
    kind: str = Field(description="`number.changed`, `operation.done`, `person.signed_in` and so on")
    object_type: str
    object_id: str
    object_name: str
    before: dict[str, Any] = Field(description="{setting: value}, only what differs")
    after: dict[str, Any]
    actor: str
    cause: EntryCause
    cause_id: str = Field(description="The id of the operation or the sync run")
    reason: str
    ticket: str


class EntryFilters(Schema):
    what: Text = Field("", max_length=60, description="A full kind, or the part before its dot")
    verdict: Text = Field("", max_length=40, description="Of an operation: `done`, `refused` and so on")
    person: Text = Field("", max_length=20, description="The key of a user, or `system`")
    object_type: Text = Field("", max_length=20)
    object: Text = Field("", max_length=300, description="An id, all digits of a number, or the whole name of an agent")
    cause: EntryCause | None = None
    change_set: Text = Field("", max_length=20)
    since: Moment | None = Field(None, description="Entries of this moment or later; without a zone it is UTC")
    until: Moment | None = Field(None, description="Entries before this moment")
    q: Text = Field("", max_length=200, description="Words; found in the newest 100,000 that pass the other filters")


@router.get("/history", summary="Read the history", response=Page[EntryOut], auth=requires("audit.view_entry"))
def history(request: HttpRequest, chosen: Query[EntryFilters], limit: Limit, cursor: Cursor) -> Any:
    """Everything that happened, newest first. Without the permission to export the history: at most 50 entries, no
    `until`, and no cursor to older ones. With it, paging further, or more than 50 entries at once, is an export and is
    recorded."""
    may_export = request.user.has_perm("audit.export_entry")
    if not may_export:
        if cursor or chosen.until:
            words = (
                f"Without the right to export the history, you may read the newest {MAX_PAGE_SIZE} entries of a query."
            )
            raise Problem(403, "forbidden", words)
        limit = min(limit, MAX_PAGE_SIZE)
    rows = filters.what(Entry.objects.all(), chosen.what)
    rows = filters.person(filters.verdict(rows, chosen.verdict), chosen.person)
    rows = filters.object_type(filters.cause(rows, chosen.cause or ""), chosen.object_type)
    rows = filters.change_set(filters.one_object(rows, chosen.object), chosen.change_set)
    rows = filters.between(rows, chosen.since, chosen.until)
    rows = search(rows, chosen.q).entries
    is_export = bool(cursor or chosen.until) or limit > MAX_PAGE_SIZE
    continues = is_export and is_cursor_of(cursor, name=EXPORT, narrowed=chosen)
    found, following = page(
        rows,
        "-at",
        name=EXPORT if continues else LIST,
        narrowed=chosen,
        limit=limit,
        cursor=cursor,
        following=EXPORT if is_export else LIST,
    )
    if is_export and not continues:  # otherwise it was recorded when it started
        _record_export(request, chosen)
    return {"items": [_serialize(entry) for entry in found], "next": following if may_export else None}


def _record_export(request: HttpRequest, chosen: EntryFilters) -> None:
    """Committed before anything is returned."""
    values = chosen.model_dump(mode="json", exclude_defaults=True)
    filters = ", ".join(f"{name} {value}" for name, value in values.items())[:500]
    download.record_export(request, {"told": f"exported through the API: {filters or 'everything'}"})


def _serialize(entry: Entry) -> dict[str, Any]:
    names = EntryOut.model_fields.keys() - {"actor"}
    return {**{name: getattr(entry, name) for name in names}, "actor": entry.actor_name}
