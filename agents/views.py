"""Pages that create, show and change agents. Each checks its own permission and method, and GET changes nothing.

They are plain functions because Django's admin runs its form views inside a transaction, and requests to the remote
must never be made in one.
"""

import json
import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from agents import catalogue
from agents.actions import ArchiveAgent, CreateAgent, DeleteAgent, DuplicateAgent, UpdateAgent
from agents.fields import label_of, values_from
from agents.forms import AgentForm, ArchiveForm, DuplicateForm, form_value
from agents.models import Agent
from agents.row_permissions import annotate_permissions
from agents.validators import VOICE_ID
from controlplane.lookups import MAX_SEARCH_CHARS, get_row_or_404
from controlplane.operations import external_changes
from controlplane.operations.execute import execute
from controlplane.operations.form_flow import action_context, flash_result, submit, url_of
from controlplane.operations.forms import KeyedForm
from controlplane.operations.models import OPEN_STATES, Operation
from controlplane.operations.object_history import object_history
from controlplane.pages import redirect_page, render_page
from controlplane.templatetags.names import visible

MAX_NUMBERS = 50
DIALOG_IDS = "dialog_%s"  # avoids duplicate ids: a dialog may open above the agent form, which has a `name` field too

page_methods = require_http_methods(["GET", "HEAD", "POST"])


@page_methods
@permission_required(CreateAgent.permission, raise_exception=True)
def create(request: HttpRequest) -> HttpResponse:
    form = AgentForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        op = submit(
            form,
            lambda: execute(CreateAgent.of(form.changed["name"], form.body()), action_context(request, form)),
        )
        if op is not None:
            return _redirect_after(request, op)
    form.focus_on_errors()
    context = {"form": form, "title": "Create an agent"}
    return render_page(request, "agents/create.html", context)


@page_methods
def page(request: HttpRequest, pk: str) -> HttpResponse:
    """One agent: a form if the user may change it and it can be changed, otherwise a read-only page."""
    if not request.user.has_perm("agents.view_agent"):
        raise PermissionDenied
    agent = _agent(pk)
    may_change = request.user.has_perm(UpdateAgent.permission)
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    if not may_change or agent.gone_at or not agent.remote_data:
        if request.method == "POST":
            messages.error(request, "Nothing was sent: this agent cannot be changed in its current state.")
            return HttpResponseRedirect(request.path)
        return render_page(request, "agents/read.html", _agent_context(request, agent))
    form = AgentForm(request.POST if request.method == "POST" else None, agent=agent)
    if form.is_bound and form.is_valid():
        values, shown = form.changed_values()
        if not values:
            messages.info(request, "Nothing was sent: nothing was changed.")
            return HttpResponseRedirect(request.path)
        op = submit(
            form,
            lambda: execute(UpdateAgent.of(agent, values, shown=shown), action_context(request, form)),
        )
        if op is not None:
            return _redirect_after(request, op)
        agent.refresh_from_db()  # the precheck may have stored newer values
        form.go_on_from(agent)
    form.focus_on_errors()
    context = {"form": form, **_agent_context(request, agent)}
    return render_page(request, "agents/edit.html", context)


@page_methods
@permission_required(DuplicateAgent.permission, raise_exception=True)
def duplicate(request: HttpRequest, pk: str) -> HttpResponse:
    agent = _agent(pk)
    data = request.POST if request.method == "POST" else None
    form = DuplicateForm(data, auto_id=DIALOG_IDS, initial={"name": f"Copy of {visible(agent.name, '')}"[:300]})
    if form.is_bound and form.is_valid() and _exists(form, agent):
        name = form.cleaned_data["name"]
        op = submit(form, lambda: execute(DuplicateAgent.of(agent, name=name), action_context(request, form)))
        if op is not None:
            return _redirect_after(request, op)
    context = {"form": form, "agent": agent, "title": f"Duplicate {agent}"}
    return render_page(request, "agents/duplicate.html", context)


