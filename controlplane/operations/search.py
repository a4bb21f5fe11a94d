"""Search for operations."""

import re

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Replace

from controlplane.operations.models import Operation


def matching(operations: QuerySet[Operation], typed: str) -> QuerySet[Operation]:
    """Operations whose title, id, user name or trace id contain every word.

    Digits find a phone number in a title however they are grouped.
    """
    term = typed.replace("…", " ").strip()
    digits = re.sub(r"[\s().\-/+]", "", term)
    if digits.isdecimal() and digits.isascii():
        ungrouped = operations.alias(ungrouped=Replace("title", Value(" "), output_field=TextField()))
        return ungrouped.filter(
            Q(ungrouped__contains=digits) | Q(object_id__contains=digits) | Q(trace_id__contains=digits)
        )
    for word in term.split():
        operations = operations.filter(
            Q(title__icontains=word)
            | Q(object_id__icontains=word)
            | Q(actor_name__icontains=word)
            | Q(trace_id__icontains=word)
        )
    return operations
