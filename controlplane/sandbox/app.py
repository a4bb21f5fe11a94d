"""Routes one request to its response, in the order of the real service: route, 422, key, endpoint."""

import sys
import traceback

from . import routes
from .auth import check_key
from .errors import Refusal, current
from .messages import Answer, Request
from .state import Call, SandboxState
from .validation import parse_body, parse_query


def answer(world: SandboxState, request: Request) -> Answer:
    try:
        return run(world, prepared(world, request))
    except Refusal as refusal:
        return refusal.answer(request.trace_id)
    except Exception as error:  # noqa: BLE001 - an error of the sandbox is a 500 response, as in the real service
        # Without the message: it may repeat what was sent, and a Twilio token must not be logged.
        sys.stderr.write(f"sandbox: {type(error).__name__} in {request.method} {request.path}\n")
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
        return current(500, "internal_error", "internal_error", "An unexpected error occurred.").answer(
            request.trace_id
        )


def prepared(world: SandboxState, request: Request) -> "tuple[routes.Route, Call]":
    route, ids = routes.find(request.method, request.path)
    call = Call(world, request, ids)
    if route.query is not None:
        call.query = parse_query(route.query, request.query)
    if route.body is not None:
        call.body = parse_body(route.body, request.body)
    if not route.open:
        check_key(request)
    return route, call


def run(world: SandboxState, route_and_call: "tuple[routes.Route, Call]") -> Answer:
    route, call = route_and_call
    if route.path.startswith(routes.CONTROL):  # control endpoints manage their own transactions, or wait without one
        return route.endpoint(call)
    with world.state.transaction():
        return route.endpoint(call)
