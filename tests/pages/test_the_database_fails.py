"""A database that rejects writes or is too slow: pages and API answer 503 with a plain message, which never claims that
nothing was sent when something may have been."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client

from controlplane import statement_timeout
from controlplane.audit.unavailable import mark_as_sent
from controlplane.operations.models import Operation
from tests.api.caller import Caller, person, problem
from tests.pages.test_audit_unavailable import NOT_SENT
from tests.pages.test_number_pages import url
from tests.pages.test_outside_changes import text

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]

SLOW = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


@contextmanager
def failing(beginning: str, table: str, *, slow: bool = False, until: str = "") -> Iterator[None]:
    """Statements on this table fail as with a locked database, or run into the time limit."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(beginning) and f'"{table}"' in sql and until in sql:
            if not slow:
                raise OperationalError("database is locked")
            execute(SLOW[connection.vendor], (), False, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


@pytest.fixture
def limited(settings) -> Callable[[], AbstractContextManager[None]]:
    """As in a web process, with a shorter timeout: the connection is opened with a limit, and closed afterwards."""
    settings.WEB_STATEMENT_TIMEOUT = 0.5

    @contextmanager
    def limited() -> Iterator[None]:
        connection.close()
        statement_timeout.install()
        try:
            yield
        finally:
            statement_timeout.uninstall()
            connection.close()
            connections["default"].__dict__.pop("statement_seconds", None)
            connection.execute_wrappers.clear()

    return limited


@pytest.fixture
def patient_client(operator) -> Client:
    operator.raise_request_exception = False
    return operator


def test_only_the_web_process_has_a_limit(monkeypatch):
    """Workers and commands never import the module that gunicorn serves."""
    sources = [file for app in ("controlplane", "agents", "numbers") for file in (ROOT / app).rglob("*.py")]
    words = ("statement_timeout.install()", "controlplane.wsgi import", "import controlplane.wsgi")
    assert [file.name for file in sources if any(word in file.read_text() for word in words)] == ["wsgi.py"]
    installed = []
    monkeypatch.setattr(statement_timeout, "install", lambda: installed.append(True))
    importlib.reload(importlib.import_module("controlplane.wsgi"))
    assert installed


@pytest.mark.django_db(transaction=True)
def test_a_slow_page_reports_a_timeout(limited, patient_client, workspace):
    with limited(), failing("SELECT", "numbers_phonenumber", slow=True):
        answer = patient_client.get("/admin/numbers/phonenumber/")
    assert answer.status_code == 503
    assert "The database needed more than 0.5 seconds for this, so it was stopped." in text(answer)
    assert "Nothing was sent to ElevenLabs." in text(answer)
    assert patient_client.get("/admin/numbers/phonenumber/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_slow_list_of_the_api_reports_a_timeout(limited, workspace):
    call = Caller(person("anna", "Auditors"))
    with limited(), failing("SELECT", "agents_agent", slow=True):
        error = problem(call("GET", "/agents"), 503, "too-slow")
    assert "0.5 seconds" in error["detail"]


@pytest.mark.django_db(transaction=True)
def test_a_verdict_that_takes_too_long_leaves_the_operation_to_be_settled(limited, patient_client, workspace, remote):
    address = url(workspace.bound, "assign")
    page = patient_client.get(address)
    form = {field.html_name: field.value() or "" for field in page.context["form"]}
    with limited(), failing("UPDATE", "operations_operation", slow=True, until='"ended_at"'):
        answer = patient_client.post(address, form | {"agent": workspace.sales.pk})
    assert answer.status_code == 500
    assert "does not know whether anything was sent to ElevenLabs" in text(answer)
    assert [str(op.state) for op in Operation.objects.all()] == ["sent"]


@pytest.mark.django_db(transaction=True)
def test_a_file_may_take_longer(limited, settings, sign_in, workspace):
    settings.WEB_EXPORT_STATEMENT_TIMEOUT = 7
    auditor = sign_in("Auditors")
    with limited():
        answer = auditor.post("/admin/audit/entry/export/", {"format": "csv"})
        lines = iter(answer.streaming_content)
        next(lines)
        assert limit_now() == 7
        assert list(lines)
        assert limit_now() == 0.5


def limit_now() -> float:
    if connection.vendor == "sqlite":
        (stopwatch,) = (one for one in connection.execute_wrappers if isinstance(one, statement_timeout._Stopwatch))
        return stopwatch.seconds
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'")
        return int(cursor.fetchone()[0]) / 1000


def test_sign_in_fails_and_the_page_explains_why(client):
    person("anna", "Auditors")
    client.raise_request_exception = False
    with failing("INSERT", "audit_entry"):
        answer = client.post("/admin/login/", {"username": "anna", "password": "a right password"})
    assert answer.status_code == 503
    assert "The database cannot be used at the moment" in text(answer)
    assert "locked" not in answer.headers.get("Set-Cookie", "")


def test_an_unreadable_session_is_reported_too(patient_client):
    """The session is read in a middleware, before any view. Requests sent earlier by this thread do not count."""
    mark_as_sent()
    with failing("SELECT", "django_session"):
        assert patient_client.get("/admin/").status_code == 503


READS = ("GET", "/agents", None, "unavailable")
TOKEN = ("POST", "/token", {"username": "olga", "password": "a right password"}, "unavailable")
CREATE = ("POST", "/agents", {"name": "New"}, "not-sent")


@pytest.mark.parametrize(
    ("verb", "table", "api_call"),
    [
        ("UPDATE", "api_allowance", READS),
        ("SELECT", "agents_agent", READS),
        ("UPDATE", "api_allowance", CREATE),
        ("SELECT", "api_request", CREATE),
        ("INSERT", "api_request", CREATE),
        ("INSERT", "operations_operation", CREATE),
        ("INSERT", "api_token", TOKEN),
        ("INSERT", "audit_entry", TOKEN),
    ],
)
def test_the_api_reports_the_failure_and_whether_the_write_was_sent(verb, table, api_call, remote):
    method, path, body, code = api_call
    call = Caller(person("olga", "Operators"))
    if path == "/token":
        call.access = ""
    with failing(verb, table):
        error = problem(call(method, path, body), 503, code)
    assert "locked" not in error["detail"].replace("may be locked", "").replace("be full, locked", "")
    assert (NOT_SENT in error["detail"]) == (code == "not-sent")
    assert remote.ledger() == []


def test_what_was_sent_is_never_called_not_sent(remote, workspace):
    call = Caller(person("olga", "Operators"))
    path = f"/numbers/{workspace.free.remote_id}/assign"
    body = {"agent_id": workspace.sales.remote_id}
    with failing("UPDATE", "operations_operation", until='"ended_at"'):
        error = problem(call("PATCH", path, body, key="one"), 503, "unconfirmed")
    assert "Sent to ElevenLabs" in error["detail"]
    answer = call("PATCH", path, body, key="one")
    assert (answer.status_code, answer.json()["state"]) == (202, "sent")
    assert len([entry for entry in remote.ledger() if entry["object_id"] == workspace.free.remote_id]) <= 2
