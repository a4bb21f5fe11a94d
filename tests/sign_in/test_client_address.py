"""The client address of a request: a client behind trusted proxies cannot forge it."""

import pytest
from django.test import RequestFactory

from controlplane.client_address import client_address, network

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", PROXY),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the client sent the first one
        (2, "6.6.6.6,203.0.113.9 , 10.0.0.2", "203.0.113.9"),
        (2, "203.0.113.9", PROXY),  # too short: it did not pass both proxies
        (1, None, PROXY),
        (1, "", PROXY),
        (1, "203.0.113.9,", PROXY),
        (1, "203.0.113.9, unknown", PROXY),
        (1, "1.2.3.4:5678", "1.2.3.4"),
        (1, "[2001:db8::1]:80", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "fe80::1%made-up", PROXY),
        *((1, garbage, PROXY) for garbage in ("1.2.3.4:", "1.2.3.4:x", "[::1", "[]:80", "[::1]x", ":80", "127.1", "1")),
        *((1, garbage, PROXY) for garbage in ("256.1.1.1", "é", "1.2.3.٤", "\n1.2.3.4\n::", "<b>", "," * 5000)),
    ],
)
def test_only_what_trusted_proxies_appended_counts(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(RequestFactory().get("/", REMOTE_ADDR=PROXY, **headers)) == expected


def test_a_unix_socket_has_no_address(settings):
    assert client_address(RequestFactory().get("/", REMOTE_ADDR="")) == ""


def test_an_ipv6_customer_is_one_client():
    assert network("2001:db8::1") == network("2001:db8::ffff:2") != network("2001:db8:0:1::1")
    assert network("203.0.113.9") == "203.0.113.9"
