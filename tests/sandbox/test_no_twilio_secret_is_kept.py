"""A Twilio credential is checked and discarded: it is not in the state file, the ledger, the calls or the output."""

from base64 import b64encode
from urllib.parse import quote

from tests.sandbox_process import Sandbox

SID, TOKEN, AUTH = "SK" + "c0ffee" * 5 + "ab", "canary+token/7", "canary+auth/7"


def test_nowhere(sandbox: Sandbox) -> None:
    assert sandbox.started is not None
    state, _ = sandbox.started
    seen = ""
    body = {"provider": "twilio", "label": "L", "sid": SID, "token": TOKEN, "account_auth_token": AUTH}
    region = {"region_id": "ie1", "token": TOKEN, "edge_location": "dublin"}
    scripts: list[dict[str, object] | None] = [
        None,
        {"fault": "status", "when": "after"},
        {"fault": "status", "when": "before"},
        {"fault": "html", "when": "late"},
        {"fault": "empty", "when": "late", "late_seconds": 100_000},
    ]
    for at, script in enumerate(scripts):
        if script:
            sandbox.faults([script])
        number = {**body, "phone_number": f"+1555123000{at}", "region_config": region}
        sandbox.call("POST", "/v1/convai/phone-numbers", json=number)
    for wrong in (
        {},
        {"phone_number": "+1"},
        {"phone_number": "+15005550001"},
        {"label": 5, "phone_number": "+15551230009"},
    ):
        sandbox.call("POST", "/v1/convai/phone-numbers", json={**body, **wrong})
    sandbox.advance(60)
    seen += sandbox.call("GET", "/_sandbox/ledger").text
    seen += sandbox.call("GET", "/_sandbox/calls").text
    seen += sandbox.call("GET", "/v1/convai/phone-numbers").text
    assert len(sandbox.ledger()) == 3  # the normal one, the one with a false failure, and the late one
    # It is still running, so the journal next to the state file can be checked.
    stored = b"".join(path.read_bytes() for path in state.parent.iterdir())
    assert b"+15551230000" in stored
    for secret in (SID, TOKEN, AUTH):
        for form in (secret, secret.replace("/", "\\/"), quote(secret, safe=""), b64encode(secret.encode()).decode()):
            assert form.encode() not in stored
            assert form not in seen
