"""The messages for refused requests: whole sentences, each with one full stop, attached to the right field."""

import re

import pytest
from django.db import IntegrityError

from controlplane.audit.unavailable import AuditUnavailable
from controlplane.elevenlabs.scrub import scrub
from controlplane.mirror.models import SyncRun
from controlplane.operations import execute
from controlplane.operations.models import Operation, State
from numbers.sync import sync_all
from tests import number_writes as numbers
from tests.operations.writes import CREDENTIALS, NEW_LINE, SID, WRITES, agent

pytestmark = pytest.mark.django_db

WRONG = "ElevenLabs refused the import: Twilio did not accept this SID and token. Nothing was stored; type it again."


def imported(phone_number: str = NEW_LINE, token: str = CREDENTIALS.token) -> Operation:
    credentials = numbers.TwilioCredentials(sid=SID, token=token)
    return numbers.import_number(phone_number, label="New", credentials=credentials, key="key", actor=None)


def test_wrong_credentials_are_reported_at_the_token(clock):
    op = imported(token="wrong-token")
    assert (op.state, op.error_fields) == (State.REFUSED, ["token"])
    assert op.message == f"{WRONG} (Trace {op.trace_id})"
    assert re.fullmatch(r"[0-9a-f]{32}", op.trace_id), "it has the form of a token"
    assert scrub(op.message) == op.message, "and is still not masked in logs and reports"


@pytest.mark.parametrize(
    ("status", "detail", "fields"),
    [
        (400, {"status": "twilio_error", "message": "HTTP 401 error: Unable to fetch record: Authenticate"}, ["token"]),
        (401, {"status": "twilio_error", "message": "Authenticate"}, ["token"]),
        (403, "Invalid Twilio credentials", ["token"]),
        (401, {"status": "invalid_api_key", "message": "Invalid API key, authenticate again"}, []),
        (
            400,
            {"code": "x", "message": "account_auth_token is required", "param": "account_auth_token"},
            ["account_auth_token"],
        ),
        (422, [{"loc": ["body", "label"], "msg": "Too long.", "type": "x"}], ["label"]),
    ],
)
def test_a_refusal_names_the_credentials_at_fault(status, detail, fields, clock):
    clock.remote.fault("POST", "/v1/convai/phone-numbers", "status", status=status, body={"detail": detail})
    op = imported()
    assert op.state == State.REFUSED
    assert op.error_fields == fields
    assert (WRONG in op.message) == (fields == ["token"])


def test_a_number_that_is_not_in_the_account_is_reported_at_the_number(clock):
    op = imported("+15005550001")
    assert (op.state, op.error_fields) == (State.REFUSED, ["phone_number"])
    assert "was not found in this Twilio account. Nothing was stored." in op.message


@pytest.mark.parametrize("status", [400, 401, 402, 403, 422, 429])
def test_one_sentence_each(status, clock):
    ask = WRITES["update"].set_up(clock)
    for reply in ["No such voice", "No such voice.", "No such voice...", "No such voice!", "x" * 500, ""]:
        body = {"detail": {"status": "x", "message": reply}}
        clock.remote.fault("PATCH", "/v1/convai/*", "status", status=status, body=body)
        op = ask(f"key {reply}"[:50])
        assert op.state == State.REFUSED, reply
        assert op.message.endswith(" Nothing was changed.")
        assert op.message.count("ElevenLabs refused") <= 1
        assert not re.search(r"\.\.|[!…]\.|[^.!…] Nothing was", op.message), op.message


@pytest.mark.parametrize(("status", "what_next"), [(500, "minute"), (403, "minute"), (429, "UTC"), (401, "the key")])
def test_the_message_of_a_failed_read_names_the_next_step(status, what_next, clock):
    ask = WRITES["update"].set_up(clock)
    clock.remote.fault("GET", "/v1/convai/*", "status", status=status, times=9, headers={"retry-after": "60"})
    op = ask("key")
    assert op.state == State.NOT_SENT
    assert op.message.startswith("Not sent: reading from ElevenLabs first failed. ")
    assert op.message.endswith(f"{what_next}.")
    assert op.message.count("Try again") <= 1


NO_C_INTEGER = {"retry-after": "Mon, 99999999999999999999999 Jan 2030 00:00:00 GMT"}


def test_a_write_is_refused_whatever_its_retry_after_holds(clock):
    ask = WRITES["update"].set_up(clock)
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=429, headers=NO_C_INTEGER)
    assert ask("key").state == State.REFUSED


@pytest.mark.usefixtures("at_once")
def test_a_sync_explains_why_it_is_partial_whatever_the_retry_after_holds(clock):
    clock.remote.fault("GET", "/v1/convai/*", "status", status=503, times=99, headers=NO_C_INTEGER)
    run = sync_all()
    assert run is not None
    assert run.state == SyncRun.State.PARTIAL
    assert "ElevenLabs is not available at the moment (status 503)." in run.problem


@pytest.mark.django_db(transaction=True)
def test_a_row_that_the_database_refuses_is_tried_three_times(clock, monkeypatch):
    ask = WRITES["update"].set_up(clock)
    tries = []

    def refused(self, **options):
        tries.append(self)
        raise IntegrityError("CHECK constraint failed: JSON_VALID")

    monkeypatch.setattr(Operation, "save", refused)
    with pytest.raises(AuditUnavailable) as error:
        ask("key")
    assert isinstance(error.value.__cause__, IntegrityError)
    assert len(tries) == execute.BEGIN_TRIES == 3
    assert agent(clock, "Another").name == "Another"
