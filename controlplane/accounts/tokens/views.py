"""Pages that create, show and revoke an API token."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from controlplane.accounts.tokens.forms import IssueForm
from controlplane.api import service_accounts, tokens
from controlplane.api.models import Token
from controlplane.audit.forms import JustificationForm
from controlplane.audit.ledger import actor_label
from controlplane.lookups import get_row_or_404
from controlplane.pages import current_staff, render_page

page_methods = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@page_methods
@sensitive_variables("secret")
@permission_required("api.add_token", raise_exception=True)
def issue(request: HttpRequest) -> HttpResponse:
    """The token is only in the response to the form: no URL shows it again."""
    issuer = current_staff(request)
    form = IssueForm(request.POST if request.method == "POST" else None, issuer=issuer)
    if form.is_bound and form.is_valid():
        try:
            token, secret = _issue(form, issuer)
        except IntegrityError:
            form.add_error(None, "This form was sent before, and its token was shown then. If that is lost, revoke it.")
            form.with_new_key()
        else:
            context = {"token": token, "secret": secret, "title": "The token, shown this once"}
            return render_page(request, "tokens/issued.html", context)
    context = {"form": form, "title": "Create an API token"}
    return render_page(request, "tokens/issue.html", context)


@transaction.atomic
def _issue(form: IssueForm, issuer: Any) -> tuple[Token, str]:
    cleaned = form.cleaned_data
    account = cleaned["account"] or service_accounts.create(cleaned["username"], cleaned["roles"])
    return tokens.issue(
        account,
        name=cleaned["name"],
        lives=timedelta(days=cleaned["days"]),
        by=issuer,
        by_name=actor_label(issuer),
        key=form.operation_key,
        justification=form.justification,
    )


def page(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("api.view_token"):
        raise PermissionDenied
    return _render_token(request, _token(pk), JustificationForm())


@page_methods
@permission_required("api.revoke_token", raise_exception=True)
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks for confirmation on the token's page; POST revokes it."""
    token = _token(str(pk))
    form = JustificationForm(request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return _render_token(request, token, form)
    actor = current_staff(request)
    if tokens.revoke(token, by=actor, by_name=actor_label(actor), justification=form.justification):
        messages.success(request, f"Revoked “{token.name}”. Programs that use it are refused from now on.")
    else:
        messages.info(request, f"“{token.name}” was revoked already.")
    return redirect("admin:api_token_change", token.pk)


def _render_token(request: HttpRequest, token: Token, form: JustificationForm) -> HttpResponse:
    context = {
        "token": token,
        "is_service": tokens.is_service(token.user),
        "form": form,
        "may_revoke": request.user.has_perm("api.revoke_token") and token.revoked_at is None,
        "title": f"API token “{token.name}”",
    }
    return render_page(request, "tokens/token.html", context)


def _token(pk: str) -> Token:
    return get_row_or_404(Token.objects.select_related("user"), pk)
