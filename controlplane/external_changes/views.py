"""The page of one external change, where it is accepted, dismissed or reverted."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from agents.models import Agent
from controlplane.audit.forms import JustificationForm
from controlplane.audit.ledger import actor_label
from controlplane.external_changes.compare import compared_settings
from controlplane.lookups import get_row_or_404
from controlplane.mirror.models import OutsideChange
from controlplane.operations import external_changes
from controlplane.operations.forms import KeyedForm
from controlplane.pages import current_staff, render_page
from controlplane.templatetags.names import visible
from numbers import revert as service
from numbers.models import PhoneNumber
from numbers.revert_form import AUTO_ID, submit_revert
from numbers.revert_plan import RevertPlan, row_of

DECIDE_PERMISSION = "mirror.decide_outsidechange"
CHANGELIST_URL = "admin:mirror_outsidechange_changelist"
# The suggested action if a change cannot be reverted: (label, URL name, permission). The URL takes the object's key
# unless the action creates an object.
INSTEAD = {
    "remove": ("Remove from ElevenLabs", "admin:numbers_phonenumber_remove", "numbers.delete_phonenumber"),
    "assign": ("Assign", "admin:numbers_phonenumber_assign", "numbers.assign_phonenumber"),
    "import": ("Import", "admin:numbers_phonenumber_add", "numbers.add_phonenumber"),
    "delete": ("Delete", "admin:agents_agent_delete", "agents.delete_agent"),
    "create": ("Create", "admin:agents_agent_add", "agents.add_agent"),
}
VERBS = {"adopt": "Accept", "ignore": "Dismiss"}  # the posted action -> its label
CREATING_ACTIONS = ("import", "create")  # these create an object: no key


def change(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("mirror.view_outsidechange"):
        raise PermissionDenied
    found = get_row_or_404(_changes(), pk)
    return render_page(request, "outside/change.html", _context(request, found))


def _decision(state: OutsideChange.State) -> Any:
    @require_POST
    @permission_required(DECIDE_PERMISSION, raise_exception=True)
    def decide(request: HttpRequest, pk: int) -> HttpResponse:
        found = get_object_or_404(_changes(), pk=pk)
        actor, form = current_staff(request), JustificationForm(request.POST)
        if not form.is_valid():
            return render_page(request, "outside/change.html", _context(request, found) | {"form": form}, status=422)
        if external_changes.decide(
            [found.pk], state, actor=actor, name=actor_label(actor), justification=form.justification
        ):
            page = reverse("admin:mirror_outsidechange_change", args=[found.pk])
            words = '{}: {}. Nothing was sent to ElevenLabs. <a class="cp-link" href="{}">Details</a>'
            messages.success(request, format_html(words, state.label.capitalize(), visible(found), page))
            return HttpResponseRedirect(reverse(CHANGELIST_URL))
        messages.warning(request, str(external_changes.Decided(found)))
        return HttpResponseRedirect(reverse("admin:mirror_outsidechange_change", args=[found.pk]))

    return decide


adopt = _decision(OutsideChange.State.ADOPTED)
ignore = _decision(OutsideChange.State.IGNORED)


def ask_reason(request: HttpRequest, form: JustificationForm, pks: list[int]) -> HttpResponse:
    """Asks for the reason of a bulk decision: submits the same action again, with the reason."""
    verb = VERBS.get(request.POST.get("action", ""), "")
    context = {
        "title": f"{verb} external changes",
        "form": form,
        "verb": verb,
        "action": request.POST.get("action", ""),
        "across": request.POST.get("select_across", "0"),
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "count": len(pks),
        "newest": pks[-1],
    }
    return render_page(request, "outside/decide.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(DECIDE_PERMISSION, raise_exception=True)
def revert(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the current state and the state after the revert. POST requests the revert, by one operation or by a
    change set."""
    found = get_object_or_404(_changes(), pk=pk)
    plan = service.plan_revert(found)
    if not request.user.has_perms(plan.needs):
        raise PermissionDenied
    form = KeyedForm(request.POST if request.method == "POST" else None, auto_id=AUTO_ID)
    if form.is_bound and form.is_valid():
        page = reverse("admin:mirror_outsidechange_change", args=[found.pk])
        done = submit_revert(request, form, service, found, several=len(plan.actions) > 1, page=page)
        if done is not None:
            return done
        found = _changes().get(pk=found.pk)  # the check may have stored the current state
    context = _context(request, found) | {"form": form, "title": f"Revert {visible(found.name)}"}
    return render_page(request, "outside/revert.html", context)


def _changes() -> QuerySet[OutsideChange]:
    return OutsideChange.objects.select_related("entry", "operation", "change_set", "run")


def _context(request: HttpRequest, found: OutsideChange) -> dict[str, Any]:
    row, plan = row_of(found.entry), service.plan_revert(found)
    is_open = found.state == OutsideChange.State.OPEN
    return {
        "title": visible(found.name),
        "change": found,
        "form": JustificationForm(),
        "row": row,
        "is_number": isinstance(row, PhoneNumber),
        "is_agent": isinstance(row, Agent),
        "settings": compared_settings(found, row),
        "way": plan,
        "may_decide": is_open and request.user.has_perm(DECIDE_PERMISSION),
        "may_revert": is_open and not plan.why_not and request.user.has_perms([DECIDE_PERMISSION, *plan.needs]),
        "instead": _instead(request, plan, row),
    }


def _instead(request: HttpRequest, plan: RevertPlan, row: PhoneNumber | Agent | None) -> tuple[str, str] | None:
    """(label, URL) of the action suggested instead of a revert, for users who may do it."""
    if plan.instead not in INSTEAD:
        return None
    words, page, permission = INSTEAD[plan.instead]
    if not request.user.has_perm(permission):
        return None
    if plan.instead in CREATING_ACTIONS:
        return words, reverse(page)
    return (words, reverse(page, args=[row.pk])) if row is not None and not row.gone_at else None
