"""Pages that change a number. Each is a page of its own and, opened from a list, the content of a dialog."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from controlplane.audit import binding_timeline
from controlplane.lookups import get_row_or_404
from controlplane.mirror import outside
from controlplane.operations.form_flow import action_kwargs, flash_result, htmx_redirect, render_form, submit, url_of
from controlplane.operations.forms import KeyedForm
from controlplane.operations.models import Operation
from controlplane.operations.object_history import object_history
from numbers import agent_picker, import_polling, services
from numbers.forms import AssignForm, ImportForm, RenameForm, ShownForm
from numbers.models import PhoneNumber, State
from numbers.row_permissions import annotate_permissions

Ask = Callable[[PhoneNumber, Any, HttpRequest], Operation]


@dataclass(frozen=True)
class NumberAction:
    """The view of one action on a number. `shown` is the value to protect from overwriting, `ask` runs the action."""

    permission: str
    form: type[KeyedForm]
    template: str
    title: str
    shown: Callable[[PhoneNumber], str]
    ask: Ask


def action_view(action: NumberAction) -> Callable[[HttpRequest, int], HttpResponse]:
    """GET shows the form. POST runs the action and redirects to the page that opened the form."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @permission_required(action.permission, raise_exception=True)
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        number = get_object_or_404(PhoneNumber.objects.select_related("agent"), pk=pk)
        initial = {"shown": action.shown(number), "label": number.label, "agent": request.GET.get("agent")}
        form = action.form(request.POST if request.method == "POST" else None, initial=initial)
        if form.is_bound and form.is_valid():
            op = submit(form, lambda: action.ask(number, form, request))
            if op is not None:
                flash_result(request, op)
                return htmx_redirect(request, _back(request, op))
            number.refresh_from_db()  # the precheck may have stored newer values
            form.show_instead("shown", action.shown(number))
        title = action.title.format(number=number)
        context = {"form": form, "number": number, "title": title, **agent_picker.picker_context(request, form)}
        return render_form(request, action.template, page_context(request, context), status=422 if form.errors else 200)

    return view


assign = action_view(
    NumberAction(
        "numbers.assign_phonenumber",
        AssignForm,
        "numbers/assign.html",
        "Who answers {number}?",
        lambda number: number.bound_to,
        lambda number, form, request: services.assign(
            number,
            form.cleaned_data["agent"],
            shown=form.cleaned_data["shown"],
            **action_kwargs(request, form),
        ),
    )
)
release = action_view(
    NumberAction(
        "numbers.assign_phonenumber",
        ShownForm,
        "numbers/release.html",
        "Unassign {number}",
        lambda number: number.bound_to,
        lambda number, form, request: services.assign(
            number, None, shown=form.cleaned_data["shown"], **action_kwargs(request, form)
        ),
    )
)
rename = action_view(
    NumberAction(
        "numbers.change_phonenumber",
        RenameForm,
        "numbers/rename.html",
        "Edit label of {number}",
        lambda number: number.label,
        lambda number, form, request: services.set_label(
            number,
            form.cleaned_data["label"],
            shown=form.cleaned_data["shown"],
            **action_kwargs(request, form),
        ),
    )
)
remove = action_view(
    NumberAction(
        "numbers.delete_phonenumber",
        ShownForm,
        "numbers/remove.html",
        "Remove {number} from ElevenLabs",
        lambda number: number.bound_to,
        lambda number, form, request: services.remove(
            number, shown=form.cleaned_data["shown"], **action_kwargs(request, form)
        ),
    )
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@sensitive_variables()
@permission_required("numbers.add_phonenumber", raise_exception=True)
def import_number(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        cleaned = form.cleaned_data
        credentials = services.TwilioCredentials(
            cleaned["sid"], cleaned["token"], cleaned["account_auth_token"], cleaned["region_token"]
        )
        op = submit(
            form,
            lambda: services.import_number(
                cleaned["phone_number"],
                label=cleaned["label"],
                credentials=credentials,
                agent=cleaned["agent"],
                enable_sms=cleaned["enable_sms"],
                region=form.region_config(),
                **action_kwargs(request, form),
            ),
        )
        if op is not None:
            flash_result(request, op)
            return htmx_redirect(request, url_of(op) if op.is_open else reverse("admin:numbers_phonenumber_changelist"))
    context = page_context(
        request, {"form": form, "title": "Import a number from Twilio", **agent_picker.picker_context(request, form)}
    )
    return render_form(
        request, "numbers/import.html", page_context(request, context), status=422 if form.errors else 200
    )


@require_GET
@permission_required("numbers.view_phonenumber", raise_exception=True)
def cells(request: HttpRequest, pk: int) -> HttpResponse:
    """The cells of a row that are polled while a number is importing or unconfirmed.

    The number's own page shows more of the result of a write, so it is reloaded once that is decided.
    """
    numbers = annotate_permissions(PhoneNumber.objects.with_state().select_related("agent"), request.user)
    number = get_object_or_404(numbers, pk=pk)
    own_page = urlsplit(request.headers.get("HX-Current-URL", "")).path
    is_decided = request.GET.get("was") == State.UNCONFIRMED and number.state != State.UNCONFIRMED
    if is_decided and own_page == reverse("admin:numbers_phonenumber_change", args=[pk]):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "numbers/cells.html", {"number": number})


@require_POST
@permission_required("numbers.add_phonenumber", raise_exception=True)
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Checks now whether an import is listed, and redirects back to the page with the button."""
    listed, message = import_polling.check_again(get_object_or_404(PhoneNumber, pk=pk))
    messages.add_message(request, messages.SUCCESS if listed else messages.WARNING, message)
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else reverse("admin:numbers_phonenumber_change", args=[pk]))


def page_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    return {**admin.site.each_context(request), "subtitle": None, **context}


def _back(request: HttpRequest, op: Operation) -> str:
    """The URL of the list or page that opened the dialog, or of the operation while it is open."""
    came_from = request.headers.get("HX-Current-URL", "")
    if op.is_open:
        return url_of(op)
    if url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure()):
        return came_from
    return reverse("admin:numbers_phonenumber_changelist")


def number_page(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("numbers.view_phonenumber"):
        raise PermissionDenied
    numbers = annotate_permissions(PhoneNumber.objects.with_state().select_related("agent"), request.user)
    number = get_row_or_404(numbers, pk)
    outside.annotate_open([number], request.user)
    context = {"number": number, "title": number.display_name()}
    context |= object_history("number", number.remote_id) | {"strip": binding_timeline.of_number(number.remote_id)}
    return render_form(request, "numbers/number.html", page_context(request, context))
