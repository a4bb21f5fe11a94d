"""Tells the mirror about operations: see `controlplane.mirror.write_log`."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Q

from controlplane.audit.ledger import Cause
from controlplane.mirror.readings import Reading
from controlplane.mirror.write_log import Explain
from controlplane.operations import settle
from controlplane.operations.models import OPEN_STATES, Operation, State


class OperationLog:
    def touched_since(self, object_type: str, moment: datetime) -> set[str]:
        recent = Q(state__in=OPEN_STATES) | Q(ended_at__gte=moment)
        return set(Operation.objects.filter(recent, object_type=object_type).values_list("object_id", flat=True))

    def last_ended(self, object_type: str, remote_ids: Iterable[str]) -> dict[str, datetime]:
        ended = Operation.objects.filter(
            object_type=object_type, object_id__in=list(remote_ids), ended_at__isnull=False
        )
        newest = ended.order_by().values("object_id").annotate(newest=Max("ended_at"))
        return dict(newest.values_list("object_id", "newest"))

    def last_done(self, object_type: str, remote_id: str, since: datetime) -> datetime | None:
        done = Operation.objects.filter(object_type=object_type, object_id=remote_id, state=State.DONE)
        return done.filter(ended_at__gt=since).order_by("-ended_at").values_list("ended_at", flat=True).first()

    def is_outdated(self, object_type: str, remote_id: str, reading: Reading) -> bool:
        recent = Q(state__in=OPEN_STATES) | Q(ended_at__gte=reading.asked_at)
        on_object = Operation.objects.filter(recent, object_type=object_type, object_id=remote_id)
        return on_object.filter(resource=f"{object_type}:{remote_id}").exclude(pk=reading.operation).exists()

    def unread_creation(self, object_type: str, remote_id: str) -> Cause | None:
        on_object = Operation.objects.filter(object_type=object_type, object_id=remote_id)
        unread = on_object.filter(state=State.DONE, observed__isnull=True)
        creation = unread.exclude(resource=f"{object_type}:{remote_id}").first()
        return None if creation is None else creation.cause

    def late_effects(self, object_type: str) -> Explain:
        return settle.late_effects(object_type)
