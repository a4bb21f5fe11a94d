"""Where an object that is told of by its id has its page here."""

from collections.abc import Iterable
from typing import Any

from django.db.models import OuterRef, Subquery

from agents.models import Agent
from numbers.models import PhoneNumber

MODELS = (("number_pk", PhoneNumber), ("agent_pk", Agent))


def pages_of(object_id: str = "object_id") -> dict[str, Subquery]:
    """To annotate rows that name an object: `number_pk` or `agent_pk`, the key of the row that mirrors it."""
    return {
        name: Subquery(model._default_manager.filter(remote_id=OuterRef(object_id)).values("pk")[:1])
        for name, model in MODELS
    }


def give_pages(rows: Iterable[Any]) -> None:
    """The same for rows that are read already: two questions for all of them."""
    ids = {row.object_id for row in rows}
    for name, model in MODELS:
        found = dict(model._default_manager.filter(remote_id__in=ids).values_list("remote_id", "pk"))
        for row in rows:
            setattr(row, name, found.get(row.object_id))
