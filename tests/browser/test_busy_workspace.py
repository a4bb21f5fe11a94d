"""A workspace as a company has it: the pictures of the README, and the command palette over it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import picture
from tests.browser.console import Console, sync_until
from tests.browser.site import Site

pytestmark = pytest.mark.browser

LIST = "/admin/numbers/phonenumber/"


@pytest.fixture
def busy(staff: Page, site: Site) -> Page:
    """14 agents and 60 numbers, one of them orphaned, in the picture."""
    console = Console(site)
    console.post("/_sandbox/reset", {"agents": 14, "numbers": 60})
    rows = console.get("/v1/convai/phone-numbers")
    bound = next(row["assigned_agent"]["agent_id"] for row in reversed(rows) if row["assigned_agent"])
    console.do("delete_agent", agent_id=bound)
    sync_until(staff, site, f"{LIST}?state=orphaned", staff.locator(".cp-aside", has_text="deleted"))
    return staff


def assert_nothing_is_cut(page: Page) -> None:
    """The table fits the page: nobody has to scroll sideways to find its buttons."""
    assert page.locator("#result_list").evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")


def test_the_pages_and_the_palette_of_a_busy_workspace(busy: Page, browser: Browser, site: Site) -> None:
    page = busy
    picture(page, "numbers-orphaned")
    page.goto(LIST)
    expect(page.locator("#result_list tbody tr")).to_have_count(50)
    assert_nothing_is_cut(page)
    picture(page, "numbers")
    page.goto("/admin/agents/agent/")
    picture(page, "agents")
    page.goto("/admin/agents/agent/?look=list")
    assert_nothing_is_cut(page)
    picture(page, "agents-list")
    page.goto("/admin/")
    picture(page, "overview")
    narrow = browser.new_context(
        viewport={"width": 400, "height": 860},
        color_scheme="dark",
        base_url=site.url,
        storage_state=page.context.storage_state(),
    )
    small = narrow.new_page()
    small.goto(LIST)
    picture(small, "numbers-narrow-dark")
    narrow.close()

    # The command palette, by digits in any grouping.
    page.goto(LIST)
    number = page.locator("#result_list tbody tr").nth(7).get_by_role("link").first.inner_text()
    page.keyboard.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type(re.sub(r"[^0-9]", "", number)[-9:], delay=20)
    result = page.locator("#command-results-list a", has_text=number)
    expect(result).to_be_visible()
    picture(page, "palette")
    result.click()
    expect(page.get_by_role("heading", name=number)).to_be_visible()
