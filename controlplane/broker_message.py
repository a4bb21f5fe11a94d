"""Validates broker messages before kombu and Celery act on them.

Both take for granted that a message is as they wrote it themselves. One that is not raises a KeyError, a TypeError or
the like in the loop of the worker: the worker ends, or (on Redis) takes it for a lost connection, puts the message back
and meets it again (kombu 5.7, Celery 5.6). Here it is dropped with a line in the log: what is due stands in the
database, so a dropped message does no harm.
"""

import codecs
import logging
from typing import Any

from kombu.transport import virtual

EMPTY = {"headers": {}, "properties": {"delivery_tag": "", "delivery_info": {}}}
# What code raises that was given something else than it expects. Not the errors of a connection, a disk or a pool.
CONTENT_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)

log = logging.getLogger(__name__)


class NotAMessage(ValueError):
    """`str()` says what is wrong, and nothing of the content."""


class Message(virtual.Message):
    """What is not a message becomes an empty one, which Celery logs and drops."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        try:
            check(payload)
            super().__init__(payload, channel=channel, **options)
        except CONTENT_ERRORS as problem:
            log.warning("Something in the broker is not a message (%s), and is dropped", what_is_wrong(problem))
            super().__init__(EMPTY, channel=channel, **options)
            self.delivery_tag = channel._next_delivery_tag()


class Robust(virtual.Channel):
    """A channel whose consumer may fail on one message and goes on with the next."""

    Message = Message

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: Any, **options: Any) -> Any:
        def deliver(message: Any) -> Any:
            try:
                return callback(message)
            except CONTENT_ERRORS as problem:
                log.error(
                    "A message in the queue %s cannot be handled (%s), and is dropped", queue, type(problem).__name__
                )
                if not (no_ack or message.acknowledged):
                    self.basic_reject(message.delivery_tag, requeue=False)

        return super().basic_consume(queue, no_ack, deliver, consumer_tag, **options)


def what_is_wrong(problem: Exception) -> str:
    """Nothing of the content, which may be anything."""
    return str(problem) if isinstance(problem, NotAMessage) else type(problem).__name__


def check(payload: Any) -> None:
    """Raises NotAMessage."""
    _must(isinstance(payload, dict), "it is not an object")
    properties, headers = payload.get("properties"), payload.get("headers") or {}
    _must(isinstance(properties, dict), "its properties are not an object")
    _must(isinstance(properties.get("delivery_tag"), str), "it has no delivery tag")
    _must(isinstance(properties.get("delivery_info"), dict), "it has no delivery information")
    _must(isinstance(payload.get("body"), str | None), "its body is not text")
    _must(isinstance(payload.get("content-type"), str | None), "its content type is not text")
    _must(_is_encoding(payload.get("content-encoding")), "its encoding is not known")
    _must(isinstance(headers, dict), "its headers are not an object")
    _must(all(isinstance(headers.get(name, ""), str) for name in ("task", "id")), "its task or id is not text")
    _must("task" not in headers or "id" in headers, "its task has no id")


def _is_encoding(name: object) -> bool:
    try:
        return name is None or (isinstance(name, str) and (name == "binary" or codecs.lookup(name) is not None))
    except LookupError:
        return False


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotAMessage(otherwise)
