"""A worker that finds an invalid message in its queue continues with the next one."""

import base64
import json
import uuid
from typing import Any

import pytest

from controlplane.audit.tasks import seal
from tests.workers.process_harness import QUEUE, ProcessHarness
from tests.workers.test_the_broker_in_a_folder import NOT_MESSAGES
from tests.workers.waiting import until

pytestmark = pytest.mark.process


def message(body: bytes = b"[[], {}, {}]", task: str | None = seal.name, **headers: Any) -> dict[str, Any]:
    """Well-formed: Celery has to find the error."""
    named = {} if task is None else {"task": task, "id": str(uuid.uuid4()), "lang": "py"}
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": headers.pop("encoding", "utf-8"),
        "content-type": headers.pop("content_type", "application/json"),
        "headers": {**named, **headers},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "body_encoding": "base64",
        },
    }


FOR_CELERY = [
    message(task="no.such.task"),
    message(task=""),
    message(body=b"{"),
    message(body=b"null"),
    message(body=b"\xff\xfe"),
    message(body=b"[5, 5, 5]"),
    message(body=b'[[1, 2, 3], {"no": "such"}, {}]'),
    message(body=b"[]" * 50_000),
    message(body=b"\x80\x04N.", content_type="application/x-python-serialize", encoding="binary"),
    message(content_type="no/such"),
    message(eta="never", expires=[], retries="x", timelimit=5, root_id=7, group={}, origin=[], parent_id=[]),
    message(expires="never"),
    message(compression="no/such"),
    message(task=None),
    message(task=None, body=b'{"task": "no.such.task", "id": 5}'),
    message(task=None, body=b'{"task": [], "id": []}'),
    message(task=None, body=b'{"task": "%s"}' % seal.name.encode()),
    message(task=None, body=b'{"method": [], "arguments": 5}'),
    message(task=None, body=b"[]"),
]


@pytest.mark.parametrize("harness", [pytest.param("filesystem", marks=pytest.mark.smoke), "redis"], indirect=True)
def test_what_is_not_a_message_ends_no_worker(harness: ProcessHarness):
    worker = harness.worker()
    odd = [*NOT_MESSAGES.values(), *(json.dumps(one).encode() for one in FOR_CELERY)]
    control = [*NOT_MESSAGES.values(), json.dumps(message(task=None, body=b'{"method": "no-such"}')).encode()]
    if harness.redis:
        harness.redis.client.rpush(QUEUE, *odd)
    else:
        folder = harness.folder / "var/broker/messages"
        for at, content in enumerate(odd):
            (folder / f"0_{at}.{QUEUE}.msg").write_bytes(content)
        for at, content in enumerate(control):
            (folder / f"0_{at}.worker@controlplane.celery.pidbox.msg").write_bytes(content)
    until(lambda: harness.waiting_messages() == 0 or worker.ended, "every message was taken")
    harness.deliver(seal.name, task_id="a-real-one")
    worker.wait_for("[a-real-one] succeeded")
    assert "Traceback" not in worker.output.split(" ready.")[0]
    assert worker.stop() == 0
