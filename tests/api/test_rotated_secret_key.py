"""SECRET_KEY is rotated with the old one as a fallback: clients of the API continue to work."""

import pytest

from controlplane.operations.models import Operation
from tests.api.caller import Caller, person, problem

pytestmark = pytest.mark.django_db

NEW_KEY = "another-key-0123456789-0123456789-0123456789-0123456789-0123456789"


@pytest.fixture
def rotate(settings):
    def rotate(*, keep_old: bool) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keep_old else []
        settings.SECRET_KEY = NEW_KEY

    return rotate


def test_a_retry_is_still_the_same_request(remote, call, rotate):
    first = call("POST", "/agents", {"name": "New"}, key="k")
    rotate(keep_old=True)

    again = call("POST", "/agents", {"name": "New"}, key="k")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(remote.calls(method="POST", path="/v1/*")) == Operation.objects.count() == 1
    problem(call("POST", "/agents", {"name": "Another"}, key="k"), 409, "key-reused")


@pytest.mark.parametrize(("keep_old", "status"), [(True, 200), (False, 401)])
def test_tokens_last_as_long_as_the_fallback(remote, rotate, keep_old, status):
    call = Caller(person("olga", "Operators"))
    rotate(keep_old=keep_old)
    assert call("GET", "/agents").status_code == status
    assert call("POST", "/token/refresh", {"refresh_token": call.refresh_token}).status_code == status
