"""The form fields of a reason and a ticket."""

from typing import Any

from django import forms
from django.conf import settings

from controlplane.audit.justification import MAX_REASON_CHARS, MAX_TICKET_CHARS, Justification, justification_errors


class JustificationForm(forms.Form):
    """Reason and ticket: see `controlplane.audit.justification`. Rendered by `controlplane/justification.html`."""

    reason = forms.CharField(
        required=False,
        initial="",
        max_length=MAX_REASON_CHARS,
        help_text="Kept in the history: no passwords or keys here.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    ticket = forms.CharField(
        required=False,
        initial="",
        max_length=MAX_TICKET_CHARS,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("reason", "ticket"):  # shown last, so their errors come last
            self.fields[name] = self.fields.pop(name)

    def clean_reason(self) -> str:
        return self._clean_justification("reason")

    def clean_ticket(self) -> str:
        return self._clean_justification("ticket")

    def _clean_justification(self, field: str) -> str:
        text: str = self.cleaned_data[field]
        if problem := justification_errors(Justification(**{field: text})).get(field):
            raise forms.ValidationError(problem)
        return text

    @property
    def justification(self) -> Justification:
        return Justification(self.cleaned_data["reason"], self.cleaned_data["ticket"])

    @property
    def reason_is_required(self) -> bool:
        return bool(settings.REQUIRE_REASON)

    @property
    def has_justification(self) -> bool:
        """Whether reason or ticket has a value or an error."""
        return any(self[name].value() or self[name].errors for name in ("reason", "ticket"))
