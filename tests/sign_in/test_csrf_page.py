"""Why a form was rejected: an untrusted origin is a configuration error, anything else an outdated page."""

import pytest
from django.test import Client

URL = "/admin/login/"


def refused(https: bool = False, **headers: str) -> str:
    client = Client(enforce_csrf_checks=True)
    client.get(URL, secure=https)
    token = client.cookies["csrftoken"].value
    typed = {"username": "ada", "password": "x"} | ({} if headers == {} else {"csrfmiddlewaretoken": token})
    answer = client.post(URL, typed, secure=https, headers=headers)
    assert answer.status_code == 403
    return answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("https", "headers"),
    [
        (False, {"Origin": "null"}),
        (False, {"Origin": "https://evil.example/<script>alert(1)</script>"}),
        (True, {"Referer": "https://evil.example/<script>alert(1)</script>"}),
        (True, {"Referer": "http://testserver/"}),
        (True, {"Accept": "*/*"}),  # neither Origin nor Referer
    ],
)
def test_a_foreign_origin_names_the_setting(https, headers):
    page = refused(https, **headers)
    assert "CSRF_TRUSTED_ORIGINS" in page
    assert "out of date" not in page
    assert "evil.example" not in page


@pytest.mark.django_db
def test_a_missing_token_is_an_old_page():
    page = refused()
    assert "This page is out of date" in page
    assert "CSRF_TRUSTED_ORIGINS" not in page
