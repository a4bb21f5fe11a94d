"""The command palette and Activity in the browser: with the keyboard only, and on a narrow screen."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import assert_fits, signed_in
from tests.browser.console import Console, sync_until
from tests.browser.site import Site

pytestmark = pytest.mark.browser

ACTIVITY = "/admin/operations/operation/"


@pytest.fixture(scope="module")
def agents(site: Site, browser: Browser) -> None:
    """Both are in the mirror."""
    for name in ("Evening Desk", "Front Desk of the whole North West and all who call there"):
        Console(site).do("create_agent", name=name)
    with signed_in(browser, site) as page:
        sync_until(page, site, "/admin/agents/agent/", page.get_by_text("Evening Desk"))


@pytest.fixture
def listed(agents: None, staff: Page) -> Page:
    return staff


def ask(page: Page, words: str) -> None:
    page.keyboard.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type(words)


def test_enter_opens_the_first_that_fits(listed: Page) -> None:
    ask(listed, "evening")
    expect(listed.locator("#command-results a")).to_have_count(1)
    listed.keyboard.press("Enter")
    expect(listed).to_have_url(re.compile(r"/admin/agents/agent/\d+/change/"))
    expect(listed.get_by_role("heading", name="Evening Desk").first).to_be_visible()


def test_enter_before_the_results_have_come_waits_for_them(listed: Page) -> None:
    ask(listed, "evening")
    listed.keyboard.press("Enter")
    expect(listed).to_have_url(re.compile(r"/admin/agents/agent/\d+/change/"))


def test_what_was_chosen_by_arrow_key_is_opened(listed: Page) -> None:
    ask(listed, "desk")
    expect(listed.locator("#command-results a")).to_have_count(2)
    wanted = listed.locator("#command-results a").nth(1).get_attribute("href")
    listed.keyboard.press("ArrowDown")
    listed.keyboard.press("ArrowDown")
    listed.keyboard.press("Enter")
    expect(listed).to_have_url(re.compile(re.escape(str(wanted))))


def test_no_results_are_reported_and_no_key_breaks_the_palette(listed: Page) -> None:
    listed.get_by_role("button", name="Find agent or number").click()
    expect(listed.locator("#search-input-command")).to_be_focused()
    listed.keyboard.press("Enter")
    listed.keyboard.type("nobody is called so")
    expect(listed.locator("#command-results").get_by_text("No matches")).to_be_visible()
    for key in ("Enter", "ArrowDown", "Enter", "ArrowUp", "Enter"):
        listed.keyboard.press(key)
    expect(listed).to_have_url(re.compile(r"/admin/$"))


def test_the_rows_of_activity_grow_on_a_narrow_screen(listed: Page, browser: Browser, site: Site) -> None:
    ask(listed, "north west")
    listed.keyboard.press("Enter")
    listed.wait_for_url("**/agents/agent/*/change/")
    listed.goto(re.sub(r"change/$", "archive/", listed.url))
    listed.get_by_role("button", name="Archive").last.click()
    listed.wait_for_url("**/agents/agent/*/change/")
    narrow = browser.new_context(
        viewport={"width": 400, "height": 860}, base_url=site.url, storage_state=listed.context.storage_state()
    )
    page = narrow.new_page()
    page.goto(ACTIVITY)
    expect(page.locator(".field-asked").first).to_contain_text("North West")
    cut = page.locator(".data-row > *").evaluate_all(
        "cells => cells.filter(cell => cell.scrollHeight > cell.clientHeight + 1"
        " || cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.innerText)"
    )
    assert cut == []
    assert_fits(page)
    narrow.close()
