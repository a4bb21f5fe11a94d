"""The base class of forms that request a write."""

import uuid
from http import HTTPStatus
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import QueryDict

from controlplane.audit.forms import JustificationForm


class KeyedForm(JustificationForm):
    """Has an idempotency key, so that a form sent twice (double click, back, second tab) is carried out once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    error_status = HTTPStatus.UNPROCESSABLE_ENTITY  # of the page that shows the form again

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid.uuid4

    def with_new_key(self) -> None:
        """For a form that is shown again after an attempt has ended: the next submission is a new request."""
        self.show_instead("key", str(uuid.uuid4()))

    def show_instead(self, field: str, value: str) -> None:
        """Replace a submitted value before the form is shown again."""
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
