"""The front page: what needs attention, counts, and recent activity."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest

from agents.models import Agent
from controlplane.dashboard.context import OPEN, data_age, waiting
from controlplane.mirror.models import Hold
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.models import State as OperationState
from numbers.models import PhoneNumber, State


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    may = request.user.has_perm
    if may("numbers.view_phonenumber"):
        counts = PhoneNumber.objects.count_by_state()
        context["numbers_total"] = sum(counts.values())
        context["orphaned"] = counts.get(State.ORPHANED, 0)
        if counts.get(State.UNLISTED):
            context["unlisted"] = PhoneNumber.objects.unlisted().defer("remote_data").order_by("imported_at")[:5]
        context["number_states"] = [(state, counts.get(state, 0)) for state in State if state != State.GONE]
    if may("agents.view_agent"):
        context |= Agent.objects.filter(gone_at=None).aggregate(
            agents_active=Count("pk", filter=Q(archived=False)), agents_archived=Count("pk", filter=Q(archived=True))
        )
    if may("operations.view_operation"):
        recent = Operation.objects.defer("params", "before", "observed")
        if waiting(request).get(OperationState.SENT):  # already counted for the sidebar
            context["unconfirmed"] = list(recent.filter(state=OperationState.SENT)[:5])
        context["recent"] = list(recent[:8])
        context["stopped"] = list(ChangeSet.objects.filter(state=ChangeSet.State.STOPPED)[:5])
    if may("mirror.view_outsidechange"):
        context["outside"] = waiting(request).get(OPEN, 0)
    context["last_run"] = data_age(request)["last_run"] if may("mirror.view_syncrun") else None
    if may("mirror.view_hold") and data_age(request)["sync_held"]:
        context["holds"] = list(Hold.objects.filter(state=Hold.State.OPEN).defer("objects_missing"))
    return context | {"title": "Overview"}
