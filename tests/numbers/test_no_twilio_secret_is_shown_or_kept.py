"""Credentials exist only in the memory of one request. Even if an answer of the remote repeats them, they are in no
message, no row and no line of the log."""

import base64
import json
import logging
from urllib.parse import quote, quote_plus

import pytest
from django.db import connection

from controlplane.operations.actions import action_class
from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations

pytestmark = pytest.mark.django_db

SIDS = ["AC" + "5a" * 16]
TOKENS = ["c4fe" * 8, 'c4nary+/="q\\z%7eé', "c4nary with spaces & more"]
TWILIO = "POST", "/v1/convai/phone-numbers"


def forms_of(secret: str) -> set[str]:
    plain = secret.encode()
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        base64.b64encode(plain).decode(),
        base64.urlsafe_b64encode(plain).decode(),
    }


def whole_database() -> str:
    """Every value of every table, as text and as JSON."""
    cells = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            cells += [cell for row in cursor.fetchall() for cell in row if cell is not None]
    return "\n".join(f"{cell}\n{json.dumps(cell, default=str)}" for cell in cells)


def repeats(secret: str) -> list[tuple[str, dict[str, object]]]:
    """Answers that repeat the token in every place that an answer has."""
    text = " | ".join(sorted(forms_of(secret)))
    detail = {"loc": ["body", "token"], "msg": f"bad token {text}", "type": "value_error", "input": secret}
    return [
        ("422", {"fault": "status", "status": 422, "body": {"detail": [detail]}}),
        ("400", {"fault": "status", "status": 400, "body": {"detail": {"status": "bad", "message": text}}}),
        ("400 text", {"fault": "status", "status": 400, "body": {"detail": f"token={secret}"}}),
        ("401", {"fault": "status", "status": 401, "body": {"detail": {"status": "x", "message": f"key {text}"}}}),
        ("409", {"fault": "status", "status": 409, "body": {"detail": {"code": secret, "message": text}}}),
        ("500", {"fault": "status", "status": 500, "body": {"detail": {"message": text, "param": secret}}}),
        ("html", {"fault": "html", "when": "after", "raw": f"<h1>{text}</h1>".encode()}),
        ("200", {"fault": "edit", "when": "after", "body": {"phone_number_id": f"{secret} {secret}"}}),
        ("header", {"fault": "status", "status": 500, "headers": {"x-request": quote(secret)}}),
        ("lost", {"fault": "reset", "when": "after"}),
    ]


# The token with the most encodings in every answer, and the others once. tests/elevenlabs tests how they are masked.
CASES = [
    pytest.param(token, name, marks=() if token == TOKENS[1] or name == "422" else pytest.mark.slow)
    for token in TOKENS
    for name, _ in repeats("")
]


@pytest.mark.parametrize(("token", "answer"), CASES)
def test_an_answer_that_repeats_the_credentials(token, answer, clock, caplog):
    caplog.set_level(logging.DEBUG)
    fault = dict(repeats(token))[answer]
    clock.remote.fault(*TWILIO, **fault)
    op = ask(SIDS[0], token)
    assert op.state != State.DONE
    recover(clock)
    assert_nowhere(token, op, caplog.text)
    assert violations(clock.remote) == []


@pytest.mark.parametrize("token", ["echo-" + "c4fe" * 8, "wrong-token", 'echo-c4nary+/="q\\z%7eé'])
def test_wrong_credentials_are_refused_without_repeating_them(token, clock, caplog):
    caplog.set_level(logging.DEBUG)
    op = ask(SIDS[0], token)
    assert op.state == State.REFUSED
    assert op.message.startswith("ElevenLabs refused")
    assert_nowhere(token, op, caplog.text)
    assert SIDS[0] not in op.message or token == "wrong-token"
    assert violations(clock.remote) == []


