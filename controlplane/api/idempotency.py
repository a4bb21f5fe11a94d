"""`Idempotency-Key`: a request is carried out once, however often and by however many processes it is sent.

The operation's key is a digest of the user's id and this key, so no one reads another user's operation by guessing a
key. The digest of the request is committed together with the operation; credentials are left out of it (they are not
part of `payload`). A request that is refused before anything is recorded therefore leaves its key free.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from ninja.responses import Status

from controlplane.api.auth import current_user
from controlplane.api.models import Request
from controlplane.api.operations import ChangeSetOut, OperationOut, refusal, serialize_change_set, serialize_operation
from controlplane.api.problems import key_reused
from controlplane.api.schemas import WithJustification
from controlplane.operations.actions import Action
from controlplane.operations.errors import KeyReused
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import ChangeSet, Operation, State

Made = Operation | ChangeSet


def execute_idempotently(
    request: HttpRequest,
    response: HttpResponse,
    key: str,
    body: WithJustification,
    action: Callable[[], Action],
    *,
    success_status: int = 200,
) -> Status[OperationOut] | Status[ChangeSetOut]:
    """Carry out the action, or return the result of the earlier request with this key."""
    return run_idempotently(
        request, response, key, body, lambda context: execute(action(), context), success_status=success_status
    )


def run_idempotently(
    request: HttpRequest,
    response: HttpResponse,
    key: str,
    body: WithJustification,
    run: Callable[[ActionContext], Made],
    *,
    success_status: int = 200,
) -> Status[OperationOut] | Status[ChangeSetOut]:
    """`execute_idempotently` for a request that takes more than an action."""
    operation_key, digests = key_of(request, key), digests_of(request, body.payload())
    is_new = False

    def on_begin(_: Made) -> None:
        nonlocal is_new
        Request(key=operation_key, digest=digests[0]).save(force_insert=True)
        is_new = True

    found = find_earlier(operation_key, digests)
    if found is None:
        try:
            found = run(
                ActionContext(
                    key=operation_key,
                    actor=current_user(request),
                    justification=body.justification,
                    on_begin=on_begin,
                )
            )
        except (KeyReused, IntegrityError):  # another process was faster; the same body unless `find_earlier` raises
            found = find_earlier(operation_key, digests)
            if found is None:
                raise
        if not is_new:  # `run` returned the result of another process
            find_request(operation_key, digests)
    if isinstance(found, ChangeSet):
        out = serialize_change_set(found)
        response["Location"] = out.url
        return Status(202, out)
    if found.is_open:
        op = serialize_operation(found)
        response["Location"] = op.url
        return Status(202, op)
    if found.state != State.DONE:
        raise refusal(found)
    return Status(success_status, serialize_operation(found))


def key_of(request: HttpRequest, key: str) -> str:
    """The operation's key: a digest of user id and idempotency key."""
    return "api-" + hashlib.sha256(f"{current_user(request).pk}:{key}".encode()).hexdigest()[:60]


def digests_of(request: HttpRequest, payload: Mapping[str, Any]) -> list[str]:
    """The request's digest under the current secret key, then under each earlier one: a retry may come after a key
    rotation."""
    content = json.dumps([request.method, request.path, payload], sort_keys=True)
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [salted_hmac("controlplane.api.once", content, secret, algorithm="sha256").hexdigest() for secret in secrets]


def find_earlier(operation_key: str, digests: Sequence[str]) -> Made | None:
    """The operation or change set that this key created. Raises a 409 if the key was used with another request. Also
    None for a key so old that its digest is deleted: the journal, which keeps every key, then compares the actions."""
    if find_request(operation_key, digests) is None:
        return None
    return Operation.objects.filter(key=operation_key).first() or ChangeSet.objects.filter(key=operation_key).first()


def find_request(operation_key: str, digests: Sequence[str]) -> Request | None:
    """The row of this key, or None. Raises a 409 if the key was used with another request."""
    row = Request.objects.filter(key=operation_key).first()
    if row is not None and row.digest not in digests:
        raise key_reused(Operation.objects.filter(key=operation_key).first())
    return row


def store_request(operation_key: str, digests: Sequence[str]) -> Request:
    """The row of this key, created if needed. Raises a 409 if the key was used with another request."""
    row, is_new = Request.objects.get_or_create(key=operation_key, defaults={"digest": digests[0]})
    return row if is_new else find_request(operation_key, digests) or row
