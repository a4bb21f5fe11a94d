"""API check reports: a run of the command against the running site, and its report as a page on all screens."""

import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, assert_colours, assert_fits, screenshot
from tests.browser.site import Site
from tests.running import ROOT

pytestmark = pytest.mark.browser


def test_a_run_is_read_by_staff(staff: Page, site: Site, tmp_path) -> None:
    page = staff
    page.goto("/admin/lifecycle/report/")
    expect(page.get_by_text("manage.py lifecycle creates two agents")).to_be_visible()
    environment = os.environ | {
        "SECRET_KEY": "only-for-this-run-0123456789-0123456789",
        "DATABASE_URL": site.database.url,
        "ELEVENLABS_BASE_URL": site.sandbox,
        "ELEVENLABS_API_KEY": "sk_sandbox",
        "VAR_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    for name in ("TWILIO_SID", "TWILIO_TOKEN", "TWILIO_PHONE_NUMBER"):
        environment.pop(name, None)
    rounds = "2" if SCREENSHOTS else "1"  # so that p50 and p95 differ in the documentation
    command = [sys.executable, "manage.py", "lifecycle", "--repeat", rounds, "--report", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150)
    assert run.returncode == 0, run.stdout + run.stderr

    page.get_by_role("link", name="API check reports").first.click()
    expect(page.get_by_role("heading", name="Latencies of the newest run")).to_be_visible()
    expect(page.locator("#result_list").get_by_text("as expected", exact=True)).to_be_visible()
    screenshot(page, "findings")
    page.get_by_text("The figures").click()
    expect(page.get_by_role("table", name="Latencies").get_by_role("row", name="Swap")).to_be_visible()
    page.get_by_role("link", name="Full report").click()
    expect(page.get_by_text("This report is about the sandbox, not about ElevenLabs.")).to_be_visible()
    figures = page.get_by_role("table", name="Latencies")
    expect(figures.get_by_role("row", name="Swap")).to_contain_text("ms")
    expect(figures.get_by_role("row", name="Listed after the import")).to_contain_text(re.compile(r"[1-9]\d*\.\d"))
    assert page.locator(".cp-chart").get_attribute("aria-hidden") == "true", "the table has the same data"
    screenshot(page, "findings-report")
    page.get_by_role("heading", name="Refusals").scroll_into_view_if_needed()
    screenshot(page, "findings-refusals")
    page.get_by_text("were not tried").click()
    expect(page.get_by_text("send 1 MB")).to_be_visible()

    address = page.url
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size({"width": 400, "height": 860})
        page.goto(address)
        page.get_by_role("columnheader", name="p95").first.scroll_into_view_if_needed()
        assert_colours(page, colours)
        assert_fits(page)
        screenshot(page, f"findings-on-a-phone-{colours}")
    places = page.locator(".cp-chart-scale > span").evaluate_all("all => all.map(one => one.getBoundingClientRect())")
    assert all(place["left"] >= 0 and place["right"] <= 400 for place in places)
    assert all(one["right"] <= other["left"] for one, other in pairwise(places))
