"""The list of API tokens. The token itself is never shown again."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from django.utils import timezone
from unfold.decorators import display

from controlplane.accounts.tokens import views
from controlplane.api.models import Token
from controlplane.api.tokens import is_service
from controlplane.readonly_admin import PlainChangeList, ReadOnlyAdmin
from controlplane.templatetags.names import visible
from controlplane.templatetags.when import ago

LABELS = {
    "active": "success",
    "revoked": "default",
    "expired": "default",
    "owner deactivated": "warning",
    "invalidated by a password change": "warning",
}


class StateFilter(admin.SimpleListFilter):
    """Valid tokens by default."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [("ended", "revoked or expired"), ("all", "all")]

    def choices(self, changelist):
        first, *rest = super().choices(changelist)
        return [{**first, "display": "valid"}, *rest]

    def queryset(self, request, queryset):
        valid = {"revoked_at": None, "expires_at__gt": timezone.now()}
        if self.value() == "all":
            return queryset
        return queryset.exclude(**valid) if self.value() == "ended" else queryset.filter(**valid)


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    what_it_is = (
        "With a token a program uses the API under /api/ with the permissions of one user. Create one for a service "
        "account; people get theirs with their own password."
    )
    list_display = ["name_cell", "owner", "state_cell", "issued", "expires", "used"]
    list_display_links = ["name_cell"]
    list_filter = [StateFilter]
    list_fullwidth = True
    search_fields = ["name", "user__username", "issued_by_name"]
    search_help_text = "Purpose, account or creator"
    show_full_result_count = False
    show_add_link = False  # the template has its own button
    change_list_template = "tokens/changelist.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/revoke/", wrap(views.revoke), name="api_token_revoke"), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("api.add_token")

    def add_view(self, request, form_url="", extra_context=None):
        return views.issue(request)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.page(request, object_id)

    def get_changelist(self, request, **kwargs):
        return PlainChangeList

    def get_queryset(self, request):
        return Token.objects.select_related("user")

    @display(description="Purpose", ordering="name")
    def name_cell(self, token: Token) -> str:
        return visible(token.name)

    @display(description="Owner", ordering="user__username")
    def owner(self, token: Token) -> str:
        kind = "service account" if is_service(token.user) else "person"
        return f"{visible(token.user.get_username())}, {kind}"

    @display(description="State", label=LABELS)
    def state_cell(self, token: Token) -> str:
        return token.state

    @display(description="Created", ordering="issued_at")
    def issued(self, token: Token) -> str:
        return ago(token.issued_at)

    @display(description="Expires", ordering="expires_at")
    def expires(self, token: Token) -> str:
        return f"{timezone.localtime(token.expires_at):%-d %b %Y, %H:%M}"

    @display(description="Renewed last", ordering="refreshed_at")
    def used(self, token: Token) -> str:
        return ago(token.refreshed_at) if token.refreshed_at else "never"
