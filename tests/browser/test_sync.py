"""A sync as staff see it: requested, followed, paused by an unlikely result, and reviewed."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import assert_fits, messages, screenshot
from tests.browser.console import Console, sync_until
from tests.browser.site import Site

pytestmark = pytest.mark.browser


def test_a_run_is_followed_and_what_it_holds_is_decided(staff: Page, site: Site) -> None:
    page, console = staff, Console(site)
    console.post("/_sandbox/reset", {"agents": 60, "numbers": 300})
    console.send("PATCH", "/_sandbox/settings", {"latency_ms": 150})
    page.get_by_role("button", name="Sync").click()
    messages(page).get_by_role("link", name="Show progress").click()
    expect(page.get_by_text(re.compile(r"Reading agents: [1-9]\d* of about 60"))).to_be_visible(timeout=20_000)
    screenshot(page, "sync-running")
    console.send("PATCH", "/_sandbox/settings", {"latency_ms": 0})
    expect(page.locator("#run").get_by_text("complete", exact=True)).to_be_visible(timeout=20_000)  # no reload
    screenshot(page, "sync-run")

    for row in console.get("/v1/convai/phone-numbers")[:40]:  # more than a tenth of them are deleted in the console
        console.do("delete_number", number=row["phone_number_id"])
    page.goto("/admin/numbers/phonenumber/?state=gone")
    page.get_by_role("button", name="Sync").click()
    held = page.locator("#cp-picture").get_by_text("sync paused")
    expect(held).to_be_visible(timeout=30_000)  # found by a worker, and shown on the open page
    expect(page.get_by_text("0 numbers")).to_be_visible()
    page.goto("/admin/")
    page.get_by_role("link", name="Review it").click()
    screenshot(page, "hold")
    page.set_viewport_size({"width": 400, "height": 860})
    expect(page.get_by_role("columnheader", name="First seen")).to_be_hidden()  # each row is a card
    assert_fits(page)
    screenshot(page, "hold-on-a-phone")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="Look up all 40").click()
    expect(messages(page)).to_contain_text("Accepted.")
    sync_until(page, site, "/admin/numbers/phonenumber/?state=gone", page.get_by_text("40 numbers"))
    expect(held).to_be_hidden()
