"""Pages of one operation and of one change set."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit.forms import JustificationForm
from controlplane.elevenlabs import connect
from controlplane.enqueue import enqueue
from controlplane.lookups import get_row_or_404
from controlplane.mirror.json_paths import flatten
from controlplane.operations import change_sets, tasks
from controlplane.operations.execute import CLICK_PATIENCE_S
from controlplane.operations.form_flow import change_of, url_of
from controlplane.operations.humanize import humanize, labels, with_id
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.settle import settle
from controlplane.pages import current_staff, render_page

WORKER_POLLS_WITHIN = timedelta(seconds=30)  # two intervals at which beat runs change sets
# The values that the page showed, ids of other objects, a digest, and a name that is shown with its id.
HIDDEN_PARAMS = ("shown", "ids", "settings", "agent_name")


def operation(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("operations.view_operation"):
        raise PermissionDenied
    op = get_row_or_404(Operation.objects.select_related("change_set"), pk)
    return render_page(request, "operations/operation.html", {**_facts(op), "title": op.title})


@require_GET
@permission_required("operations.view_operation", raise_exception=True)
def verdict(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that is polled while an operation is open.

    Once it is decided, the whole page is refreshed, because the count in the sidebar and the values below change too.
    The refreshed page does not poll, so that happens once.
    """
    op = get_object_or_404(Operation.objects.select_related("change_set"), pk=pk)
    response = render(request, "operations/verdict.html", _facts(op))
    if not op.is_open:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@permission_required("operations.settle_operation", raise_exception=True)
def check_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the remote back now instead of when it is due. Nothing is written to it.

    Redirects to the page with the result: the operation's, or the change set's if the button was clicked there.
    """
    op = get_object_or_404(Operation.objects.select_related("change_set"), pk=pk)
    if op.state == State.SENT:
        op = settle(op, connect(patience=CLICK_PATIENCE_S, urgent=True))
    if op.change_set is None:
        return redirect(url_of(op))
    if not op.is_open:
        enqueue(tasks.run_change_sets)
    return redirect(url_of(op.change_set if request.POST.get("back") == "change_set" else op))


def _facts(op: Operation) -> dict[str, Any]:
    return {
        "op": op,
        "object_url": _object_url(op),
        "change": change_of(op),
        "values": [
            ("Wanted", _rows(op, op.params)),
            ("Before, read just ahead of sending", _rows(op, op.before)),
            ("Seen after", _rows(op, op.observed)),
        ],
    }


def _rows(op: Operation, values: dict[str, Any] | None) -> list[tuple[str, str]]:
    """(label, text) for each value: the named objects first, then everything else."""
    named = dict(_named_objects(op, values or {}))
    others = dict(_other_values(values or {}))
    return [*named.items(), *((label, humanize(others[path])) for path, label in labels(others).items())]


def _named_objects(op: Operation, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The agents and numbers involved, with the names that the page showed at the time of the request."""
    if values is op.params:
        if "from" in op.display_names:
            yield "From", with_id(op.display_names["from"], values.get("shown"))
        if "to" in op.display_names:
            yield "To", with_id(op.display_names["to"], values.get("agent_id"))
        if "source" in op.display_names:
            yield "Copy of", with_id(op.display_names["source"], values.get("source"))
        if "phone_number" in values:
            yield "Number", with_id(op.display_names.get("object", ""), values["phone_number"])
    elif "agent_id" in values:
        agent_id, name = values["agent_id"], values.get("agent_name") or values.get("name") or "an agent without a name"
        yield "Agent", with_id(f"{name} …{agent_id[-4:]}", agent_id) if agent_id else "no agent"


def _other_values(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(path, value) of the rest. The settings of an agent are under "set" or "body"."""
    excluded = {*HIDDEN_PARAMS, "agent_id", "source", "phone_number"} | ({"name"} if "agent_id" in values else set())
    for name, value in values.items():
        if name in excluded:
            continue
        if name == "set" and isinstance(value, Mapping):
            yield from value.items()  # its keys are paths already
        else:
            yield from flatten(value, "" if name == "body" else name).items()


def _object_url(op: Operation) -> str | None:
    """The list of agents or numbers, filtered by the object's id."""
    if not op.object_id:
        return None
    page = {"agent": "admin:agents_agent_changelist", "number": "admin:numbers_phonenumber_changelist"}[op.object_type]
    return f"{reverse(page)}?q={op.object_id}&state=all"


def change_set(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("operations.view_changeset"):
        raise PermissionDenied
    return _change_set(request, get_row_or_404(ChangeSet, pk), JustificationForm())


def _change_set(request: HttpRequest, found: ChangeSet, form: JustificationForm) -> HttpResponse:
    return render_page(request, "operations/change_set.html", {**_progress(found), "title": found.title, "form": form})


@require_GET
@permission_required("operations.view_changeset", raise_exception=True)
def steps(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that is polled while the change set runs. The whole page is refreshed once it has ended."""
    found = get_object_or_404(ChangeSet, pk=pk)
    response = render(request, "operations/steps.html", _progress(found))
    if found.state != ChangeSet.State.RUNNING:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@permission_required("operations.resume_changeset", raise_exception=True)
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(ChangeSet, pk=pk)
    form = JustificationForm(request.POST)
    if not form.is_valid():
        return _change_set(request, found, form)
    change_sets.resume(found, actor=current_staff(request), justification=form.justification)
    if not enqueue(tasks.run_change_sets):
        messages.warning(request, "The worker could not be notified; it will pick this up within 15 seconds.")
    return redirect(url_of(found))


def _progress(found: ChangeSet) -> dict[str, Any]:
    current = change_sets.current_steps(found)
    done = sum(step.state == State.DONE for step in current)
    running = found.state == ChangeSet.State.RUNNING
    return {
        "change_set": found,
        "form": JustificationForm(),
        "steps": current,
        "done": done,
        "percent": round(100 * done / max(1, len(current))),
        "waits_for": next((step for step in current if running and step.is_unconfirmed), None),
        "no_worker": running and _no_worker_yet(found, current),
    }


def _no_worker_yet(found: ChangeSet, steps: list[Operation]) -> bool:
    """No worker holds it or is running a step, and one should have started by now."""
    free_since = max([found.claimed_until, *(step.ended_at for step in steps if step.ended_at)])
    return not any(step.is_open for step in steps) and free_since < timezone.now() - WORKER_POLLS_WITHIN
