"""What every form that asks for a write has in common."""

import uuid
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import QueryDict


class KeyedForm(forms.Form):
    """Carries the operation's key: sent twice (double click, back, second tab), it is carried out once."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid.uuid4

    def with_new_key(self) -> None:
        """For the form shown again after an attempt that ended: what is sent next is a new wish."""
        self.show_instead("key", str(uuid.uuid4()))

    def show_instead(self, field: str, value: str) -> None:
        """Show this value in place of what was typed."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        data[self.add_prefix(field)] = value
        self.data = data

    @property
    def has_field_errors(self) -> bool:
        return any(field != NON_FIELD_ERRORS for field in self.errors)

    @property
    def operation_key(self) -> str:
        return str(self.cleaned_data["key"])
