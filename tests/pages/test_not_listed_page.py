"""An import that is still not listed after ten minutes is reported in the list, on its page and on the Overview, each
with a button that checks again."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from numbers import import_polling
from numbers.models import PhoneNumber, State
from tests.pages.test_number_pages import LIST, import_form, submit
from tests.pages.test_orphans_page import text_of

pytestmark = pytest.mark.django_db

TEN_MINUTES = import_polling.GIVE_UP_AFTER


@pytest.fixture
def unlisted(operator, workspace, remote) -> PhoneNumber:
    remote.settings(listed_after=10**8)
    assert submit(operator, f"{LIST}add/", **import_form()).status_code == 302
    PhoneNumber.objects.filter(listed_at=None).update(imported_at=timezone.now() - TEN_MINUTES, poll_at=timezone.now())
    import_polling.poll_due()
    number = PhoneNumber.objects.get(listed_at=None)
    assert number.state is State.UNLISTED
    return number


def check(client: Client, number: PhoneNumber, **headers: str):
    return client.post(f"{LIST}{number.pk}/check/", headers=headers)


def test_the_verdict_is_shown_in_the_list_on_its_page_and_on_the_overview(operator, unlisted):
    accepted = timezone.localtime(unlisted.imported_at).strftime("%H:%M")
    row = operator.get(LIST).content.decode()
    assert "Not listed" in row
    assert f"accepted {unlisted.accepted_at}, not listed after 10 min" in row
    for address in (f"{LIST}{unlisted.pk}/change/", "/admin/"):
        page_text = text_of(operator.get(address).content.decode())
        assert f"{accepted}, but not listed after 10 minutes. ElevenLabs knows it by its id" in page_text, address
    assert operator.get(LIST, {"state": "unlisted"}).context["cl"].result_count == 1


def test_each_has_a_button_that_posts(operator, unlisted):
    action = f"{LIST}{unlisted.pk}/check/"
    for address in (LIST, f"{LIST}{unlisted.pk}/change/"):
        page = operator.get(address).content.decode()
        assert f'<button type="submit" form="cp-check" formaction="{action}"' in page
        assert re.search(r'<form id="cp-check" method="post" data-once><input type="hidden" name="csrf', page), address
    assert f'<form method="post" action="{action}"' in operator.get("/admin/").content.decode()


def test_who_may_not_import_has_no_button(sign_in, unlisted):
    auditor = sign_in("Auditors")
    for address in (LIST, f"{LIST}{unlisted.pk}/change/", "/admin/"):
        page = auditor.get(address).content.decode()
        assert "not listed after 10 min" in page
        assert "/check/" not in page
    assert check(auditor, unlisted).status_code == 403


def test_a_look_of_the_address_bar_changes_nothing(operator, unlisted, remote):
    calls = len(remote.calls())
    assert operator.get(f"{LIST}{unlisted.pk}/check/").status_code == 405
    assert len(remote.calls()) == calls


def test_check_again_goes_back_and_reports_what_it_found(operator, unlisted, remote):
    here = f"http://testserver{LIST}?state=unlisted"
    answer = check(operator, unlisted, referer=here)
    assert answer.url == here
    assert "ElevenLabs does not list +1 415 555 0123 yet. We look each second" in text_of(
        operator.get(LIST).content.decode()
    )
    unlisted.refresh_from_db()
    assert unlisted.state is State.PROPAGATING
    remote.advance(10**8)
    answer = check(operator, unlisted, referer="http://evil.example/")
    assert answer.url == f"{LIST}{unlisted.pk}/change/"
    assert "ElevenLabs lists +1 415 555 0123 now." in text_of(operator.get(LIST).content.decode())
    assert "but not listed after" not in operator.get("/admin/").content.decode()


def test_the_cells_move_without_a_reload(operator, unlisted, remote):
    """The open page polls often while the number may be listed soon, rarely after that, and stops once it is listed."""
    cells = f"{LIST}{unlisted.pk}/cells/"
    assert 'hx-trigger="load delay:10s"' in operator.get(cells).content.decode()
    check(operator, unlisted)
    page = operator.get(cells).content.decode()
    assert 'hx-trigger="load delay:500ms"' in page
    assert re.search(rf'<div id="unlisted-{unlisted.pk}"[^>]*hx-swap-oob="true"></div>', page), (
        "the verdict is removed too"
    )
    remote.advance(10**8)
    PhoneNumber.objects.update(poll_at=timezone.now())
    import_polling.poll_due()
    page = operator.get(cells).content.decode()
    assert "Unassigned" in page
    assert "hx-trigger" not in page[: page.index("agent-")]


def test_how_long_the_last_imports_took_is_on_the_list(operator, workspace):
    assert "Recent imports were listed" not in operator.get(LIST).content.decode()
    now = timezone.now()
    PhoneNumber.objects.filter(pk=workspace.free.pk).update(imported_at=now - timedelta(seconds=5.25), listed_at=now)
    assert "were listed after 5.3 s (median) and 5.3 s (95th percentile)" in operator.get(LIST).content.decode()
