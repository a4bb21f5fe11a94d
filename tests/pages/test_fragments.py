"""Page fragments requested by a script: after the session has ended, and with text that the database rejects."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from controlplane.operations.models import Operation
from controlplane.operations.settle import settle_due
from tests import number_writes as services

pytestmark = pytest.mark.django_db

ASSIGN = "/admin/numbers/phonenumber/{pk}/assign/"


def test_a_dialog_after_the_session_has_ended_leads_to_the_sign_in_page(workspace):
    headers = {"HX-Request": "true", "HX-Target": "cp-dialog"}
    answer = Client().get(ASSIGN.format(pk=workspace.bound.pk), headers=headers)
    assert answer.headers["HX-Redirect"] == "/admin/login/?next=%2Fadmin%2F"
    assert answer.content == b""


def test_a_cell_after_the_session_has_ended_stays_as_it_is_and_asks_no_more(workspace):
    answer = Client().get(f"/admin/numbers/phonenumber/{workspace.bound.pk}/cells/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (286, "none")
    assert answer.content == b""


def test_the_page_of_a_number_is_loaded_again_once_an_unconfirmed_write_is_decided(operator, workspace, remote):
    page = f"/admin/numbers/phonenumber/{workspace.bound.pk}/change/"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}"}
    remote.fault("PATCH", "/v1/convai/phone-numbers/*", "reset", when="after")
    services.set_label(workspace.bound, "Night", shown=workspace.bound.label, key="label", actor=None)
    cells = re.search(r'hx-get="(/admin/numbers/phonenumber/[^"]*/cells/[^"]*)"', operator.get(page).content.decode())[
        1
    ]
    assert "HX-Refresh" not in operator.get(cells, headers=headers).headers

    Operation.objects.update(settle_at=timezone.now())
    assert settle_due() == 1
    assert operator.get(cells, headers=headers).headers["HX-Refresh"] == "true"
    in_the_list = {**headers, "HX-Current-URL": "http://testserver/admin/numbers/phonenumber/"}
    assert "HX-Refresh" not in operator.get(cells, headers=in_the_list).headers


@pytest.mark.parametrize("query", ["agent=%00", "q=%00", "provider=a%00b"])
def test_a_nul_in_an_address_is_refused_plainly(operator, query):
    assert operator.get(f"/admin/numbers/phonenumber/?{query}").status_code == 400


@pytest.mark.parametrize("pk", ["abc", "1.5", "²", "9" * 40, "-1"])
def test_a_number_that_is_none_is_not_found(operator, pk):
    assert operator.get(f"/admin/numbers/phonenumber/{pk}/change/").status_code == 404


def test_an_agent_that_does_not_fit_what_was_typed_is_refused(operator, workspace, remote):
    address = ASSIGN.format(pk=workspace.free.pk)
    form = operator.get(address).context["form"]
    typed = {"key": str(form["key"].value()), "shown": "", "agent": workspace.sales.pk, "q": "support"}
    answer = operator.post(address, typed)
    assert answer.status_code == 422
    assert "does not fit" in answer.content.decode()
    assert remote.calls(method="PATCH") == []


def test_the_header_shows_when_newer_data_is_available(operator, workspace):
    old = operator.get("/admin/mirror/syncrun/picture/?since=0").content.decode()
    assert "Synced" in old
    newer = operator.get("/admin/mirror/syncrun/picture/?since=999").content.decode()
    assert "New data: reload" in newer
