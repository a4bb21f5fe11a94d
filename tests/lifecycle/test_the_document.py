"""docs/findings.md is what the command writes; `make findings` has this test write it there (FINDINGS=docs)."""

import os
import re
from pathlib import Path

import pytest

from controlplane.lifecycle.report import numbered
from tests.running import ROOT

WRITE_TO = os.environ.get("FINDINGS")


@pytest.mark.django_db
@pytest.mark.slow  # in real time, so that the latencies are true; the gate looks at what its whole run writes
@pytest.mark.timeout(600)
def test_the_command_writes_it(lifecycle_that_waits, remote, tmp_path):
    if WRITE_TO:
        remote.settings(listed_after=5)
    folder = Path(WRITE_TO or tmp_path)
    status, printed = lifecycle_that_waits("--report", str(folder), "--repeat", "10" if WRITE_TO else "1")
    assert status == 0, printed
    is_such_a_document((folder / "findings.md").read_text())


def test_the_one_in_docs_is_one():
    is_such_a_document((ROOT / "docs/findings.md").read_text())


def is_such_a_document(text: str) -> None:
    third_line = text.splitlines()[2]
    assert third_line.startswith("> **This report is about the sandbox, not about ElevenLabs.** ")
    assert "Written by `manage.py lifecycle` from a run on the sandbox" in text
    rows = re.findall(r"^\| (\d+) \| (confirmed|\*\*refuted\*\*|not tried)", text.partition("## Assumptions")[2], re.M)
    assert [int(number) for number, _ in rows] == [line.number for line in numbered()]
    for words in ("Hot-swap: one request.", "| Import |", "| Swap |", "resource_already_exists", "twilio_error"):
        assert words in text
