"""`manage.py up`, the last step of `make run`: everything in one terminal, from the first start to Ctrl-C."""

import json
import re
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.process  # the browser's smoke test also covers a first start
UP = (sys.executable, "manage.py", "up")


@pytest.mark.timeout(240)
def test_from_the_first_start_to_the_second(start, environment, left_over):
    first = start(*UP)
    password = re.search(r"Password +(\S+)", first.wait_for(" Password  "))[1]
    first.wait_for("Sandbox on 127.0.0.1")
    first.wait_for("Stop ")
    address = f"http://127.0.0.1:{environment['PORT']}"
    assert f"Open       {address}/" in first.output
    assert "User name  admin" in first.output
    with urlopen(f"{address}/admin/login/", timeout=20) as page:
        assert page.status == 200
    manifest = json.loads((Path(environment["STATIC_ROOT"]) / "staticfiles.json").read_text())["paths"]
    with urlopen(f"{address}/static/{manifest['admin/css/base.css']}", timeout=20) as file:
        assert "immutable" in file.headers["Cache-Control"]
    first.wait_for("worker@controlplane ready")
    assert password not in " ".join(part for process in left_over() for part in process.cmdline())
    assert environment["SECRET_KEY"] not in " ".join(part for process in left_over() for part in process.cmdline())
    assert first.interrupt() in (0, 130), first.output
    assert left_over() == []
    assert first.output.count(password) == 1
    assert "Traceback" not in first.output

    second = start(*UP)
    second.wait_for("Stop ")
    assert " Password  " not in second.output
    assert second.stop() in (0, 143), second.output
    assert left_over() == []


def test_ctrl_c_in_the_first_moment_leaves_nothing(start, left_over):
    up = start(*UP)
    up.wait_for("started (pid=")
    assert up.interrupt() in (0, 130), up.output
    assert len(re.findall(r" Password  |password of", up.output)) == 1, up.output  # it exists, so it must be shown
    assert left_over() == []


def test_one_that_dies_ends_all_and_is_named(start, left_over):
    up = start(*UP)
    up.wait_for("Stop ")
    beat = next(process for process in left_over() if "beat" in process.cmdline())
    beat.kill()
    up.wait_for("beat ended by itself, so everything was stopped")
    assert up.wait() == 1
    assert left_over() == []


@pytest.mark.parametrize("variable", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_named_before_anything_starts(run, environment, variable):
    with socket.create_server(("127.0.0.1", int(environment[variable]))):
        result = run(*UP)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    line = result.stderr.splitlines()[-1]
    assert f"Port {environment[variable]} " in line
    assert line.endswith(f" {variable}.")
    assert not Path(environment["VAR_DIR"], "controlplane.sqlite3").exists()
