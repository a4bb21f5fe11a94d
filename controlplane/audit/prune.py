"""Forget what is older than it has to be kept. The one way in which history ends, and it records itself."""

from datetime import datetime
from typing import Any

from django.db import transaction

from controlplane.audit import chain, guard, ledger
from controlplane.audit.models import Entry, Link


class NothingToPrune(Exception):
    pass


def prune(before: datetime, *, actor_name: str) -> dict[str, Any]:
    """Remove the beginning of the chain up to the last entry before this moment; what the record of it says. The link
    of that entry stays, so that the chain goes on from it."""
    chain.seal(everything=True)
    with transaction.atomic():
        first_kept = _first_kept(before)
        links = Link.objects.filter(position__lt=first_kept) if first_kept else Link.objects.all()
        last = links.order_by("-position").first()
        entries = Entry.objects.filter(pk__in=links.values("entry_id"))
        if last is None or not entries.exists():
            raise NothingToPrune
        told = {
            "entries": entries.count(),
            "from": entries.order_by("at").values_list("at", flat=True)[0].isoformat(),
            "until": entries.order_by("-at").values_list("at", flat=True)[0].isoformat(),
            "link": last.position,
            "digest": last.digest,
        }
        cause = ledger.Cause(Entry.Cause.SYSTEM, "prune_history", actor_name=actor_name)
        ledger.record(ledger.entry(chain.PRUNED, "history", "", "History", after=told, cause=cause))
        with guard.lifted():
            entries.delete()
            links.exclude(pk=last.pk).delete()
    return told


def _first_kept(before: datetime) -> int | None:
    """The position of the first link whose entry is young enough."""
    young = Entry.objects.filter(at__gte=before).values("pk")
    return Link.objects.filter(entry_id__in=young).order_by("position").values_list("position", flat=True).first()
