"""The health card of a running site: healthy once everything is up, and correct when requests fail."""

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import screenshot
from tests.browser.console import sync
from tests.browser.site import Site
from tests.workers.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.smoke]

PARTS = ["Database", "Broker", "Last complete sync", "Worker", "Beat"]


def test_all_is_well_and_what_is_not_known_is_not_shown_as_well(staff: Page, site: Site):
    sync(staff, site)
    until(lambda: requests.get(f"{site.url}/readyz", timeout=10).ok, "everything is up and was listed once")
    staff.clock.install()
    staff.goto("/admin/")
    card = staff.locator("#cp-health")
    parts = card.locator("dt")
    expect(parts).to_have_text([f"{part} ok" for part in PARTS])
    screenshot(staff, "health")

    staff.route("**/admin/health/", lambda route: route.abort())
    staff.clock.fast_forward(16_000)
    expect(card.get_by_role("alert")).to_contain_text("has not answered since")
    staff.clock.fast_forward(16_000)
    expect(card.get_by_role("alert")).to_have_count(1)
    staff.unroute("**/admin/health/")
    staff.clock.fast_forward(16_000)
    expect(card.get_by_role("alert")).to_have_count(0)
    expect(parts).to_have_count(len(PARTS))
