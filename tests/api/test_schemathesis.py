"""Requests generated from the OpenAPI document, valid and invalid: no 500, and no response that the document does not
describe."""

import uuid
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from controlplane.api_assembly import api
from tests.api.caller import Caller, person

READ_IN_THE_GATE = {"/api/agents", "/api/numbers/{number_id}", "/api/history"}
# Requests that fit the document are accepted, except for rules that a schema cannot express: which cursors were issued,
# which agents exist, which fields go together. Only these fields may be refused; Schemathesis' own check has no fields.
MEANING = {
    "GET /api/agents": {"cursor"},
    "GET /api/numbers": {"cursor"},
    "GET /api/operations": {"cursor"},
    "GET /api/history": {"cursor"},
    "POST /api/agents": {"model_id", "settings"},
    "PATCH /api/agents/{agent_id}": {"model_id", "settings", ""},  # "": no setting is given
    "DELETE /api/agents/{agent_id}": {"successor"},
    "POST /api/numbers/import": {
        *("phone_number", "label", "agent_id"),
        *("account_auth_token", "region", "edge", "region_token"),
    },
    "PATCH /api/numbers/{number_id}/assign": {"agent_id"},
}
OPERATIONS = sorted((path, method) for path, methods in api.get_openapi_schema()["paths"].items() for method in methods)
# Each run uses the same examples. The gate covers every write, and one read of each kind.
CASES = [
    pytest.param(path, method, mode, examples, marks=[] if in_gate else pytest.mark.slow)
    for path, method in OPERATIONS
    for mode in GenerationMode
    for examples, in_gate in (
        (1 if mode == GenerationMode.POSITIVE else 3, method != "get" or path in READ_IN_THE_GATE),
        (30, False),
    )
    if in_gate or examples == 30
]
pytestmark = pytest.mark.django_db


def test_the_document_names_each_url_of_the_issue():
    assert {f"{method.upper()} {path.removeprefix('/api')}" for path, method in OPERATIONS} >= {
        *("GET /agents", "POST /agents", "GET /agents/{agent_id}", "PATCH /agents/{agent_id}"),
        *("DELETE /agents/{agent_id}", "GET /numbers", "POST /numbers/import", "PATCH /numbers/{number_id}/assign"),
        *("DELETE /numbers/{number_id}", "POST /sync", "GET /operations", "GET /operations/{operation_id}"),
        "GET /history",
    }


@cache
def document() -> Any:
    """Cached: all operations are generated from the same document."""
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())
    schema.config.generation.update(with_security_parameters=False)
    return schema


@pytest.mark.time_limit(10)  # most of the time generates agents with long prompts
@pytest.mark.parametrize(("path", "method", "mode", "examples"), CASES)
def test_what_is_made_up_from_the_document_is_answered_by_it(path, method, mode, examples, workspace, settings_of_rate):
    user = person("olga", "Administrators")
    call = Caller(user)
    known = {
        "agent_id": workspace.support.remote_id,
        "number_id": workspace.bound.remote_id,
        "operation_id": 1,
        "change_set_id": 1,
        "run_id": 1,
    }
    operation = document()[path][method.upper()]

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans(), is_new=st.booleans())
    def answered(case, is_known, is_new):
        headers = {"Authorization": f"Bearer {call.access}"}
        if is_known and mode == GenerationMode.POSITIVE:
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        if is_new and method != "get" and mode == GenerationMode.POSITIVE:
            headers["Idempotency-Key"] = uuid.uuid4().hex
        judged_here = [positive_data_acceptance, negative_data_rejection]
        answer = case.call_and_validate(headers=headers, excluded_checks=judged_here)
        if mode == GenerationMode.NEGATIVE and answer.status_code != 413:  # a large body is refused before it is read
            case.validate_response(answer, checks=[negative_data_rejection])
        if mode == GenerationMode.POSITIVE and answer.status_code in (400, 422):
            body = answer.json()
            if "operation" not in body:  # otherwise ElevenLabs refused it
                wrong = {one["field"].partition(".")[0] for one in body.get("fields", [{"field": body["detail"]}])}
                assert wrong <= MEANING.get(f"{method.upper()} {path}", set()), body

    answered()


@pytest.fixture
def settings_of_rate(settings):
    """No rate limit, and the application keeps the connection of this test."""
    settings.API_RATE_PER_MINUTE = 100_000
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
