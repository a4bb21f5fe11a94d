"""The system checks: each reports its problem, and a production-like configuration passes all of them."""

import runpy
import sys

import pytest
from django.core.checks import run_checks

from controlplane.environment import VAR_DIR
from tests.running import ROOT

REAL = "not-a-real-key"


def found(deploy: bool = False) -> set[str]:
    return {message.id for message in run_checks(include_deployment_checks=deploy) if message.id}


def ours(deploy: bool = False) -> set[str]:
    return {name for name in found(deploy) if name.startswith("controlplane.")}


@pytest.fixture(autouse=True)
def nothing_wrong(settings, tmp_path):
    settings.ELEVENLABS_API_KEY = REAL
    settings.ELEVENLABS_BASE_URL = "https://api.elevenlabs.io"
    settings.DEBUG = False
    settings.HTTPS = True
    settings.ALLOWED_HOSTS = ["panel.example.com"]
    settings.SECRET_KEY = "k" * 50
    settings.VAR_DIR = tmp_path


def test_nothing_wrong():
    assert ours(deploy=True) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ELEVENLABS_BASE_URL": "http://api.elevenlabs.io"}, "controlplane.E001"),
        ({"ELEVENLABS_BASE_URL": "https://elsewhere.example.com"}, "controlplane.E001"),
        ({"ELEVENLABS_API_KEY": "sk_sandbox"}, "controlplane.E002"),
        ({"ELEVENLABS_API_KEY": "two words"}, "controlplane.E002"),
        ({"ORPHAN_CLEANUP": "yes"}, "controlplane.E010"),
        ({"ORPHAN_CLEANUP": "AUTO"}, "controlplane.E010"),
        ({"ORPHAN_CLEANUP_MAX": 0}, "controlplane.E010"),
        ({"HISTORY_KEPT_DAYS": -1}, "controlplane.E011"),
        ({"HISTORY_KEPT_DAYS": 40_000}, "controlplane.E011"),
        ({"SYNC_RUNS_KEPT_DAYS": 0}, "controlplane.E012"),
        ({"SYNC_RUNS_KEPT_DAYS": 10**9}, "controlplane.E012"),
        ({"HISTORY_KEPT_DAYS": 7}, "controlplane.W011"),
        ({"PHONE_REGION": "XX"}, "controlplane.E020"),
        ({"PHONE_REGION": "001"}, "controlplane.E020"),
        ({"ELEVENLABS_MAX_CONCURRENCY": 0}, "controlplane.E006"),
        ({"TRUSTED_PROXIES": -1}, "controlplane.E015"),
        ({"DEBUG": True}, "controlplane.W001"),
        ({"HTTPS": False}, "controlplane.W002"),
    ],
)
def test_each_mistake_is_named(settings, changes, expected):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ours() == {expected}


@pytest.mark.parametrize("value", ["ask", "auto"])
def test_the_two_ways_to_clean_up(settings, value):
    settings.ORPHAN_CLEANUP = value
    assert ours() == set()


def test_the_sandbox_needs_no_https(settings):
    settings.ELEVENLABS_API_KEY = "sk_sandbox"
    settings.ELEVENLABS_BASE_URL = "http://127.0.0.1:8100"
    settings.HTTPS = False
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["localhost"]
    assert ours() == set()
    assert ours(deploy=True) == {"controlplane.W003"}


@pytest.mark.parametrize(
    ("hosts", "expected"), [(["localhost", "127.0.0.1"], set()), (["x", "::1"], {"controlplane.E021"})]
)
def test_http_that_others_can_reach_is_an_error_in_production(settings, hosts, expected):
    settings.HTTPS, settings.ALLOWED_HOSTS = False, hosts
    assert ours(deploy=True) - {"controlplane.W002"} == expected


def test_a_short_secret_key_is_an_error_in_production(settings):
    settings.SECRET_KEY = "short"
    assert ours() == set()
    assert ours(deploy=True) == {"controlplane.E005"}


def test_a_shadowed_standard_module_is_an_error(settings, tmp_path):
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "__init__.py").touch()
    settings.BASE_DIR = tmp_path
    assert ours() == {"controlplane.E003"}


def test_a_folder_that_cannot_be_made_is_an_error(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.VAR_DIR = tmp_path / "file" / "var"
    assert ours() == {"controlplane.E004"}
    settings.VAR_DIR = tmp_path / "not" / "yet"
    assert ours() == set()


@pytest.mark.process
@pytest.mark.smoke
def test_production_has_no_warning(run):
    result = run(
        sys.executable,
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        ELEVENLABS_API_KEY=REAL,
        ALLOWED_HOSTS="panel.example.com",
        HTTPS="true",
        BEHIND_PROXY="true",
    )
    assert result.returncode == 0, result.stderr
    assert "no issues (0 silenced)" in result.stdout


def settings_of(module: str) -> dict[str, object]:
    """The settings of `controlplane.<module>`, read from the current environment."""
    return runpy.run_path(str(ROOT / "controlplane" / f"{module}.py"))


@pytest.mark.parametrize("nothing", ["", "  "])
def test_a_blank_address_is_none(nothing, monkeypatch):
    """Compose and many hosting panels set variables that are not filled in to an empty string."""
    monkeypatch.setenv("DATABASE_URL", nothing)
    monkeypatch.setenv("CELERY_BROKER_URL", nothing)
    read = settings_of("settings")
    assert read["DATABASES"]["default"]["NAME"] == str(VAR_DIR / "controlplane.sqlite3")
    assert read["CELERY_BROKER_URL"] == "filesystem://localhost"


@pytest.mark.parametrize(
    ("behind_proxy", "trusted_proxies", "expected"),
    [
        ("false", "", 0),
        ("true", "", 1),
        ("true", "0", 0),
        ("false", "2", 2),
        *(("true", wrong, -1) for wrong in ("-1", "two", "1.5", "٢", "100")),  # reported by a system check
    ],
)
def test_how_many_proxies_are_trusted(behind_proxy, trusted_proxies, expected, monkeypatch):
    monkeypatch.setenv("BEHIND_PROXY", behind_proxy)
    monkeypatch.setenv("TRUSTED_PROXIES", trusted_proxies)
    assert settings_of("settings_security")["TRUSTED_PROXIES"] == expected


@pytest.mark.parametrize(
    ("module", "name", "given", "expected"),
    [
        *(("settings", "PHONE_REGION", given, read) for given, read in (("", "US"), (" ", "US"), ("gb ", "GB"))),
        *(("settings_security", "HTTPS", given, read) for given, read in (("", True), ("false", False))),
    ],
)
def test_a_blank_setting_is_its_default_and_a_region_may_be_in_small_letters(
    module, name, given, expected, monkeypatch
):
    monkeypatch.setenv(name, given)
    assert settings_of(module)[name] == expected
