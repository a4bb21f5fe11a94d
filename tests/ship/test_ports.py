"""`manage.py up` checks its ports first. test_up.py shows that a real one leaves nothing behind."""

import socket

import pytest
from django.core.management import CommandError, call_command

from controlplane.management.commands import up


@pytest.mark.parametrize("variable", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_named_before_anything_starts(variable, settings, free_port, monkeypatch):
    settings.ELEVENLABS_API_KEY = settings.SANDBOX_KEY
    settings.PORT, settings.SANDBOX_PORT = free_port(), free_port()
    for name in ("call_command", "collect_static_files", "create_first_administrator", "ProcessManager"):
        monkeypatch.setattr(up, name, lambda *_, name=name, **__: pytest.fail(f"went on to {name}"))
    port = getattr(settings, variable)
    refused = pytest.raises(CommandError, match=rf"Port {port} .* {variable}\.$")
    with socket.create_server(("127.0.0.1", port)), refused:
        call_command("up")
