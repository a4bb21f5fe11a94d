"""The history in the API, narrowed down as on the timeline."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from controlplane.api.auth import may
from controlplane.api.paging import Cursor, Limit, Page, page
from controlplane.api.schemas import Moment, Text, one_of
from controlplane.audit.models import Entry
from controlplane.dashboard.history import narrow
from controlplane.dashboard.history.search import search

router = Router(tags=["History"])


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
    what: Text = Field("", max_length=60, description="A whole kind, or what stands before its dot")
    verdict: Text = Field("", max_length=40, description="Of an operation: `done`, `refused` and so on")
    person: Text = Field("", max_length=20, description="The key of a user, or `system`")
    object_type: Text = Field("", max_length=20)
    object: Text = Field("", max_length=300, description="An id, all digits of a number, or the whole name of an agent")
    cause: EntryCause | None = None
    change_set: Text = Field("", max_length=20)
    since: Moment | None = Field(None, description="Entries of this moment or later; without a zone it is UTC")
    until: Moment | None = Field(None, description="Entries before this moment")
    q: Text = Field("", max_length=200, description="Words; found in the newest 100,000 that pass the other filters")


@router.get("/history", summary="Read the history", response=Page[EntryOut], auth=may("audit.view_entry"))
def history(request: HttpRequest, chosen: Query[EntryFilters], limit: Limit, cursor: Cursor) -> Any:
    """Everything that happened, the newest first."""
    rows = narrow.what(Entry.objects.all(), chosen.what)
    rows = narrow.person(narrow.verdict(rows, chosen.verdict), chosen.person)
    rows = narrow.object_type(narrow.cause(rows, chosen.cause or ""), chosen.object_type)
    rows = narrow.change_set(narrow.one_object(rows, chosen.object), chosen.change_set)
    rows = narrow.between(rows, chosen.since, chosen.until)
    rows = search(rows, chosen.q).entries
    found, following = page(rows, "-at", name="history", narrowed=chosen, limit=limit, cursor=cursor)
    return {"items": [_plain(entry) for entry in found], "next": following}


def _plain(entry: Entry) -> dict[str, Any]:
    same = EntryOut.model_fields.keys() - {"actor"}
    return {**{name: getattr(entry, name) for name in same}, "actor": entry.actor_name}
