"""Validates broker messages before kombu and Celery act on them.

Both assume that every message was written by themselves. Any other message raises a KeyError, a TypeError or the like
in the worker's loop: the worker exits, or (on Redis) treats it as a lost connection, requeues the message and fails on
it again (kombu 5.7, Celery 5.6). Here such a message is dropped and logged. What is due is stored in the database, so a
dropped message does no harm.
"""

import codecs
import logging
from typing import Any

from kombu.transport import virtual

EMPTY = {"headers": {}, "properties": {"delivery_tag": "", "delivery_info": {}}}
# Errors caused by unexpected values. Not the errors of a connection, a disk or a pool.
CONTENT_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)

log = logging.getLogger(__name__)


class NotAMessage(ValueError):
    """`str()` says what is invalid, without any of the content."""


class Message(virtual.Message):
    """An invalid message becomes an empty one, which Celery logs and drops."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        try:
            check(payload)
            super().__init__(payload, channel=channel, **options)
        except CONTENT_ERRORS as error:
            log.warning("Something in the broker is not a message (%s), and is dropped", describe_error(error))
            super().__init__(EMPTY, channel=channel, **options)
            self.delivery_tag = channel._next_delivery_tag()


class TolerantChannel(virtual.Channel):
    """A channel whose consumer continues with the next message after failing on one."""

    Message = Message

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: Any, **options: Any) -> Any:
        def deliver(message: Any) -> Any:
            try:
                return callback(message)
            except CONTENT_ERRORS as error:
                log.error(
                    "A message in the queue %s cannot be handled (%s), and is dropped", queue, type(error).__name__
                )
                if not (no_ack or message.acknowledged):
                    self.basic_reject(message.delivery_tag, requeue=False)

        return super().basic_consume(queue, no_ack, deliver, consumer_tag, **options)


def describe_error(error: Exception) -> str:
    """Without the content, which may be sensitive."""
    return str(error) if isinstance(error, NotAMessage) else type(error).__name__


def check(payload: Any) -> None:
    """Raises NotAMessage."""
    _require(isinstance(payload, dict), "it is not an object")
    properties, headers = payload.get("properties"), payload.get("headers") or {}
    _require(isinstance(properties, dict), "its properties are not an object")
    _require(isinstance(properties.get("delivery_tag"), str), "it has no delivery tag")
    _require(isinstance(properties.get("delivery_info"), dict), "it has no delivery information")
    _require(isinstance(payload.get("body"), str | None), "its body is not text")
    _require(isinstance(payload.get("content-type"), str | None), "its content type is not text")
    _require(_is_encoding(payload.get("content-encoding")), "its encoding is not known")
    _require(isinstance(headers, dict), "its headers are not an object")
    _require(all(isinstance(headers.get(name, ""), str) for name in ("task", "id")), "its task or id is not text")
    _require("task" not in headers or "id" in headers, "its task has no id")


def _is_encoding(name: object) -> bool:
    try:
        return name is None or (isinstance(name, str) and (name == "binary" or codecs.lookup(name) is not None))
    except LookupError:
        return False


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise NotAMessage(message)
