"""What the documents and CI call exists, and `.env` is made once."""

import re
import shutil
import stat
import sys

from .conftest import ROOT


def test_every_target_that_is_documented_exists(run):
    documents = [ROOT / ".ci" / "run", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    call = re.compile(r"`make ([a-z]+)|^\s*make ([a-z]+)\s*(?:#.*)?$", re.M)
    named = {first or second for file in documents for first, second in call.findall(file.read_text())}
    listed = set(re.findall(r"^ +make (\w+)", run("make").stdout, re.M))
    assert {"run", "test", "lint", "fmt", "bench", "clean", "pytest"} | named <= listed


def test_constraints_pin_every_requirement():
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().lower().splitlines()
        return {re.sub(r"\[.*\]", "", line) for line in lines if re.match(r"[a-z]", line) and ";" not in line}

    direct = pins("requirements.txt") | pins("requirements-dev.txt")
    assert all("==" in line for line in direct)
    assert direct <= pins("constraints.txt")


def test_env_is_private_and_written_once(run, tmp_path):
    for name in ("Makefile", "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "runtime").touch()
    make = ("make", "-C", str(tmp_path), ".env", f"PYTHON={sys.executable}")

    result = run(*make)
    file = tmp_path / ".env"
    assert file.exists(), result.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.M))
    assert set(values) == {"SECRET_KEY", "HTTPS"}
    assert len(values["SECRET_KEY"]) > 50
    assert values["SECRET_KEY"] not in result.stdout + result.stderr

    before = file.read_text()
    run(*make)
    assert file.read_text() == before
