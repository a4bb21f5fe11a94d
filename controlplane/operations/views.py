"""The pages of one operation and of one change set."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from controlplane.elevenlabs import connect
from controlplane.operations import changesets, tasks
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.pages import actor_of, tell, url_of
from controlplane.operations.settle import settle
from controlplane.operations.wake import wake


def operation(request: HttpRequest, pk: str, site: dict[str, Any]) -> HttpResponse:
    if not request.user.has_perm("operations.view_operation"):
        raise PermissionDenied
    op = get_object_or_404(Operation.objects.select_related("change_set"), pk=pk)
    return render(request, "operations/operation.html", {**site, **_facts(op), "title": op.title, "subtitle": None})


@require_GET
@permission_required("operations.view_operation", raise_exception=True)
def verdict(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that moves while an operation is open."""
    return render(request, "operations/verdict.html", _facts(get_object_or_404(Operation, pk=pk)))


@require_POST
@permission_required("operations.settle_operation", raise_exception=True)
def check_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the remote back now instead of when it is due. Nothing is written to it."""
    op = get_object_or_404(Operation, pk=pk)
    if op.state == State.SENT:
        op = settle(op, connect())
    tell(request, op)
    return redirect(url_of(op))


def _facts(op: Operation) -> dict[str, Any]:
    return {
        "op": op,
        "object_url": _object_url(op),
        "values": [(name, _pretty(value)) for name, value in _values(op)],
    }


def _values(op: Operation) -> list[tuple[str, Any]]:
    return [("Wanted", op.wanted), ("Before, read just ahead of sending", op.before), ("Seen after", op.seen)]


def _pretty(value: Any) -> list[tuple[str, str]] | None:
    """A JSON object as rows of a table: {"agent_id": "x"} -> [("agent id", "x")]."""
    if not value:
        return None
    rows = value["set"] if isinstance(value.get("set"), dict) else value
    return [(name.replace("_", " "), _text(item)) for name, item in rows.items() if name not in ("shown", "ids")]


def _text(item: Any) -> str:
    if item is None:
        return "none"
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, indent=2)


def _object_url(op: Operation) -> str | None:
    """Where the agent or number of this operation is shown: a list, narrowed to it by its id."""
    if not op.object_id:
        return None
    page = {"agent": "admin:agents_agent_changelist", "number": "admin:numbers_phonenumber_changelist"}[op.object_type]
    return f"{reverse(page)}?q={op.object_id}&state=all"


def change_set(request: HttpRequest, pk: str, site: dict[str, Any]) -> HttpResponse:
    if not request.user.has_perm("operations.view_changeset"):
        raise PermissionDenied
    found = get_object_or_404(ChangeSet, pk=pk)
    return render(
        request, "operations/change_set.html", {**site, **_progress(found), "title": found.title, "subtitle": None}
    )


@require_GET
@permission_required("operations.view_changeset", raise_exception=True)
def steps(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that moves while it runs."""
    return render(request, "operations/steps.html", _progress(get_object_or_404(ChangeSet, pk=pk)))


@require_POST
@permission_required("operations.resume_changeset", raise_exception=True)
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(ChangeSet, pk=pk)
    changesets.resume(found, actor=actor_of(request))
    if not wake(tasks.run_change_sets):
        messages.warning(request, "The worker could not be woken; it looks by itself every 15 seconds.")
    return redirect(url_of(found))


def _progress(found: ChangeSet) -> dict[str, Any]:
    current = changesets.current_steps(found)
    done = sum(step.state == State.DONE for step in current)
    return {"change_set": found, "steps": current, "done": done, "percent": round(100 * done / max(1, len(current)))}
