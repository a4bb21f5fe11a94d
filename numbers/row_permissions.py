"""Which actions each number's row offers to the current user, without a query for each row."""

from typing import Any

from django.db.models import Value

from numbers.models import PhoneNumberQuerySet


def annotate_permissions(numbers: PhoneNumberQuerySet, user: Any) -> PhoneNumberQuerySet:
    """Adds may_assign, may_rename, may_remove and may_check."""
    return numbers.annotate(
        may_assign=Value(user.has_perm("numbers.assign_phonenumber")),
        may_rename=Value(user.has_perm("numbers.change_phonenumber")),
        may_remove=Value(user.has_perm("numbers.delete_phonenumber")),
        may_check=Value(user.has_perm("numbers.add_phonenumber")),
    )