def test_a_good_import_keeps_nothing(clock, caplog):
    caplog.set_level(logging.DEBUG)
    credentials = services.TwilioCredentials(
        sid="SK" + "7b" * 16, token=TOKENS[0], account_auth_token="d0d0" * 8, region_token="beef" * 8
    )
    region = {"region_id": "ie1", "edge_location": "dublin"}
    op = services.import_number(
        "+15550100123", label="Main", credentials=credentials, region=region, key="key", actor=None
    )
    assert op.state == State.DONE, op.message
    recover(clock)
    for secret in (TOKENS[0], "d0d0" * 8, "beef" * 8):
        assert_nowhere(secret, op, caplog.text)
        assert secret not in repr(credentials)


def ask(sid: str, token: str) -> Operation:
    credentials = services.TwilioCredentials(sid=sid, token=token)
    return services.import_number("+15550100123", label="Main", credentials=credentials, key="key", actor=None)


def assert_nowhere(secret: str, op: Operation, log: str) -> None:
    op.refresh_from_db()
    answer = f"{op.message}\n{op.evidence}\n{op.reason_code}\n{op.error_fields!r}"
    for where, text in (("the answer to staff", answer), ("the database", whole_database()), ("the log", log)):
        found = [form for form in forms_of(secret) if form in text]
        assert not found, f"in {where}: {found}"


FORMS = {
    "whole": str,
    "in capitals": str.upper,
    "half": lambda token: token[:16],
    "shortened": lambda token: token[:20] + "…",
}


@pytest.mark.parametrize(
    ("where", "form"),
    [
        pytest.param(where, form, marks=() if where == "message" or form == "whole" else pytest.mark.slow)
        for where in ("trace", "code", "new id", "message")
        for form in FORMS
    ],
)
def test_a_token_that_comes_back_in_place_of_an_id(where, form, clock, caplog):
    caplog.set_level(logging.DEBUG)
    token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    repeated = FORMS[form](token)
    fault = {
        "trace": {"fault": "status", "status": 400, "headers": {"x-trace-id": repeated.strip("…")}},
        "code": {"fault": "status", "status": 400, "body": {"detail": {"status": repeated, "message": "no"}}},
        "new id": {"fault": "edit", "when": "after", "body": {"phone_number_id": repeated.strip("…")}},
        "message": {
            "fault": "status",
            "status": 400,
            "body": {"detail": {"status": "x", "message": f"bad {repeated}!"}},
        },
    }[where]
    clock.remote.fault(*TWILIO, **fault)
    op = ask(SIDS[0], token)
    recover(clock)
    op.refresh_from_db()
    kept = f"{op.message} {whole_database()} {caplog.text}".lower()
    assert token[:16] not in kept
    assert violations(clock.remote) == []


def test_a_number_that_shows_its_credentials_is_kept_without_them(clock, monkeypatch):
    token = TOKENS[0]
    kind = action_class("number.import")
    send = kind.send

    def send_and_show(*args):
        reply = send(*args)
        shown = {
            "provider_config": {"sid": SIDS[0], "token": token, "deep": [{"Auth_Token": token, "kept": 1}]},
            "credentials": {"username": "u", "password": token},
            "note": f"made with {token.upper()}",
        }
        clock.remote.console("overlay", id=reply.object_id, set=shown)
        return reply

    monkeypatch.setattr(kind, "send", send_and_show, raising=False)
    op = ask(SIDS[0], token)
    assert op.state == State.DONE
    row = PhoneNumber.objects.get()
    assert row.remote_data["provider_config"] == {"sid": "[hidden]", "deep": [{"kept": 1}]}
    assert "credentials" not in row.remote_data
    assert token not in whole_database().lower()
    clock.remote.console("overlay", id=row.remote_id, set={"provider_config": {"token": token, "sid": "x"}})
    recover(clock)
    row.refresh_from_db()
    assert row.remote_data["provider_config"] == {"sid": "x"}
    run = sync_all()
    assert run is not None
    assert (run.changed, run.quarantined) == (0, 0), "a value that is not stored must not count as a change"
