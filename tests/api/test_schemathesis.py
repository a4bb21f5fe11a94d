"""Requests made up from the OpenAPI document: no 500, and no answer that the document does not tell of."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from controlplane.wsgi import application
from tests.api.caller import Caller, person

DOCUMENT = "/api/openapi.json"
OPERATIONS = sorted(
    (method.upper(), path)
    for path, methods in schemathesis.openapi.from_wsgi(DOCUMENT, application).raw_schema["paths"].items()
    for method in methods
)


@pytest.fixture
def schema():
    return schemathesis.openapi.from_wsgi(DOCUMENT, application)
