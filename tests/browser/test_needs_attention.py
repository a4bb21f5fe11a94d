"""Orphans and imports that are never listed, through the pages, with worker and beat running. Only the ten minutes are
simulated: the time from which they count is moved back in the database."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import messages, screenshot
from tests.browser.console import Console, sync_until
from tests.browser.site import Site
from tests.browser.test_lifecycle import NUMBER, SID, TOKEN

pytestmark = pytest.mark.browser

LIST = "/admin/numbers/phonenumber/"


def back_in_time(site: Site, table: str, column: str, minutes: int) -> None:
    """back_in_time(site, "agents_agent", "missing_since", 11): every such time becomes eleven minutes ago."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    value = moment.replace(tzinfo=None).isoformat(" ") if site.database.is_sqlite else moment
    assert site.database.update(f"UPDATE {table} SET {column} = %s WHERE {column} IS NOT NULL", value)


def test_an_import_that_is_never_listed(staff: Page, site: Site) -> None:
    page, remote = staff, Console(site)
    remote.send("PATCH", "/_sandbox/settings", {"listed_after": 10**6})
    page.goto(f"{LIST}add/")
    page.locator("#id_phone_number").fill(NUMBER)
    page.locator("#id_label").fill("Main line")
    page.locator("#id_sid").fill(SID)
    page.locator("#id_token").fill(TOKEN)
    page.get_by_role("button", name="Import").click()
    row = page.locator("#result_list tr", has_text=NUMBER)
    expect(row.get_by_text("Importing")).to_be_visible()
    page.evaluate("window.stays = true")
    back_in_time(site, "numbers_phonenumber", "imported_at", 10)

    expect(row.get_by_text("Not listed", exact=True)).to_be_visible(timeout=30_000)  # the open page updates itself
    expect(row.get_by_text(re.compile(r"accepted .*, not listed after 10 min"))).to_be_visible()
    assert page.evaluate("window.stays") is True
    screenshot(page, "number-not-listed")
    page.goto("/admin/")
    expect(page.get_by_text("but not listed after 10 minutes")).to_be_visible()
    page.get_by_role("link", name=NUMBER).first.click()
    expect(page.get_by_text("ElevenLabs knows it by its id")).to_be_visible()

    page.get_by_role("button", name=f"Check {NUMBER} again").click()
    expect(messages(page)).to_contain_text(f"ElevenLabs does not list {NUMBER} yet. We look each second")
    expect(page.get_by_text("Importing")).to_be_visible()
    page.evaluate("window.stays = true")
    remote.send("POST", "/_sandbox/clock", {"advance": 10**6})
    expect(page.get_by_text("Unassigned", exact=True)).to_be_visible(timeout=10_000)
    assert page.evaluate("window.stays") is True


def test_orphans_are_released(staff: Page, site: Site) -> None:
    page, remote = staff, Console(site)
    remote.post("/_sandbox/reset", {"agents": 3, "numbers": 9})
    rows = remote.get("/v1/convai/phone-numbers")
    bound = [row for row in rows if row["assigned_agent"]]
    dead = bound[0]["assigned_agent"]
    orphans = [row["phone_number_id"] for row in bound if row["assigned_agent"]["agent_id"] == dead["agent_id"]]
    remote.send("POST", "/_sandbox/console", {"action": "delete_agent", "agent_id": dead["agent_id"]})
    lines = page.locator(".cp-table tbody tr")
    sync_until(page, site, f"{LIST}orphans/", lines)  # this takes two complete runs
    expect(lines).to_have_count(len(orphans))
    expect(lines.first).to_contain_text(dead["agent_name"])
    expect(page.get_by_text("None can be unassigned yet.")).to_be_visible()

    back_in_time(site, "agents_agent", "missing_since", 11)
    page.reload()
    expect(lines.first.get_by_text("ready")).to_be_visible()
    page.get_by_text(f"Unassign all {len(orphans)}", exact=True).click()
    screenshot(page, "orphans")
    page.get_by_role("button", name=f"Unassign {len(orphans)} number").click()
    expect(page.get_by_text(f"{len(orphans)} of {len(orphans)} steps done")).to_be_visible(
        timeout=30_000
    )  # by the worker
    for number_id in orphans:
        assert remote.get(f"/v1/convai/phone-numbers/{number_id}")["assigned_agent"] is None
    page.goto(f"{LIST}orphans/")
    expect(page.get_by_text("No number is orphaned")).to_be_visible()
