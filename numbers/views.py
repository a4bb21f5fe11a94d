"""Pages of a number that are not actions on it, and the import."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from controlplane.audit import binding_timeline
from controlplane.lookups import get_row_or_404
from controlplane.operations import external_changes
from controlplane.operations.form_flow import action_context, flash_result, submit, url_of
from controlplane.operations.object_history import object_history
from controlplane.pages import previous_url, redirect_page, render_page
from numbers import action_pages, agent_picker, import_polling
from numbers.actions.import_number import ImportNumber, TwilioCredentials, execute_import
from numbers.forms import ImportForm
from numbers.models import PhoneNumber, State
from numbers.row_permissions import annotate_permissions


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@sensitive_variables()
@permission_required(ImportNumber.permission, raise_exception=True)
def import_number(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        cleaned = form.cleaned_data
        credentials = TwilioCredentials(
            cleaned["sid"], cleaned["token"], cleaned["account_auth_token"], cleaned["region_token"]
        )
        action = ImportNumber.of(
            cleaned["phone_number"],
            label=cleaned["label"],
            agent=cleaned["agent"],
            enable_sms=cleaned["enable_sms"],
            region=form.region_config(),
        )
        op = submit(form, lambda: execute_import(action, credentials, action_context(request, form)))
        if op is not None:
            flash_result(request, op)
            return redirect_page(request, url_of(op) if op.is_open else reverse("admin:numbers_phonenumber_changelist"))
    context = {"form": form, "title": "Import a number from Twilio", **agent_picker.picker_context(request, form)}
    return render_page(request, "numbers/import.html", context)


@require_GET
@permission_required("numbers.view_phonenumber", raise_exception=True)
def cells(request: HttpRequest, pk: int) -> HttpResponse:
    """The cells of a row that are polled while a number is importing or unconfirmed.

    The number's own page shows more of the result of a write, so it is reloaded once that is decided.
    """
    numbers = annotate_permissions(PhoneNumber.objects.with_state().select_related("agent"), request.user)
    number = get_object_or_404(numbers, pk=pk)
    own_page = urlsplit(previous_url(request, "")).path
    is_decided = request.GET.get("was") == State.UNCONFIRMED and number.state != State.UNCONFIRMED
    if is_decided and own_page == reverse("admin:numbers_phonenumber_change", args=[pk]):
        return HttpResponseClientRefresh()
    return render(request, "numbers/cells.html", {"number": number})


@require_POST
@permission_required("numbers.add_phonenumber", raise_exception=True)
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Checks now whether an import is listed, and redirects back to the page with the button."""
    listed, message = import_polling.check_again(get_object_or_404(PhoneNumber, pk=pk))
    messages.add_message(request, messages.SUCCESS if listed else messages.WARNING, message)
    return redirect(previous_url(request, reverse("admin:numbers_phonenumber_change", args=[pk])))


def number_page(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("numbers.view_phonenumber"):
        raise PermissionDenied
    numbers = annotate_permissions(PhoneNumber.objects.with_state().select_related("agent"), request.user)
    number = get_row_or_404(numbers, pk)
    external_changes.annotate_open([number], request.user)
    context: dict[str, Any] = {"number": number, "title": number.display_name()}
    context["more_actions"] = [one for one in action_pages.plain_actions() if request.user.has_perm(one.permission)]
    context |= object_history("number", number.remote_id) | {"strip": binding_timeline.of_number(number.remote_id)}
    return render_page(request, "numbers/number.html", context)
