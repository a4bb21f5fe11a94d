"""Both ways to sign in, from any address: the sign-in page and `POST /api/token`."""

from collections.abc import Callable

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.test import Client

from controlplane.audit.models import Entry

PASSWORD = "a right password"
START = "2026-11-30 12:00:00+00:00"


def page(name: str, password: str = "wrong", address: str = "192.0.2.1", browser: Client | None = None):
    """200: wrong, 302: signed in, 429: locked."""
    typed = {"username": name, "password": password, "next": "/admin/"}
    return (browser or Client()).post("/admin/login/", typed, REMOTE_ADDR=address)


def api(name: str, password: str = "wrong", address: str = "192.0.2.1"):
    """401: wrong, 200: signed in, 429: locked."""
    body = {"username": name, "password": password}
    return Client().post("/api/token", body, content_type="application/json", REMOTE_ADDR=address)


def words(**about: str) -> list[tuple[str, str]]:
    """The history entries, in order, without the failed attempts themselves."""
    entries = Entry.objects.filter(kind__in=["person.locked", "person.refused"], **about).order_by("pk")
    return [(entry.object_name, entry.words) for entry in entries]


@pytest.fixture(autouse=True)
def still(time_machine):
    time_machine.move_to(START, tick=False)


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_user("ada", password=PASSWORD, is_staff=True)


@pytest.fixture
def hashed(monkeypatch) -> Callable[[], int]:
    """How many passwords were hashed: the cost of an attempt for this server."""
    calls: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        calls.append(salt)
        return str(encode(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return lambda: len(calls)
