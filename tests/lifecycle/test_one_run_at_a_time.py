"""Two runs would take each other's agents and numbers for left over."""

import pytest

from tests.lifecycle.conftest import at_the_fault

CREATE = "/v1/convai/agents/create"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


def test_one_run_at_a_time(child, remote):
    remote.fault("POST", CREATE, "pause", seconds=60)
    first = child()
    at_the_fault(remote, "POST", CREATE, 0)
    for args in ((), ("--clean-up",)):
        second = child(*args)
        assert second.wait() == 6
        assert "Another run is under way; nothing was done." in second.output
    assert remote.ledger() == []
    remote.clear_faults()
    assert first.wait() == 0, first.output


def test_one_run_at_a_time_whatever_folder_each_was_given(child, remote, tmp_path, monkeypatch):
    """Else the second would take the first for dead, and remove its agents."""
    remote.fault("POST", CREATE, "pause", seconds=60)
    first = child()
    at_the_fault(remote, "POST", CREATE, 0)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    second = child("--clean-up")
    assert second.wait() == 6, second.output
    remote.clear_faults()
    assert first.wait() == 0, first.output
