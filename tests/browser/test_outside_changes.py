"""A change in the ElevenLabs console is detected, shown with both values, and reverted. The sandbox confirms it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import assert_fits, messages, screenshot
from tests.browser.console import Console, sync, sync_until
from tests.browser.site import Site

pytestmark = pytest.mark.browser

LIST = "/admin/mirror/outsidechange/"


def adopt_all_shown(page: Page, count: int) -> None:
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("adopt")
    screenshot(page, "outside-changes-selected")
    page.get_by_role("button", name="Run").click()
    expect(messages(page)).to_contain_text(f"Accepted {count} external changes. Nothing was sent to ElevenLabs.")
    expect(page.locator("#result_list tbody tr")).to_have_count(0)


def test_a_console_change_is_found_shown_and_put_back(staff: Page, site: Site, browser: Browser) -> None:
    page, console = staff, Console(site)
    sync(page, site)  # the first sync, of nothing: from now on, everything is a change
    support = console.do("create_agent", name="Support Bot")["agent_id"]
    sales = console.do("create_agent", name="Sales Bot")["agent_id"]
    number = console.do("add_number", phone_number="+15550100123", label="Main line", agent_id=support)
    other = console.do("add_number", phone_number="+15550100124", label="Night line")
    console.post("/_sandbox/clock", {"advance": 10})
    numbers = "/admin/numbers/phonenumber/"
    sync_until(page, site, LIST, page.get_by_text("+1 555 010 0124"))
    expect(page.locator("#result_list tbody tr")).to_have_count(4)
    page.locator("#result_list tr", has_text="+1 555 010 0124").get_by_role("link", name="first seen").click()
    expect(page.get_by_text("Remove it from ElevenLabs instead.")).to_be_visible()
    assert_fits(page)
    screenshot(page, "outside-change-added")
    page.goto("/admin/agents/agent/")
    expect(page.get_by_role("link", name="made outside")).to_have_count(2)
    screenshot(page, "agents-made-outside")
    page.goto(LIST)
    adopt_all_shown(page, 4)
    page.goto(numbers)
    expect(page.get_by_text(re.compile("^(made|changed) outside$"))).to_have_count(0)

    console.do("assign", number=number["phone_number_id"], agent_id=sales)
    console.do("patch_number", number=other["phone_number_id"], patch={"label": "Console line"})
    prompt = "\n".join([*(f"Rule {at}: be kind and brief." for at in range(1, 31)), "Never promise a refund."])
    console.post("/_sandbox/clock", {"advance": 2})
    patch = {"conversation_config": {"agent": {"prompt": {"prompt": prompt}, "first_message": "Hi!"}}}
    console.do("patch_agent", agent_id=support, patch=patch)
    sync_until(page, site, f"{LIST}?of=agent", page.get_by_text(re.compile("first message")))
    page.goto(LIST)
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    expect(page.get_by_role("link", name="External changes").first).to_contain_text("3")
    screenshot(page, "outside-changes")
    page.goto("/admin/")
    expect(page.get_by_role("link", name="3 changes")).to_be_visible()

    page.goto(numbers)
    page.get_by_role("link", name="Changed outside this app").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    screenshot(page, "numbers-changed-outside")
    page.locator("#result_list tr", has_text="+1 555 010 0123").get_by_role("link", name="changed outside").click()
    for words in ("Before", "Support Bot", "After", "Sales Bot"):
        expect(page.locator(".cp-change").get_by_text(words).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"between .* and .* UTC"))).to_be_visible()
    screenshot(page, "outside-change")
    page.get_by_role("link", name="Revert").click()
    expect(page.locator("#cp-dialog").get_by_text("Now", exact=True)).to_be_visible()
    screenshot(page, "outside-change-revert")
    page.locator("#cp-dialog").get_by_role("button", name="Revert").click()
    expect(messages(page)).to_have_text(re.compile("Moved .* from Sales Bot ….{4} to Support Bot ….{4}"))
    answered_by = console.get(f"/v1/convai/phone-numbers/{number['phone_number_id']}")["assigned_agent"]
    assert answered_by["agent_id"] == support
    expect(page.get_by_text("Reverted by")).to_be_visible()
    screenshot(page, "outside-change-reverted")

    page.goto(f"{LIST}?of=agent")
    page.locator("#result_list tbody tr").get_by_role("link").first.click()
    expect(page.get_by_text("Never promise a refund.")).to_be_visible()
    screenshot(page, "outside-change-of-an-agent")
    on_a_phone = browser.new_context(
        viewport={"width": 400, "height": 860},
        color_scheme="dark",
        base_url=site.url,
        storage_state=page.context.storage_state(),
    )
    narrow = on_a_phone.new_page()
    for path, name in ((page.url, "outside-change-on-a-phone"), (site.url + LIST, "outside-changes-on-a-phone")):
        narrow.goto(path)
        screenshot(narrow, name)
        assert_fits(narrow)
    on_a_phone.close()

    page.goto(LIST)
    adopt_all_shown(page, 2)
    assert console.get(f"/v1/convai/phone-numbers/{other['phone_number_id']}")["label"] == "Console line"
