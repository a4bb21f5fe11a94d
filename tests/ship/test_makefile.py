"""Everything that the documents and CI call exists, and `.env` is created once."""

import re
import shutil
import stat
import sys

import pytest

from .conftest import ROOT


def test_every_target_that_is_documented_exists(run):
    documents = [ROOT / ".ci" / "run", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    call = re.compile(r"`make ([a-z-]+)|^\s*make ([a-z-]+)\s*(?:#.*)?$", re.M)
    named = {first or second for file in documents for first, second in call.findall(file.read_text())}
    listed = set(re.findall(r"^ +make ([\w-]+)", run("make").stdout, re.M))
    assert {"run", "test", "lint", "fmt", "bench", "clean"} | named <= listed


@pytest.fixture
def installed(tmp_path):
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "runtime").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "given", "passed"),
    [
        ("SECRET_KEY=x", "", "false"),
        ("HTTPS=false", "", ""),  # set in the file, as written by an earlier `make run`
        ("HTTPS=true", "", ""),
        ("#HTTPS=true", "", "false"),
        ("HTTPS=false", "true", "true"),
        ("", "true", "true"),
    ],
)
def test_make_run_uses_http_unless_configured(run, installed, file, given, passed):
    (installed / ".env").write_text(file + "\n")
    python = installed / "python"
    python.write_text('#!/bin/sh\necho "$HTTPS $DEBUG $*"\n')
    python.chmod(0o700)
    result = run("make", "-C", str(installed), "run", f"PYTHON={python}", HTTPS=given)
    assert f"{passed} false manage.py up" in result.stdout.splitlines(), result.stdout + result.stderr


def test_env_is_private_and_written_once(run, installed, tmp_path):
    make = ("make", "-C", str(tmp_path), ".env", f"PYTHON={sys.executable}")

    result = run(*make)
    file = tmp_path / ".env"
    assert file.exists(), result.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.M))
    assert set(values) == {"SECRET_KEY"}  # docker-compose.yml reads this file too
    assert len(values["SECRET_KEY"]) > 50
    assert values["SECRET_KEY"] not in result.stdout + result.stderr

    before = file.read_text()
    run(*make)
    assert file.read_text() == before
