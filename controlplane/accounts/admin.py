"""Admin pages of users and roles, and the sign-in page. A user cannot grant permissions that they do not have."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, AuthenticationForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from controlplane.accounts import deactivation, last_superuser
from controlplane.accounts.privileges import exceeds, grantable_roles
from controlplane.accounts.tokens import admin as tokens  # noqa: F401 - registers its pages
from controlplane.readonly_admin import StrictAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


class SignInForm(AuthenticationForm):
    """After a failed sign-in the user name stays, and the focus is on the password."""

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self.non_field_errors():
            self.fields["username"].widget.attrs.pop("autofocus", None)
            self.fields["password"].widget.attrs["autofocus"] = True


admin.site.login_form = SignInForm


class NewPersonForm(UserCreationForm):
    usable_password = None  # every user has a password

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        if not cleaned.get("groups") and not cleaned.get("is_superuser") and "groups" not in self.errors:
            self.add_error("groups", "Choose a role: without one, this person would sign in and see nothing.")
        return cleaned


class PersonForm(UserChangeForm):
    """Rejects, at the field, a change that would remove the last superuser or the user's own access."""

    actor: User  # the user who submits the form

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        for flag in last_superuser.FLAGS:
            takes_away = getattr(self.instance, flag) and cleaned.get(flag) is False
            if takes_away and (problem := deactivation.why_not(self.instance, self.actor, flag)):
                self.add_error(flag, f"{problem} Nothing was changed.")
        return cleaned


class PasswordForm(AdminPasswordChangeForm):
    """Without Django's option to disable the password: every user has one."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields.pop("usable_password", None)
        for name in ("password1", "password2"):
            self.fields[name].required = True


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StrictAdmin):
    form = PersonForm
    add_form = NewPersonForm
    add_form_template = None  # the theme's template says that more can be set later, but this page has everything
    change_password_form = PasswordForm
    list_display = ["username", "first_name", "last_name", "roles", "is_active", "last_login"]
    list_filter = ["is_active", "groups"]
    filter_horizontal = []
    readonly_fields = ["password_link", "deletion", "last_login", "date_joined"]
    actions = ["deactivate_selected"]

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/deactivate/", wrap(self.deactivate), name="auth_user_deactivate"),
            *super().get_urls(),
        ]

    def delete_view(self, request, object_id, extra_context=None):
        return deactivation.deletion_page(self, request, object_id)

    def deactivate(self, request, pk):
        return deactivation.deactivate(self, request, pk)

    @action(description="Deactivate (people are not deleted)", permissions=["change"])
    def deactivate_selected(self, request, queryset):
        deactivation.deactivate_all(self, request, queryset)

    def get_actions(self, request):
        return {name: one for name, one in super().get_actions(request).items() if name != "delete_selected"}

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Roles")
    def roles(self, user: User) -> str:
        if user.is_superuser:
            return "Superuser"
        return ", ".join(group.name for group in user.groups.all()) or "none"

    @display(description="Password")
    def password_link(self, user: User) -> str:
        return mark_safe('<a class="cp-link" href="../password/">Change password</a>')

    @display(description="Delete")
    def deletion(self, user: User) -> str:
        words = "People are not deleted, because the history names them."
        return format_html('{} <a class="cp-link" href="../delete/">Deactivate instead</a>', words)

    def get_fieldsets(self, request, obj=None):
        if obj is None:
            beyond = ["is_superuser"] if request.user.is_superuser else []
            names = ["username", "first_name", "last_name"]
            return [(None, {"fields": [*names, "password1", "password2", "groups", *beyond]})]
        who = ["username", "first_name", "last_name", "email"]
        may_change = self.has_change_permission(request, obj)
        if may_change:
            who.append("password_link")
        deletion = ["deletion"] if may_change and obj.is_active else []
        beyond = ["is_superuser", "user_permissions"] if request.user.is_superuser else []
        return [
            (None, {"fields": who}),
            ("Permissions", {"fields": ["is_active", *deletion, "is_staff", "groups", *beyond]}),
            ("Dates", {"fields": ["last_login", "date_joined"]}),
        ]

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change=change, **kwargs)
        form.actor = request.user  # type: ignore[attr-defined]  # the class was created for this request
        return form

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        words = {
            "is_active": ("Active", "Switched off, this person cannot sign in. The history keeps the name."),
            "is_staff": ("Staff", "Only staff can sign in here."),
        }
        if field is not None and db_field.name in words:
            field.label, field.help_text = words[db_field.name]
        if field is not None and db_field.name == "groups":
            field.widget = field.widget.widget  # without the buttons that add and edit roles
        return field

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.name != "groups":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        return ModelMultipleChoiceField(
            grantable_roles(request.user),
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            label="Roles",
            required=False,
            help_text="What this person may do. Without any role: sign in, and see nothing.",
        )

    def save_model(self, request, obj, form, change):
        if not change:
            obj.is_staff = True  # all users of this site are staff
        super().save_model(request, obj, form, change)

    def response_add(self, request, obj, post_url_continue=None):
        # Django would continue with a second page
        return ModelAdmin.response_add(self, request, obj, post_url_continue)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and exceeds(obj, request.user):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        return False  # people are deactivated: the history names them


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, StrictAdmin):
    """Superusers only: changing a role changes the permissions of all its members, possibly including one's own."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.is_superuser
