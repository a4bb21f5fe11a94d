"""A client of the API in this process: the test client with a token, an idempotency key for each write, and JSON."""

import json
import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client

from controlplane.api import tokens

SECRET_WORDS = "Bearer"
SID = "AC" + "1" * 32
TWILIO = {"sid": SID, "token": "canary-twilio-token-7f3a"}


def person(name: str, role: str | None = None, **more: Any) -> User:
    user = User.objects.create_user(name, password="a right password", is_staff=True, **more)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def service(name: str, role: str | None = None) -> User:
    """A user without a usable password who is not staff and cannot open the admin."""
    user = User.objects.create_user(name)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def token_of(user: User, lives: timedelta = timedelta(days=1)) -> tuple[tokens.Token, str]:
    return tokens.issue(user, name="test", lives=lives, by=None, by_name="system")


class Caller:
    def __init__(self, user: User | None) -> None:
        self.user = user
        self.client = Client(raise_request_exception=False)
        self.token, self.refresh_token = token_of(user) if user else (None, "")
        self.access = tokens.access_token(self.token) if self.token else ""

    def __call__(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        if self.access:
            headers = {"Authorization": f"Bearer {self.access}", **headers}
        if method != "GET":
            headers = {"Idempotency-Key": key or uuid.uuid4().hex, **headers}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, f"/api{path}", data, content_type="application/json", headers=headers)

    def get(self, path: str) -> Any:
        answer = self("GET", path)
        assert answer.status_code == 200, (path, answer.status_code, answer.content)
        return answer.json()


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that the response is this problem, and return its body."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["type"].rpartition(":")[2]) == (status, status, code), body
    return body
