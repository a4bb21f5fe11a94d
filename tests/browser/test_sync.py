"""A sync as staff see it: asked for, followed, held where it finds what is hard to believe, and answered."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, fits, picture, told

pytestmark = pytest.mark.browser


@pytest.fixture
def remote(site: Site) -> requests.Session:
    session = requests.Session()
    session.headers["xi-api-key"] = "sk_sandbox"
    session.base = site.sandbox  # type: ignore[attr-defined]
    return session


def ask(remote: requests.Session, method: str, path: str, body: object) -> None:
    answer = remote.request(method, remote.base + path, json=body, timeout=30)  # type: ignore[attr-defined]
    assert answer.ok, answer.text


def test_a_run_is_followed_and_what_it_holds_is_decided(staff: Page, site: Site, remote: requests.Session) -> None:
    page = staff
    ask(remote, "POST", "/_sandbox/reset", {"agents": 60, "numbers": 300})
    ask(remote, "PATCH", "/_sandbox/settings", {"latency_ms": 150})
    page.get_by_role("button", name="Sync").click()
    told(page).get_by_role("link", name="Show progress").click()
    expect(page.get_by_text(re.compile(r"Reading agents: [1-9]\d* of about 60"))).to_be_visible(timeout=20_000)
    picture(page, "sync-running")
    ask(remote, "PATCH", "/_sandbox/settings", {"latency_ms": 0})
    expect(page.locator("#run").get_by_text("complete", exact=True)).to_be_visible(timeout=20_000)  # by itself
    picture(page, "sync-run")

    rows = remote.get(f"{site.sandbox}/v1/convai/phone-numbers", timeout=30).json()
    for row in rows[:40]:  # somebody deletes a tenth and more of them in the console
        ask(remote, "POST", "/_sandbox/console", {"action": "delete_number", "number": row["phone_number_id"]})
    page.goto("/admin/numbers/phonenumber/?state=gone")
    held = page.locator("#cp-picture").get_by_text("sync held")
    expect(held).to_be_visible(timeout=30_000)  # a worker found it, and the open page says so
    expect(page.get_by_text("0 numbers")).to_be_visible()
    page.goto("/admin/")
    page.get_by_role("link", name="40 of 300 numbers are missing from the list").click()
    picture(page, "hold")
    page.set_viewport_size({"width": 400, "height": 860})
    expect(page.get_by_role("columnheader", name="First seen")).to_be_hidden()  # each row is a card of its own
    assert fits(page)
    picture(page, "hold-on-a-phone")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="Look up all 40").click()
    expect(told(page)).to_contain_text("Noted.")
    page.goto("/admin/numbers/phonenumber/?state=gone")
    for _ in range(60):
        if page.get_by_text("40 numbers").count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.get_by_text("40 numbers")).to_be_visible()
    expect(held).to_be_hidden()
