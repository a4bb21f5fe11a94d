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

# Only this form is accepted. Anything else that a URL may contain (user names, paths, queries, escapes, other
# alphabets, numeric forms of an IP address) cannot match, so no two URL parsers can disagree about the host.
_FORM = re.compile(r"(?P<scheme>https?)://(?P<host>\[::1\]|[a-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?/?", re.ASCII)


def check_base_url(url: str) -> str:
    """Returns the URL without its trailing slash and default port. Raises ValueError, whose message never repeats the
    URL."""
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
    """True for a loopback URL."""
    return url.startswith("http://") and check_base_url(url).startswith(tuple(f"http://{host}" for host in LOOPBACK))


def check_key(url: str, key: str) -> None:
    """Raises ValueError if this key must not be sent to this URL.

    The sandbox's key is not valid anywhere else. A real key may be sent to a loopback URL, because such a URL is only
    used if it was put into the configuration: it is then a sandbox under test.
    """
    if not key:
        raise ValueError("There is no ElevenLabs API key.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("The ElevenLabs API key holds a space or a special character.")
    if key == SANDBOX_KEY and not is_sandbox(url):
        raise ValueError("The sandbox's key does not open ElevenLabs itself: give a real API key.")


def may_connect(host: str, ip: str) -> bool:
    """Whether a connection to `host` may go to `ip`, the address that its name resolved to.

    Private network addresses are allowed: some companies route ElevenLabs that way, and TLS proves the host's identity.
    """
    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped if mapped is not None else address
    if host in LOOPBACK or f"[{host}]" in LOOPBACK:
        return address.is_loopback
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)
