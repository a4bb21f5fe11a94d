"""Several processes write to it and read from it at once, and may end at any moment."""

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
from tests.workers.stage import folder_broker_at


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Connection]:
    with folder_broker_at(tmp_path) as broker:
        yield broker


@pytest.fixture
def queue(broker: Connection, tmp_path: Path) -> Iterator[SimpleQueue]:
    """With a name of its own: a process knows which names it has bound, whatever the folder."""
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


def test_one_that_could_not_be_written_is_told_and_leaves_nothing(queue: SimpleQueue, tmp_path: Path, monkeypatch):
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("controlplane.folder_broker.os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(ChannelError, match="full"):
        queue.put({"call": 1})
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b'{"body": "', b"\xff\xfe"])
def test_one_that_cannot_be_read_is_left_out(queue: SimpleQueue, tmp_path: Path, content: bytes):
    (tmp_path / "var/broker/messages" / f"0_first.{tmp_path.name}.msg").write_bytes(content)
    queue.put({"call": 1})
    with pytest.raises(queue.Empty):
        queue.get_nowait()
    assert queue.get_nowait().payload == {"call": 1}


def test_a_worker_that_is_told_to_end_waits_for_nothing_and_takes_nothing(
    queue: SimpleQueue, broker: Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(folder_broker.Channel, "ending", False)  # as before, afterwards
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
