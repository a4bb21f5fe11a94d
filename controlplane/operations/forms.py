"""What every form that asks for a write has in common."""

import uuid
from typing import Any

from django import forms


class KeyedForm(forms.Form):
    """Carries the operation's key: sent twice (double click, back, second tab), it is carried out once."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid.uuid4

    def with_new_key(self) -> None:
        """For the form shown again after an attempt that ended: what is sent next is a new wish."""
        self.data = self.data.copy()
        self.data[self.add_prefix("key")] = str(uuid.uuid4())

    @property
    def operation_key(self) -> str:
        return str(self.cleaned_data["key"])
