"""The client's IP address, for sign-in limits and the history."""

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

IPV6_PREFIX = 64  # a customer gets at least a /64, so a limit per single address would be no limit
PORT = re.compile(r"\[(?P<v6>[^\]]*)\](:\d{1,5})?|(?P<v4>[^:]*):\d{1,5}", re.ASCII)


def client_address(request: HttpRequest) -> str:
    """The client's IP address, or "" if it is unknown, as on a Unix socket.

    Each proxy appends the address that connected to it, so only the last TRUSTED_PROXIES entries of X-Forwarded-For can
    be trusted: everything before them comes from the client.
    """
    if (proxies := settings.TRUSTED_PROXIES) > 0:
        entries = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies)  # the server joins repeated headers
        if len(entries) >= proxies and (address := _parse(entries[-proxies])):
            return address
    return _parse(request.META.get("REMOTE_ADDR", ""))


def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the IPv6 network of a customer."""
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, IPV6_PREFIX), strict=False))


def _parse(entry: str) -> str:
    """The normalized address without a port; empty if it is not an IP address."""
    host = entry.strip()
    if match := PORT.fullmatch(host):
        host = match["v6"] or match["v4"] or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return ""  # a scope is free text, valid on one machine only
        return str(address.ipv4_mapped or address)
    return str(address)
