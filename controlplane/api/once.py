"""`Idempotency-Key`: a wish is carried out once, however often it is sent, and by however many processes at a time.

The key becomes the operation's, made one's own by a digest with the user's id: nobody reads another's operation by
guessing a key. The digest of what was asked is kept beside it, without credentials: what is left out of `said`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from ninja.responses import Status

from controlplane.api.auth import asker
from controlplane.api.models import Request
from controlplane.api.operations import ChangeSetOut, OperationOut, of_change_set, of_operation, refusal
from controlplane.api.problems import Problem
from controlplane.operations.journal import KeyReused
from controlplane.operations.models import ChangeSet, Operation, State


def written(
    request: HttpRequest,
    response: HttpResponse,
    key: str,
    said: Mapping[str, Any],
    ask: Callable[[str], Operation | ChangeSet],
    *,
    made: int = 200,
) -> Status[OperationOut] | Status[ChangeSetOut]:
    """Carry out `ask`, or tell what this key did before. `made` is the status of a wish that came true."""
    row = noted(request, key, said)
    found = _first(row.key)
    if found is None:
        try:
            found = ask(row.key)
        except KeyReused:  # by the same body, as is known: another process was quicker
            found = _first(row.key)
            if found is None:
                raise
    if isinstance(found, ChangeSet):
        told = of_change_set(found)
        response["Location"] = told.url
        return Status(202, told)
    if found.is_open:
        op = of_operation(found)
        response["Location"] = op.url
        return Status(202, op)
    if found.state != State.DONE:
        raise refusal(found)
    return Status(made, of_operation(found))


def noted(request: HttpRequest, key: str, said: Mapping[str, Any]) -> Request:
    """The row of this key, new or not. Raises a 409 where the key came with something else before."""
    own = "api-" + hashlib.sha256(f"{asker(request).pk}:{key}".encode()).hexdigest()[:60]
    asked = json.dumps([request.method, request.path, said], sort_keys=True)
    digest = salted_hmac("controlplane.api.once", asked, algorithm="sha256").hexdigest()
    try:
        with transaction.atomic():
            return Request.objects.create(key=own, digest=digest)
    except IntegrityError:
        row = Request.objects.get(key=own)
    if row.digest != digest:
        op = Operation.objects.filter(key=own).first()
        raise Problem(
            409,
            "key-reused",
            "Not sent. This Idempotency-Key came with something else before, and that stands.",
            operation=op.pk if op else None,
        )
    return row


def _first(key: str) -> Operation | ChangeSet | None:
    return Operation.objects.filter(key=key).first() or ChangeSet.objects.filter(key=key).first()