@page_methods
@permission_required(ArchiveAgent.permission, raise_exception=True)
def archive(request: HttpRequest, pk: str) -> HttpResponse:
    """Archives or restores an agent, as the form's `deed` says."""
    agent = _agent(pk)
    data = request.POST if request.method == "POST" else None
    form = ArchiveForm(data, auto_id=DIALOG_IDS, initial={"deed": "restore" if agent.archived else "archive"})
    if form.is_bound and form.is_valid() and _exists(form, agent):
        archived = form.cleaned_data["deed"] == "archive"
        op = submit(form, lambda: execute(ArchiveAgent.of(agent, archived), action_context(request, form)))
        if op is not None:
            return _redirect_after(request, op)
        agent.refresh_from_db()
    restores = form["deed"].value() == "restore"
    context = {
        "form": form,
        "agent": agent,
        "restores": restores,
        "title": f"{'Restore' if restores else 'Archive'} {agent}",
    }
    context["number_count"] = agent.numbers.filter(gone_at=None).count()
    return render_page(request, "agents/archive.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(DeleteAgent.permission, raise_exception=True)
def delete(request: HttpRequest, pk: str) -> HttpResponse:
    """Redirects to the page in `numbers` that deletes an agent, which also handles the agent's numbers."""
    return HttpResponseRedirect(reverse("admin:numbers_retire_agent", args=[_agent(pk).pk]))


@require_GET
@permission_required("agents.view_agent", raise_exception=True)
def history(request: HttpRequest, pk: str) -> HttpResponse:
    """Redirects to the agent's page, which shows its latest changes. Django's own history view ignores the ledger."""
    return HttpResponseRedirect(reverse("admin:agents_agent_change", args=[_agent(pk).pk]))


@require_GET
def voices(request: HttpRequest) -> HttpResponse:
    """The voices that match the search, as choices of the form."""
    if not (request.user.has_perm(CreateAgent.permission) or request.user.has_perm(UpdateAgent.permission)):
        raise PermissionDenied
    term = request.GET.get("voice_search", "").strip()[:MAX_SEARCH_CHARS]
    chosen, stored = (request.GET.get(name, "")[:64] for name in ("voice_id", "stored"))
    context: dict[str, Any] = {"term": term, "chosen": chosen, "stored": stored}
    look_up = catalogue.fetch_voice
    try:
        found = catalogue.voices(term)
    except catalogue.CatalogueUnavailable as error:
        found, context["unread"], look_up = [], str(error), catalogue.voice
    by_id: dict[str, catalogue.Offer | None] = {offer.voice_id: offer for offer in found}
    kept = [by_id.pop(voice_id, None) or look_up(voice_id) for voice_id in dict.fromkeys((chosen, stored)) if voice_id]
    context |= {"offers": [*kept, *by_id.values()], "none_found": not found}
    return render(request, "agents/voices.html", context)


@require_GET
@permission_required("agents.view_agent", raise_exception=True)
def voice_names(request: HttpRequest) -> HttpResponse:
    """Names of voices that were not cached when the list was rendered."""
    requested = dict.fromkeys(request.GET.getlist("id")[:100])
    ids = [voice_id for voice_id in requested if re.fullmatch(VOICE_ID, voice_id)]
    names = {voice_id: name for voice_id, name in catalogue.fetch_voice_names(ids).items() if name}
    return render(request, "agents/voice_names.html", {"names": names})


def _agent(pk: str) -> Agent:
    return get_row_or_404(Agent, str(pk))


def _exists(form: KeyedForm, agent: Agent) -> bool:
    """Adds an error to the form if the agent is marked as deleted."""
    if agent.gone_at:
        form.add_error(None, f"Not sent. {agent} is gone at ElevenLabs.")
    return not agent.gone_at


def _redirect_after(request: HttpRequest, op: Operation) -> HttpResponse:
    """Redirects to the agent, or to the operation while that is open or the agent has no row yet."""
    flash_result(request, op)
    row = None if op.is_open or not op.object_id else Agent.objects.filter(remote_id=op.object_id).only("pk").first()
    return redirect_page(request, url_of(op) if row is None else reverse("admin:agents_agent_change", args=[row.pk]))


def _agent_context(request: HttpRequest, agent: Agent) -> dict[str, Any]:
    facts = values_from(agent.remote_data).items()
    external_changes.annotate_open([agent], request.user)
    return {
        "agent": annotate_permissions([agent], request.user)[0],
        "title": str(agent),
        "voice": catalogue.voice(agent.voice_id),
        "facts": [
            (label_of(name), "–" if value in (None, "", []) else form_value(name, value)) for name, value in facts
        ],
        "pretty": json.dumps(agent.remote_data, indent=2, ensure_ascii=False, sort_keys=True),
        **_related(agent),
    }


def _related(agent: Agent) -> dict[str, Any]:
    """Its numbers, its open operation and its history. The template checks what the user may see."""
    about = {"object_type": "agent", "object_id": agent.remote_id}
    bound = agent.numbers.filter(gone_at=None).defer("remote_data").order_by("phone_number", "pk")
    return {
        "numbers": bound[:MAX_NUMBERS],
        "number_count": bound.count(),
        "open_operation": Operation.objects.filter(**about, state__in=OPEN_STATES).first(),
        **object_history("agent", agent.remote_id),
    }
