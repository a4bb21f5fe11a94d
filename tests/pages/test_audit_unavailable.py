"""If the database cannot record a write, nothing is sent, the user gets a plain message, and no input is lost."""

import logging

import pytest
from django.db import connection
from django.template.loader import render_to_string

from controlplane.operations.models import Operation
from tests.operations.test_no_record_no_call import refused
from tests.operations.writes import SID, TOKEN
from tests.pages.test_number_pages import url
from tests.pages.test_outside_changes import text
from tests.pages.test_reasons import DECIDED, FORM_REQUESTS, WHY, typed

pytestmark = pytest.mark.django_db

NOT_SENT = "Not sent. Your request could not be recorded here"
PLANNED = ("retire", "clean up", "resume")  # a worker writes their entries when it runs them
BOTH = ("rename", "edit")  # the gate runs each of the others once
CASES = [
    *((what, "audit_entry") for what in FORM_REQUESTS if what not in PLANNED),
    *(
        pytest.param(what, "operations_operation", marks=[] if what in (*PLANNED, *BOTH) else pytest.mark.slow)
        for what in FORM_REQUESTS
        if what not in DECIDED
    ),
]


def is_reported(answer, caplog) -> bool:
    """The page does not show the database error; the log has it, with its traceback."""
    assert "not written" not in answer.content.decode()
    (record,) = [line for line in caplog.records if line.name == "controlplane.audit.unavailable"]
    assert (record.levelno, "not written" in caplog.text, "Traceback" in caplog.text) == (logging.ERROR, True, True)
    assert not [line for line in caplog.records if line.name == "django.request" and line.exc_info]
    return NOT_SENT in text(answer)


@pytest.mark.parametrize(("what", "table"), CASES)
def test_nothing_is_sent_and_nothing_typed_is_lost(what, table, operator, workspace, remote, caplog):
    address, values = FORM_REQUESTS[what](workspace, remote)
    sent, ledger = typed(operator, address, values) | WHY, len(remote.ledger())
    with refused(table):
        answer = operator.post(address, sent)
    assert answer.status_code == 503
    assert is_reported(answer, caplog)
    page = answer.content.decode()
    assert len(remote.ledger()) == ledger
    assert SID not in page or what == "import"
    assert TOKEN not in page
    if what not in (*DECIDED, "resume", "undo"):  # an undo has no form while the object is locked
        assert f'value="{WHY["reason"]}"' in page
    if "Night line" in values.values():
        assert 'value="Night line"' in page


def test_it_is_reported_inside_a_dialog_too(operator, workspace, remote):
    address = url(workspace.bound, "assign")
    with refused("audit_entry"):
        answer = operator.post(
            address, typed(operator, address, {"agent": workspace.sales.pk}), headers={"HX-Request": "true"}
        )
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "<html" not in page
    assert 'class="cp-dialog-head"' in page, "the script distinguishes a form from a proxy's page by this class"
    assert NOT_SENT in text(answer)


def test_other_failures_are_not_reported_as_audit_unavailable(operator, workspace, remote):
    """The verdict cannot be written: the request was sent by then, so no page may claim that it was not."""
    address = url(workspace.bound, "assign")
    sent = typed(operator, address, {"agent": workspace.sales.pk})
    operator.raise_request_exception = False

    def fails(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and '"ended_at"' in sql and '"operations_operation"' in sql:
            execute("SELECT 1 FROM no_such_table", (), False, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fails):
        answer = operator.post(address, sent)
    assert answer.status_code == 500
    assert "does not know whether anything was sent to ElevenLabs" in text(answer)
    assert NOT_SENT not in text(answer)
    assert [str(op.state) for op in Operation.objects.all()] == ["sent"]


def test_once_the_database_takes_it_the_same_form_is_sent(operator, workspace, remote):
    address, values = FORM_REQUESTS["rename"](workspace, remote)
    sent = typed(operator, address, values)
    with refused("operations_operation"):
        again = operator.post(address, sent)
    shown = {field.html_name: field.value() for field in again.context["form"]}
    assert operator.post(address, {**shown, "label": "Night line"}).status_code == 302
    workspace.bound.refresh_from_db()
    assert workspace.bound.label == "Night line"


def test_the_pages_of_errors_need_no_request_and_no_database():
    with connection.execute_wrapper(lambda *_: pytest.fail("asks the database")):
        assert "look at" in render_to_string("500.html").lower()
        assert "<h1>" in render_to_string("not_recorded.html", {"said": "…"})
