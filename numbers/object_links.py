"""Links to the page of an object, by its type and id."""

from collections.abc import Iterable
from typing import Any

from django.db.models import OuterRef, Subquery, Value

from agents.models import Agent
from numbers.models import PhoneNumber

MODELS = (("number_pk", PhoneNumber), ("agent_pk", Agent))


def object_links(object_id: str = "object_id") -> dict[str, Subquery]:
    """Annotations for rows that name an object: `number_pk` or `agent_pk`, the primary key of its mirrored row."""
    return {
        name: Subquery(model._default_manager.filter(remote_id=OuterRef(object_id)).values("pk")[:1])
        for name, model in MODELS
    }


def annotate_links(rows: Iterable[Any]) -> None:
    """The same for rows already loaded, with one query for all of them."""
    ids = {row.object_id for row in rows}
    queries = [
        model._default_manager.filter(remote_id__in=ids).order_by().values_list(Value(name), "remote_id", "pk")
        for name, model in MODELS
    ]
    found = {(name, remote_id): pk for name, remote_id, pk in queries[0].union(*queries[1:], all=True)}
    for row in rows:
        for name, _ in MODELS:
            setattr(row, name, found.get((name, row.object_id)))
