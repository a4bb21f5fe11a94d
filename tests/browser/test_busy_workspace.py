"""A workspace of a realistic size: the screenshots for the README, and the command palette."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import screenshot
from tests.browser.console import Console, sync_until
from tests.browser.site import Site

pytestmark = pytest.mark.browser

LIST = "/admin/numbers/phonenumber/"


@pytest.fixture
def busy(staff: Page, site: Site) -> Page:
    """14 agents and 60 numbers, one of them orphaned, in the mirror."""
    console = Console(site)
    console.post("/_sandbox/reset", {"agents": 14, "numbers": 60})
    rows = console.get("/v1/convai/phone-numbers")
    bound = next(row["assigned_agent"]["agent_id"] for row in reversed(rows) if row["assigned_agent"])
    console.do("delete_agent", agent_id=bound)
    sync_until(staff, site, f"{LIST}?state=orphaned", staff.locator(".cp-aside", has_text="deleted"))
    return staff


def assert_nothing_is_cut(page: Page) -> None:
    """The table fits the page: its buttons are visible without horizontal scrolling."""
    assert page.locator("#result_list").evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")


def test_the_pages_and_the_palette_of_a_busy_workspace(busy: Page, browser: Browser, site: Site) -> None:
    page = busy
    screenshot(page, "numbers-orphaned")
    page.goto(LIST)
    expect(page.locator("#result_list tbody tr")).to_have_count(50)
    assert_nothing_is_cut(page)
    screenshot(page, "numbers")
    page.goto("/admin/agents/agent/")
    screenshot(page, "agents")
    page.goto("/admin/agents/agent/?look=list")
    assert_nothing_is_cut(page)
    screenshot(page, "agents-list")
    page.goto("/admin/")
    screenshot(page, "overview")
    narrow = browser.new_context(
        viewport={"width": 400, "height": 860},
        color_scheme="dark",
        base_url=site.url,
        storage_state=page.context.storage_state(),
    )
    small = narrow.new_page()
    small.goto(LIST)
    screenshot(small, "numbers-narrow-dark")
    narrow.close()

    # The command palette finds digits in any grouping.
    page.goto(LIST)
    number = page.locator("#result_list tbody tr").nth(7).get_by_role("link").first.inner_text()
    page.keyboard.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type(re.sub(r"[^0-9]", "", number)[-9:], delay=20)
    result = page.locator("#command-results-list a", has_text=number)
    expect(result).to_be_visible()
    screenshot(page, "palette")
    result.click()
    expect(page.get_by_role("heading", name=number)).to_be_visible()
