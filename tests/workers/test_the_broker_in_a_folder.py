"""Several processes write to it and read from it at the same time, and may end at any moment."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from celery.signals import worker_shutting_down
from kombu import Connection
from kombu.exceptions import ChannelError
from kombu.simple import SimpleQueue

from controlplane import folder_broker
from tests.workers.process_harness import folder_broker_at


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Connection]:
    with folder_broker_at(tmp_path) as broker:
        yield broker


@pytest.fixture
def queue(broker: Connection, tmp_path: Path) -> Iterator[SimpleQueue]:
    """With its own name: a process remembers which names it has bound, independently of the folder."""
    with broker.SimpleQueue(tmp_path.name) as queue:
        yield queue


def test_it_is_the_one_that_is_used(broker: Connection):
    assert isinstance(broker.default_channel, folder_broker.Channel)


def test_a_message_is_there_once_it_is_whole(queue: SimpleQueue, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def look_and_replace(*names: os.PathLike[str], replace=os.replace) -> None:
        seen.append(queue.qsize())
        replace(*names)

    monkeypatch.setattr("controlplane.folder_broker.os.replace", look_and_replace)
    queue.put({"call": 1})
    assert seen == [0]
    assert queue.qsize() == 1
    assert queue.get_nowait().payload == {"call": 1}


def test_a_failed_write_is_reported_and_leaves_nothing(queue: SimpleQueue, tmp_path: Path, monkeypatch):
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("controlplane.folder_broker.os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(ChannelError, match="full"):
        queue.put({"call": 1})
    assert sorted(tmp_path.rglob("*")) == before


GOOD = {
    "body": "W10=",
    "headers": {"task": "x", "id": "1"},
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"},
}


def odd(**changed: object) -> bytes:
    return json.dumps(GOOD | changed).encode()


NOT_MESSAGES = {
    "empty": b"",
    "half": b'{"body": "',
    "not utf-8": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "object": b"{}",
    "list": b"[]",
    "null": b"null",
    "no properties": odd(properties=None),
    "no tag": odd(properties={"delivery_info": {}}),
    "no delivery information": odd(properties={"delivery_tag": "1"}),
    "delivery information is a list": odd(properties={"delivery_tag": "1", "delivery_info": []}),
    "body is not base64": odd(body="A"),
    "body is a number": odd(body=5),
    "unknown body encoding": odd(properties={**GOOD["properties"], "body_encoding": "rot13"}),  # type: ignore[dict-item]
    "not compressed": odd(headers={"compression": "application/x-gzip"}),
    "headers are a list": odd(headers=[1]),
    "task is a list": odd(headers={"task": [], "id": "1"}),
    "task without id": odd(headers={"task": "x"}),
    "unknown encoding": odd(**{"content-encoding": "no-such"}),
    "content type is a list": odd(**{"content-type": []}),
    "of a type that kombu reads": odd(headers={"__type__": "datetime", "__value__": 5}),
    "huge": odd(body="A" * 10_000_000),
}


@pytest.mark.parametrize("content", NOT_MESSAGES.values(), ids=NOT_MESSAGES)
def test_what_is_not_a_message_is_set_aside(queue: SimpleQueue, tmp_path: Path, content: bytes, caplog):
    folder = tmp_path / "var/broker/messages"
    (folder / f"0_first.{tmp_path.name}.msg").write_bytes(content)
    queue.put({"call": 1})
    assert queue.get_nowait().payload == {"call": 1}
    assert list(folder.iterdir()) == []
    assert [one.read_bytes() for one in (tmp_path / "var/broker/rejected").iterdir()] == [content]
    assert len(caplog.records) == 1
    assert len(caplog.text) < 400


def test_what_is_not_even_a_file_is_set_aside_and_not_followed(queue: SimpleQueue, tmp_path: Path):
    folder = tmp_path / "var/broker/messages"
    end = f".{tmp_path.name}.msg"
    (folder / f"00{end}").mkdir()
    (folder / f"00{end}" / "x").write_bytes(b"x")
    os.mkfifo(folder / f"01{end}")
    secret = tmp_path / "secret"
    secret.write_bytes(odd())
    (folder / f"02{end}").symlink_to(secret)
    (folder / f"03{end}").symlink_to("/dev/zero")
    Path(os.fsdecode(os.fsencode(folder) + b"/04\xff\n" + os.fsencode(end))).write_bytes(b"x")
    queue.put({"call": 1})
    assert queue.get_nowait().payload == {"call": 1}
    assert list(folder.iterdir()) == []
    assert len(list((tmp_path / "var/broker/rejected").iterdir())) == 5
    assert secret.read_bytes() == odd()


@pytest.mark.parametrize("readable", [False, True])
def test_a_message_that_cannot_be_read_or_moved_is_skipped_and_reported_once(
    queue: SimpleQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog, readable: bool
):
    name = f"0_first.{tmp_path.name}.msg"
    (tmp_path / "var/broker/messages" / name).write_bytes(b"{}")
    real = os.open

    def refuse(path, *args, **kwargs):
        if not readable and Path(path).name == name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **kwargs)

    def cannot(*names: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(folder_broker.Channel, "stuck", set())
    monkeypatch.setattr("controlplane.folder_broker.os.open", refuse)
    queue.put({"call": 1})
    queue.put({"call": 2})
    monkeypatch.setattr("controlplane.folder_broker.os.rename", cannot)
    assert {queue.get_nowait().payload["call"] for _ in range(2)} == {1, 2}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_disk_that_fails_is_not_the_fault_of_a_message(queue: SimpleQueue, tmp_path: Path, monkeypatch):
    queue.put({"call": 1})

    def fails(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("controlplane.folder_broker.os.open", fails)
        with pytest.raises(ChannelError, match="cannot be read"):
            queue.get_nowait()
    assert queue.get_nowait().payload == {"call": 1}


def test_a_worker_that_is_stopping_does_not_wait_and_takes_nothing(
    queue: SimpleQueue, broker: Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(folder_broker.Channel, "ending", False)  # restored at the end of the test
    queue.put({"call": 1})
    queue.consumer.consume()
    worker_shutting_down.send(sender="worker")
    with pytest.raises(TimeoutError, match="ends"):
        broker.drain_events(timeout=5)
    folder_broker.Channel.ending = False
    assert queue.get_nowait().payload == {"call": 1}


def test_a_table_is_not_read_while_it_is_written(queue: SimpleQueue, tmp_path: Path):
    found = []
    table = next((tmp_path / "var/broker/control").glob("*.exchange"))
    whole = table.read_text()
    writing = os.open(table.parent, os.O_RDONLY)
    fcntl.flock(writing, fcntl.LOCK_EX)
    table.write_text("")
    reader = Thread(target=lambda: found.append(queue.channel.get_table(table.stem)))
    reader.start()
    reader.join(0.3)
    assert reader.is_alive()
    table.write_text(whole)
    os.close(writing)
    reader.join(30)
    assert [list(one) for one in found[0]] == json.loads(whole)
