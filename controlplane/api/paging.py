"""Cursor pagination. The cursor is signed and names the place where the next page begins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from ninja import Field, Query, Schema

from controlplane.api.problems import invalid

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)

Limit = Annotated[int, Query(50, ge=1, le=200, description="Rows of one page")]
Cursor = Annotated[str, Query("", max_length=2000, description="`next` of the page before")]


class Page(Schema, Generic[Item]):
    items: list[Item]
    next: str | None = Field(description="The cursor of the next page; null: this is the last")


def page(
    rows: QuerySet[Row], order: str, *, name: str, narrowed: Schema, limit: int, cursor: str, following: str = ""
) -> tuple[list[Row], str | None]:
    """One page of rows and the cursor of the next page, or None.

    `order` is a field name, with "-" for descending; the primary key breaks ties. There is no count and no offset: late
    pages cost what the first one costs, and rows inserted or deleted in between shift nothing. A cursor is valid only
    for the list called `name` with the same filters (`narrowed`), because a caller who dropped the filters would
    silently get other rows. `following` is the list name of the next page's cursor, if it differs.
    """
    descending, field = order.startswith("-"), order.removeprefix("-")
    salt = _salt(name, narrowed)
    if cursor:
        rows = _from(rows, field, descending, *_read(cursor, salt))
    found = list(rows.order_by(order, "-pk" if descending else "pk")[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], _after(found[limit - 1], field, _salt(following or name, narrowed))


def is_cursor_of(cursor: str, *, name: str, narrowed: Schema) -> bool:
    try:
        signing.loads(cursor, salt=_salt(name, narrowed))
    except signing.BadSignature:
        return False
    return True


def cursor_after(row: Model, order: str, *, name: str, narrowed: Schema) -> str:
    """The cursor of the page that begins after this row."""
    return _after(row, order.removeprefix("-"), _salt(name, narrowed))


def _after(row: Model, field: str, salt: str) -> str:
    value = getattr(row, field)
    plain = value.isoformat() if isinstance(value, datetime) else value
    return signing.dumps([plain, row.pk], salt=salt, compress=True)


def _from(rows: QuerySet[Row], field: str, descending: bool, value: Any, pk: int) -> QuerySet[Row]:
    lookup = "lt" if descending else "gt"
    # The first condition alone is one index range; the second skips rows with an equal value that were already
    # returned.
    return rows.filter(**{f"{field}__{lookup}e": value}).filter(
        Q(**{f"{field}__{lookup}": value}) | Q(**{f"pk__{lookup}": pk})
    )


def _read(cursor: str, salt: str) -> Sequence[Any]:
    try:
        found: list[Any] = signing.loads(cursor, salt=salt)
    except signing.BadSignature:
        raise invalid([("cursor", "This cursor is not valid for this list with these filters.")]) from None
    return found


def _salt(name: str, narrowed: Schema) -> str:
    return f"controlplane.api.paging.{name}.{narrowed.model_dump_json(exclude_defaults=True)}"
