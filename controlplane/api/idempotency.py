"""`Idempotency-Key`: a request is carried out once, however often and by however many processes it is sent.

The key becomes the operation's, made one's own by a digest with the user's id: nobody reads another's operation by
guessing a key. The digest of what was asked is committed with the operation, without credentials: what is left out of
`said`. So what is refused before anything is recorded leaves its key free.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from ninja.responses import Status

from controlplane.api.auth import current_user
from controlplane.api.models import Request
from controlplane.api.operations import ChangeSetOut, OperationOut, refusal, serialize_change_set, serialize_operation
from controlplane.api.problems import key_reused
from controlplane.operations.journal import KeyReused
from controlplane.operations.models import ChangeSet, Operation, State

Made = Operation | ChangeSet


class CallerContext(TypedDict):
    """What every service is told beside the wish itself."""

    key: str
    actor: User
    on_begin: Callable[[Made], None]


def run_idempotently(
    request: HttpRequest,
    response: HttpResponse,
    key: str,
    said: Mapping[str, Any],
    ask: Callable[[CallerContext], Made],
    *,
    made: int = 200,
) -> Status[OperationOut] | Status[ChangeSetOut]:
    """Carry out `ask`, or tell what this key did before. `made` is the status of a wish that came true."""
    own, digests = key_of(request, key), digests_of(request, said)

    def on_begin(_: Made) -> None:
        store_request(own, digests)

    found = find_earlier(own, digests)
    if found is None:
        try:
            found = ask(CallerContext(key=own, actor=current_user(request), on_begin=on_begin))
        except KeyReused:  # by the same body, unless that is said here: another process was quicker
            found = find_earlier(own, digests)
            if found is None:
                raise
        find_request(own, digests)
    if isinstance(found, ChangeSet):
        told = serialize_change_set(found)
        response["Location"] = told.url
        return Status(202, told)
    if found.is_open:
        op = serialize_operation(found)
        response["Location"] = op.url
        return Status(202, op)
    if found.state != State.DONE:
        raise refusal(found)
    return Status(made, serialize_operation(found))


def key_of(request: HttpRequest, key: str) -> str:
    """The key of the operation."""
    return "api-" + hashlib.sha256(f"{current_user(request).pk}:{key}".encode()).hexdigest()[:60]


def digests_of(request: HttpRequest, said: Mapping[str, Any]) -> list[str]:
    """The request's digest under the secret key, then under each earlier one: a retry may come after a rotation."""
    asked = json.dumps([request.method, request.path, said], sort_keys=True)
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [salted_hmac("controlplane.api.once", asked, secret, algorithm="sha256").hexdigest() for secret in secrets]


def find_earlier(own: str, digests: Sequence[str]) -> Made | None:
    """What this key did. None also where it came so long ago that its digest is forgotten: then the journal, which
    forgets no key, compares the deeds. Raises a 409 where it came with something else."""
    if find_request(own, digests) is None:
        return None
    return Operation.objects.filter(key=own).first() or ChangeSet.objects.filter(key=own).first()


def find_request(own: str, digests: Sequence[str]) -> Request | None:
    """The row of this key, if there is one. Raises a 409 where the key came with something else."""
    row = Request.objects.filter(key=own).first()
    if row is not None and row.digest not in digests:
        raise key_reused(Operation.objects.filter(key=own).first())
    return row


def store_request(own: str, digests: Sequence[str]) -> Request:
    """The row of this key, new or not. Raises a 409 where the key came with something else."""
    row, is_new = Request.objects.get_or_create(key=own, defaults={"digest": digests[0]})
    return row if is_new else find_request(own, digests) or row
