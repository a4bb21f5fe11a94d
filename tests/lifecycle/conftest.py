"""The command as a script calls it, here or in a process of its own, on a sandbox that lists after a moment."""

import os
import sys
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from controlplane.lifecycle.models import Report
from tests.running import ROOT, Running, database_url
from tests.sandbox_process import Sandbox

LISTED_AFTER = 1.2  # seconds: "about 5 s" begins at one
SID, TOKEN = "AC" + "7" * 32, "9f8e7d6c5b4a39281706f5e4d3c2b1a0"

Lifecycle = Callable[..., tuple[int, str]]


@pytest.fixture
def quick(remote: Sandbox, monkeypatch) -> Sandbox:
    for name in ("TWILIO_SID", "TWILIO_TOKEN", "TWILIO_PHONE_NUMBER", "TWILIO_ACCOUNT_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    remote.settings(listed_after=LISTED_AFTER)
    return remote


@pytest.fixture
def lifecycle(quick) -> Lifecycle:
    """lifecycle("--repeat", "2") -> (exit status, what was printed)."""

    def run(*args: str) -> tuple[int, str]:
        printed = StringIO()
        try:
            call_command("lifecycle", *args, stdout=printed)
        except SystemExit as ended:
            return int(ended.code or 0), printed.getvalue()
        except CommandError as error:
            return error.returncode, f"{printed.getvalue()}{error}"
        return 0, printed.getvalue()

    return run


@pytest.fixture
def child(quick):
    """child("--clean-up") -> a `Running` process of the command on this test's database and remote."""
    started: list[Running] = []

    def run(*args: str) -> Running:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.lifecycle.process_settings",
            "DATABASE_URL": database_url(),
            "SANDBOX_URL": quick.url,
            "PYTHONUNBUFFERED": "1",
        }
        started.append(Running([sys.executable, str(ROOT / "manage.py"), "lifecycle", *args], environment))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.kill()


def newest() -> Report:
    return Report.objects.latest("pk")


def verdicts() -> dict[int, str]:
    return {line["number"]: line["verdict"] for line in newest().data["assumptions"]}


def step(name: str) -> dict:
    return next(one for one in newest().data["steps"] if one["name"] == name)


def nothing_is_left(remote: Sandbox) -> bool:
    lists = (remote.get("/v1/convai/agents", archived=archived)["agents"] for archived in ("false", "true"))
    return not any(lists) and remote.get("/v1/convai/phone-numbers") == []


def at_the_fault(remote, method: str, path: str, skip: int) -> dict:
    """The call that the fault holds, as soon as it has arrived."""
    last: dict = {"id": 0}
    for _ in range(skip + 1):
        last = remote.wait_for_call(method, path, since=last["id"], seconds=60)
    return last
