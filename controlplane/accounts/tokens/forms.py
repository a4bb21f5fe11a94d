"""Forms that create and revoke API tokens."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from controlplane.accounts.privileges import exceeds, grantable_roles
from controlplane.api.service_accounts import service_accounts
from controlplane.operations.forms import KeyedForm

MAX_DAYS = 366


class IssueForm(KeyedForm):
    """For an existing service account or a new one. People get tokens with their own password, so that no one acts in
    another user's name."""

    account = forms.ModelChoiceField(
        User.objects.none(), required=False, label="Service account", empty_label="a new one, named below"
    )
    username = forms.CharField(
        max_length=150,
        required=False,
        label="Name of the new account",
        help_text="Shown in the history as the actor, such as “deploy-robot”.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    roles = forms.ModelMultipleChoiceField(
        grantable_roles(User(is_superuser=True)),
        required=False,
        label="Roles of the new account",
        widget=forms.CheckboxSelectMultiple,
    )
    name = forms.CharField(
        max_length=100,
        label="Purpose",
        help_text="Where the token is used, or who keeps it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, initial=90, label="Valid for (days)", help_text="At most 366."
    )

    def __init__(self, *args: Any, issuer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = [one.pk for one in service_accounts().filter(is_active=True) if not exceeds(one, issuer)]
        self.fields["account"].queryset = User.objects.filter(pk__in=allowed).order_by("username")  # type: ignore[attr-defined]
        self.fields["roles"].queryset = grantable_roles(issuer)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("account") or "account" in self.errors:
            for field in ("username", "roles"):
                if cleaned.get(field):
                    self.add_error(field, "This is for a new account only.")
            return cleaned
        if not cleaned.get("username") and "username" not in self.errors:
            self.add_error("username", "Choose an account, or name a new one.")
        elif not cleaned.get("roles") and "roles" not in self.errors:
            self.add_error("roles", "Choose a role: without one, the account could do nothing.")
        self._check_name(cleaned.get("username", ""))
        return cleaned

    def _check_name(self, username: str) -> None:
        if not username or "username" in self.errors:
            return
        if User.objects.filter(username__iexact=username).exists():
            self.add_error("username", "There is a user of this name already.")
        try:
            User.username_validator(username)
        except forms.ValidationError as error:
            self.add_error("username", error)
