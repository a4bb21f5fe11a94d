"""Where an object that is told of by its id has its page here."""

from django.db.models import OuterRef, Subquery

from agents.models import Agent
from numbers.models import PhoneNumber


def pages_of(object_id: str = "object_id") -> dict[str, Subquery]:
    """To annotate rows that name an object: `number_pk` or `agent_pk`, the key of the row that mirrors it."""
    models = (("number_pk", PhoneNumber), ("agent_pk", Agent))
    return {
        name: Subquery(model._default_manager.filter(remote_id=OuterRef(object_id)).values("pk")[:1])
        for name, model in models
    }
