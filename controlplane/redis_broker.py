"""A kombu Redis broker that survives invalid messages."""

import logging
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from controlplane.broker_message import CONTENT_ERRORS, Robust

log = logging.getLogger(__name__)


class Channel(Robust, redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc] # kombu's stubs leave it out
        except CONTENT_ERRORS as problem:  # it is not JSON; it was taken from its list, and nobody has it any more
            log.warning("Something in Redis is not a message (%s), and is dropped", type(problem).__name__)
            raise Empty from None


class Transport(redis.Transport):
    Channel = Channel


def use() -> None:
    """For every `redis://` and `rediss://` of this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
