"""Requests made up from the OpenAPI document, right ones and wrong ones: no 500, and no answer that the document does
not tell of."""

import uuid

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from controlplane.dashboard.api import api
from controlplane.wsgi import application
from tests.api.caller import Caller, person

EXAMPLES = 30
# No document says which agents there are; and the token that is added here mends some of what was made wrong.
NOT_TOLD = [positive_data_acceptance]
OPERATIONS = sorted((path, method) for path, methods in api.get_openapi_schema()["paths"].items() for method in methods)
pytestmark = pytest.mark.django_db


def test_the_document_names_each_address_of_the_issue():
    assert {f"{method.upper()} {path.removeprefix('/api')}" for path, method in OPERATIONS} >= {
        *("GET /agents", "POST /agents", "GET /agents/{agent_id}", "PATCH /agents/{agent_id}"),
        *("DELETE /agents/{agent_id}", "GET /numbers", "POST /numbers/import", "PATCH /numbers/{number_id}/assign"),
        *("DELETE /numbers/{number_id}", "POST /sync", "GET /operations", "GET /operations/{operation_id}"),
        "GET /history",
    }


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_is_made_up_from_the_document_is_answered_by_it(path, method, mode, workspace, settings_of_rate):
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", application)
    user = person("olga", "Administrators")
    call = Caller(user)
    known = {
        "agent_id": workspace.support.remote_id,
        "number_id": workspace.bound.remote_id,
        "operation_id": 1,
        "change_set_id": 1,
        "run_id": 1,
    }
    schema.config.generation.update(with_security_parameters=False)
    operation = schema[path][method.upper()]

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans(), is_new=st.booleans())
    def answered(case, is_known, is_new):
        headers = {"Authorization": f"Bearer {call.access}"}
        if is_known and mode == GenerationMode.POSITIVE:
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        if is_new and method != "get" and mode == GenerationMode.POSITIVE:
            headers["Idempotency-Key"] = uuid.uuid4().hex
        case.call_and_validate(headers=headers, excluded_checks=NOT_TOLD)

    answered()


@pytest.fixture
def settings_of_rate(settings):
    """No request is too many, and the application lets this test keep its connection."""
    settings.API_RATE_PER_MINUTE = 100_000
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
