"""Validates the base URL to which the API key may be sent."""

import ipaddress
import re

HOSTS = frozenset(
    {
        "api.elevenlabs.io",
        "api.us.elevenlabs.io",
        "api.eu.residency.elevenlabs.io",
        "api.in.residency.elevenlabs.io",
        "api.sg.residency.elevenlabs.io",
    }
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
SANDBOX_KEY = "sk_sandbox"

# Only this form is read. What a URL may hold besides (user names, paths, queries, escapes, other alphabets,
# numbers that mean an address) cannot match, so no two readers of the URL can disagree about its host.
_FORM = re.compile(r"(?P<scheme>https?)://(?P<host>\[::1\]|[a-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?/?", re.ASCII)


def check_base_url(url: str) -> str:
    """The address without its trailing slash and default port. Raises ValueError, whose text never repeats the URL."""
    form = _FORM.fullmatch(url.lower()) if isinstance(url, str) and url.isascii() else None
    if form is None:
        raise ValueError(
            "The ElevenLabs address must be a plain https address such as https://api.elevenlabs.io: "
            "no user name, path, query, space or special character."
        )
    scheme, host, port = form["scheme"], form["host"], form["port"]
    if host in LOOPBACK:
        if scheme == "https":
            raise ValueError("An address on this machine is for the sandbox, which speaks http, not https.")
        if port is None:
            return f"http://{host}"
        if not 1 <= int(port) <= 65535:
            raise ValueError("The port of the ElevenLabs address must be between 1 and 65535.")
        return f"http://{host}:{int(port)}"
    if host not in HOSTS:
        raise ValueError(f"The ElevenLabs address must name one of these hosts: {', '.join(sorted(HOSTS))}.")
    if scheme != "https":
        raise ValueError("The ElevenLabs address must begin with https: the API key would be readable on the way.")
    if port is not None and int(port) != 443:
        raise ValueError("The ElevenLabs address must not name a port other than 443.")
    return f"https://{host}"


def is_sandbox(url: str) -> bool:
    """True for an address on this machine."""
    return url.startswith("http://") and check_base_url(url).startswith(tuple(f"http://{host}" for host in LOOPBACK))


def check_key(url: str, key: str) -> None:
    """Raises ValueError where this key must not be sent to this address.

    The sandbox's key opens nothing elsewhere. A real key may go to an address on this machine, because such an
    address is only ever used when somebody wrote it into the configuration: it is then a sandbox under test.
    """
    if not key:
        raise ValueError("There is no ElevenLabs API key.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("The ElevenLabs API key holds a space or a special character.")
    if key == SANDBOX_KEY and not is_sandbox(url):
        raise ValueError("The sandbox's key does not open ElevenLabs itself: give a real API key.")


def may_connect(host: str, ip: str) -> bool:
    """Whether a connection to `host` may end at `ip`, the address that its name was resolved to.

    Addresses of a private network are let through: companies do route ElevenLabs that way, and TLS proves the name.
    """
    found = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped if mapped is not None else found
    if host in LOOPBACK or f"[{host}]" in LOOPBACK:
        return found.is_loopback
    return not (found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast)
