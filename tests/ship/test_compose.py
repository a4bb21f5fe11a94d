"""docker-compose.yml is valid, and its commands, healthchecks and variables work: tested here without Docker."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from .conftest import ROOT, SCRIPTS

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("web", "worker", "beat", "migrate")
TYPED = {"POSTGRES_PASSWORD": "secret", "ALLOWED_HOSTS": "panel.example.com"}


def test_the_file_is_valid():
    command = [SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined_and_watched(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"]
    assert "healthcheck" in service or name == "migrate"  # it runs once and ends
    assert "ports" not in service or service["ports"] == ["127.0.0.1:${PORT:-8000}:8000"]


# Settings in README's table that a container does not get from outside, and why.
KEPT_BACK = {
    "DEBUG": "never on a server",
    "PORT": "of this machine: the port in front of the container",
    "SANDBOX_PORT": "of `make run`",
    "STATIC_ROOT": "where the image has collected the files",
    "VAR_DIR": "where the volume is mounted",
    "TWILIO_SID": "for one command, to which it is given with `docker compose run --env`",
    "TWILIO_TOKEN": "the same",
    "TWILIO_PHONE_NUMBER": "the same",
    "TWILIO_ACCOUNT_AUTH_TOKEN": "the same",
}


def settings_of_the_readme() -> set[str]:
    table = (ROOT / "README.md").read_text().split("## Settings", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", table, re.M)
    return {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_the_readme_reaches_the_containers(name):
    assert settings_of_the_readme() - set(SERVICES[name]["environment"]) == set(KEPT_BACK)


def test_the_readme_has_every_setting_that_is_read():
    files = ("environment", "settings", "settings_security")
    code = "".join((ROOT / "controlplane" / f"{file}.py").read_text() for file in files)
    calls = re.findall(r"""\b(?:env\.[a-z_]+|text|whole_number)\(\s*["']([A-Z_]+)["']""", code)
    assert len(calls) > 30
    assert set(calls) <= settings_of_the_readme()


def interpolated(text: str, typed: dict[str, str] = TYPED) -> str:
    """`${NAME:-default}` and `${NAME:?message}` as Compose reads them."""
    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", lambda m: typed.get(m[1], m[3] if m[2] == "-" else ""), text)


@pytest.mark.parametrize("name", OURS)
def test_the_env_file_of_make_run_does_not_weaken_a_server(name):
    local = TYPED | {"HTTPS": "false", "DEBUG": "true", "HTTPS_FILE": "/x", "DEBUG_FILE": "/x"}
    environment = SERVICES[name]["environment"]
    assert interpolated(environment["HTTPS"], local) == "true"
    assert interpolated(environment["HTTPS"], local | {"SERVER_HTTPS": "false"}) == "false"
    assert not {"DEBUG", "DEBUG_FILE", "HTTPS_FILE"} & set(environment)  # otherwise it would be passed on unchanged
    assert "env_file" not in SERVICES[name]


@pytest.mark.process
def test_a_server_that_others_reach_by_http_is_not_started(production, run):
    result = run(*SERVICES["migrate"]["command"], HTTPS="false")
    assert result.returncode != 0
    assert "HTTPS is off" in result.stderr
    assert "Applying" not in result.stdout


@pytest.fixture
def production(environment):
    """The environment that Compose sets, without anything outside this machine."""
    given = {name: interpolated(value) for name, value in SERVICES["web"]["environment"].items() if value is not None}
    mine = {name: environment[name] for name in ("DATABASE_URL", "CELERY_BROKER_URL")}
    remote = {"ELEVENLABS_API_KEY": "not-a-key", "ELEVENLABS_BASE_URL": "http://127.0.0.1:9"}
    fixed = {name: environment.pop(name) for name in tuple(environment) if name in ("HTTPS", "ALLOWED_HOSTS")}
    assert set(fixed) <= set(given)
    environment.update(given | mine | remote)
    Path(environment["VAR_DIR"]).mkdir()  # as in the image
    return environment


@pytest.fixture
def migrated(production, run):
    result = run(*SERVICES["migrate"]["command"])
    assert result.returncode == 0, result.stdout + result.stderr
    return production


def health(name: str) -> list[str]:
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    return ["sh", "-c", command[0].replace("$$", "$")] if kind == "CMD-SHELL" else command


@pytest.mark.process
def test_web(migrated, run, start):
    assert run("python", "manage.py", "collectstatic", "--no-input").returncode == 0
    assert run(*health("web")).returncode != 0
    web = start(*SERVICES["web"]["command"])
    web.wait_for("Booting worker")
    address = f"http://127.0.0.1:{migrated['PORT']}"
    with urlopen(f"{address}/healthz", timeout=30) as answer:
        assert answer.read().strip() == b"ok"
    result = run(*health("web"))
    assert result.returncode == 0, result.stderr

    def get(path: str, **headers: str):
        proxied = {"Host": "panel.example.com", "X-Forwarded-Proto": "https"} | headers
        return urlopen(Request(address + path, headers=proxied), timeout=30)

    manifest = json.loads(Path(migrated["STATIC_ROOT"], "staticfiles.json").read_text())["paths"]
    with get(f"/static/{manifest['admin/css/base.css']}") as file:
        assert "immutable" in file.headers["Cache-Control"]
    with get("/admin/login/") as page:
        assert manifest["unfold/css/styles.css"] in page.read().decode()
        assert "secure" in page.headers["Set-Cookie"].lower()
    with pytest.raises(HTTPError) as refused:
        get("/admin/login/", Host="elsewhere.example.com")
    assert refused.value.code == 400
    assert "DEBUG" not in refused.value.read().decode()
    assert web.stop() == 0


@pytest.mark.process
def test_worker_knows_every_task_that_beat_sends(migrated, run, start):
    assert run(*health("worker")).returncode != 0
    worker = start(*SERVICES["worker"]["command"])
    worker.wait_for(" ready.")
    result = run(*health("worker"))
    assert result.returncode == 0, result.stdout + result.stderr
    name = f"worker@{migrated['HOSTNAME']}"
    answer = run("celery", "-A", "controlplane", "inspect", "registered", "-d", name, "--json", "--timeout", "10")
    known = json.loads(answer.stdout)[name]
    schedule = "from django.conf import settings; print(*[e['task'] for e in settings.CELERY_BEAT_SCHEDULE.values()])"
    scheduled = run(sys.executable, "manage.py", "shell", "--no-imports", "-c", schedule).stdout.split()
    assert scheduled
    assert set(scheduled) <= set(known)
    assert worker.stop() == 0


@pytest.mark.process
def test_beat(migrated, run, start):
    assert run(*health("beat")).returncode != 0
    beat = start(*SERVICES["beat"]["command"])
    beat.wait_for("Sending due task")
    result = run(*health("beat"))
    assert result.returncode == 0, result.stderr
    assert beat.stop() == 0, beat.output


def test_the_image_holds_what_is_imported_and_no_secret():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"agents", "controlplane", "numbers", "static", "templates", "manage.py", "requirements.lock"} <= allowed
    assert not {".env", "var", ".git"} & allowed
    assert all((ROOT / name).exists() for name in allowed)
    assert all(SERVICES[name]["image"] == SERVICES["web"]["image"] for name in OURS)
