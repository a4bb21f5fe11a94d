"""A database that takes no record: nothing is sent; whoever asked is told so in plain words and loses nothing typed."""

import logging

import pytest
from django.db import connection
from django.template.loader import render_to_string

from controlplane.operations.models import Operation
from tests.operations.test_no_record_no_call import refused
from tests.operations.writes import SID, TOKEN
from tests.pages.test_number_pages import url
from tests.pages.test_outside_changes import text
from tests.pages.test_reasons import ASKS, DECIDED, WHY, typed

pytestmark = pytest.mark.django_db

NOT_SENT = "Not sent. Your request could not be recorded here"
PLANNED = ("retire", "clean up", "resume")  # a worker writes their entries, when it carries them out
BOTH = ("rename", "edit")  # each of the others once in the gate
CASES = [
    *((what, "audit_entry") for what in ASKS if what not in PLANNED),
    *(
        pytest.param(what, "operations_operation", marks=[] if what in (*PLANNED, *BOTH) else pytest.mark.slow)
        for what in ASKS
        if what not in DECIDED
    ),
]


def said_so(answer, caplog) -> bool:
    """On the page without what the database said, which is in the log, with where it came from."""
    assert "not written" not in answer.content.decode()
    (told,) = [line for line in caplog.records if line.name == "controlplane.audit.unavailable"]
    assert (told.levelno, "not written" in caplog.text, "Traceback" in caplog.text) == (logging.ERROR, True, True)
    assert not [line for line in caplog.records if line.name == "django.request" and line.exc_info]
    return NOT_SENT in text(answer)


@pytest.mark.parametrize(("what", "table"), CASES)
def test_nothing_is_sent_and_nothing_typed_is_lost(what, table, operator, workspace, remote, caplog):
    address, values = ASKS[what](workspace, remote)
    sent, ledger = typed(operator, address, values) | WHY, len(remote.ledger())
    with refused(table):
        answer = operator.post(address, sent)
    assert answer.status_code == 503
    assert said_so(answer, caplog)
    page = answer.content.decode()
    assert len(remote.ledger()) == ledger
    assert SID not in page or what == "import"
    assert TOKEN not in page
    if what not in (*DECIDED, "resume", "undo"):  # an undo has no form while the thing is locked
        assert f'value="{WHY["reason"]}"' in page
    if "Night line" in values.values():
        assert 'value="Night line"' in page


def test_it_is_said_inside_a_dialog_too(operator, workspace, remote):
    address = url(workspace.bound, "assign")
    with refused("audit_entry"):
        answer = operator.post(
            address, typed(operator, address, {"agent": workspace.sales.pk}), headers={"HX-Request": "true"}
        )
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "<html" not in page
    assert 'class="cp-dialog-head"' in page, "by this the script knows a form from the page of a proxy"
    assert NOT_SENT in text(answer)


def test_a_failure_of_another_kind_is_not_told_this_way(operator, workspace, remote):
    """The verdict cannot be written: by then it was sent, so no page may say that it was not."""
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
    address, values = ASKS["rename"](workspace, remote)
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
