"""Other processes of the project, with the database, data folder and remote of the test that starts them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from tests.running import database_url
from tests.sandbox_process import ROOT, Sandbox

PRELUDE = """
import sys
import django
django.setup()
from django.conf import settings
settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY = sys.argv[1:3]
settings.ELEVENLABS_MAX_CONCURRENCY = int(sys.argv[3])
settings.ELEVENLABS_TRAFFIC = sys.argv[4]
print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def children(remote: Sandbox, scripts: list[str], *, at_once: int) -> Iterator[list[subprocess.Popen[str]]]:
    """One process for each script. All start their work at the same moment, and all are ended afterwards."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, remote.url, remote.key, str(at_once), settings.ELEVENLABS_TRAFFIC],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for script in scripts
    ]
    try:
        for child in running:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in running:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        yield running
    finally:
        for child in running:
            child.kill()
            child.communicate()


def outcome(child: subprocess.Popen[str]) -> Any:
    """The output of a script, which must end successfully."""
    output, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    return output.split()
