"""A kombu Redis broker that survives invalid messages."""

import logging
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from controlplane.broker_message import CONTENT_ERRORS, TolerantChannel

log = logging.getLogger(__name__)


class Channel(TolerantChannel, redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc] # missing in kombu's stubs
        except CONTENT_ERRORS as error:  # not JSON; it was popped from its list, so no one else has it
            log.warning("Something in Redis is not a message (%s), and is dropped", type(error).__name__)
            raise Empty from None


class Transport(redis.Transport):
    Channel = Channel


def use() -> None:
    """For every `redis://` and `rediss://` URL in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
