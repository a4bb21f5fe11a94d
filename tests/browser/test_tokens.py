"""An administrator creates a token for a program and revokes it: each of the pages wide, narrow, light and dark."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import assert_colours, assert_fits, messages, screenshot
from tests.browser.site import Site

pytestmark = pytest.mark.browser

TOKENS = "/admin/api/token/"


def renewed(site: Site, secret: str) -> int:
    """The status of a program's request for an access token."""
    return requests.post(f"{site.url}/api/token/refresh", json={"refresh_token": secret}, timeout=30).status_code


def test_a_token_is_given_out_and_revoked(staff: Page, site: Site) -> None:
    page = staff
    page.goto(TOKENS)
    page.get_by_role("link", name="Create token").click()
    screenshot(page, "token-give-out")
    page.get_by_label("Name of the new account").fill("deploy-robot")
    page.get_by_label("Operators").check()
    page.get_by_label("Purpose").fill("Moves the numbers at a release")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("Copy it now.")).to_be_visible()
    shown = page.locator(".cp-token")
    secret = shown.inner_text()
    screenshot(page, "token-issued", without=shown)
    page.set_viewport_size({"width": 400, "height": 860})
    assert_fits(page)  # it is long, and all of it can be copied
    page.set_viewport_size({"width": 1280, "height": 900})
    assert renewed(site, secret) == 200

    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    assert secret not in page.content()
    screenshot(page, "token")
    address = page.url
    page.goto(TOKENS)
    row = page.locator("#result_list tr", has_text="Moves the numbers at a release")
    expect(row).to_contain_text("deploy-robot, service account")
    screenshot(page, "tokens")
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size({"width": 400, "height": 860})
        for name, of_it in (("token", address), ("tokens", TOKENS), ("token-give-out", f"{TOKENS}add/")):
            page.goto(of_it)
            assert_colours(page, colours)
            assert_fits(page)
            if colours == "dark":
                screenshot(page, f"{name}-on-a-phone-dark")
    page.goto(address)
    page.get_by_role("button", name="Revoke").click()
    expect(messages(page)).to_contain_text(re.compile("Revoked .*Programs that use it are refused from now on."))
    expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
    assert renewed(site, secret) == 401
