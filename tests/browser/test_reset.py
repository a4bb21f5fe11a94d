"""A reset restores a used site to its state after the start, and its worker continues: each module relies on that."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import signed_in
from tests.browser.console import Console, sync, sync_until
from tests.browser.reset import Resettable
from tests.browser.site import Site

pytestmark = pytest.mark.browser

AGENTS = "/admin/agents/agent/"
RESTORED = ["auth_user", "auth_group", "auth_group_permissions", "auth_permission", "django_content_type"]
EMPTY = ["agents_agent", "numbers_phonenumber", "django_session"]


def rows_of(site: Site, *tables: str) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(site.database.rows(f"SELECT * FROM {table}"), key=repr) for table in tables}


def test_a_used_site_is_reset_and_goes_on(shared_site: Resettable, site: Site, browser: Browser) -> None:
    before = rows_of(site, *RESTORED, "audit_entry")
    console = Console(site)
    console.post("/_sandbox/reset", {"agents": 3, "numbers": 6})
    console.post("/_sandbox/faults", [{"method": "PATCH", "fault": "status", "status": 500}])
    with signed_in(browser, site) as page:
        sync(page, site)
        page.goto(AGENTS)
        expect(page.locator("article")).to_have_count(3)
    assert all(rows_of(site, *EMPTY).values())
    site.database.update("DELETE FROM auth_group_permissions")

    shared_site.reset()
    assert rows_of(site, *RESTORED, "audit_entry") == before
    assert rows_of(site, *EMPTY) == {table: [] for table in EMPTY}
    assert console.get("/v1/convai/phone-numbers") == []
    assert console.get("/_sandbox/faults") == []
    with pytest.raises(Exception, match="The history is append-only"):
        site.database.update("DELETE FROM audit_entry")
    console.do("create_agent", name="Night Desk")
    with signed_in(browser, site) as page:
        sync_until(page, site, AGENTS, page.get_by_text("Night Desk"))
