"""Host names and IP addresses, as settings and request headers spell them."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)

import idna

Address = IPv4Address | IPv6Address

HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::[0-9]{0,5})?")
"""The value of a `Host` header in lower case, with its name or address in group 1.

It has no user information, path, zone id or character outside ASCII (RFC 9110, 7.2).
"""

ENTRY = re.compile(r"(?:for=)?\"?(?:\[([0-9a-f:.]{2,45})\](?::[0-9]{0,5})?|([0-9a-f:.]{2,45}))\"?")
IPV4_PORT = re.compile(r"([0-9.]{7,15}):[0-9]{0,5}")

ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[^\]]*\]|[^/:\s\[\]]+)(?::([0-9]{1,5}))?")

PORTS = {"http": "80", "https": "443"}
"""The default port of each scheme."""

WIDEST_IPV4 = 8
WIDEST_IPV6 = 7
"""Prefixes of the largest private networks: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193)."""

MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses as IPv6 (RFC 4291, 2.5.5.2)."""

UNIX = "unix"
"""The name of all clients that connect over a Unix socket, in a list of proxies."""


def words(text: str) -> list[str]:
    """The entries of a comma-separated list, without empty ones."""
    return [word for word in map(str.strip, text.split(",")) if word]


def address(text: str) -> Address | None:
    """An IP address; `None` if the text is not one. IPv4 in IPv6 (`::ffff:…`) becomes IPv4."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def host_of(header: str) -> str | None:
    """The name or address in a `Host` header, in lower case; `None` if the header is malformed."""
    match = HOST.fullmatch(header.lower())
    if match is None:
        return None
    return _normal(match[1])


def host_name(text: str) -> str:
    """A host name or address of a setting, in the form of `host_of`.

    Raises:
        ValueError: it is neither, or it has a scheme, a port or a path.
    """
    text = text.lower()
    if (found := address(text.strip("[]"))) is not None:
        return str(found)
    try:
        name = idna.encode(text, uts46=True, transitional=False).decode()  # as browsers send it
    except idna.IDNAError:
        name = text  # an underscore
    if ":" in name or HOST.fullmatch(name) is None:
        raise ValueError(text)
    return _normal(name)


def origin_of(text: str) -> str:
    """An origin of a setting, as browsers send it: without its default port (RFC 6454, 6.2).

    Raises:
        ValueError: it is not of the form `scheme://host` or `scheme://host:port`.
    """
    match = ORIGIN.fullmatch(text.lower())
    if match is None:
        raise ValueError(text)
    scheme, host, port = match.groups()
    host = host_name(host)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + (
        f":{int(port)}" if port not in (None, PORTS.get(scheme)) else ""
    )


def _normal(host: str) -> str:
    host = host.removesuffix(".").strip("[]")
    found = address(host)
    return host if found is None else str(found)


def forwarded_address(entry: str) -> Address | None:
    """The address in one entry of `X-Forwarded-For` or `Forwarded` (RFC 7239, 6), without its port.

    `None` if the entry has no IP address, as in `unknown` or `_hidden`.
    """
    entry = entry.strip().lower()
    if match := ENTRY.fullmatch(entry):
        return address(match[1] or match[2]) or _without_port(match[2] or "")
    return None


def _without_port(text: str) -> Address | None:
    match = IPV4_PORT.fullmatch(text)
    return address(match[1]) if match else None


def _network(text: str) -> IPv4Network | IPv6Network:
    """A network; one of IPv4 addresses in IPv6 (`::ffff:…`) becomes IPv4, as `address` does."""
    found = ip_network(text)
    if isinstance(found, IPv6Network) and found.subnet_of(MAPPED):
        return IPv4Network((int(found[0]) & 0xFFFFFFFF, found.prefixlen - MAPPED.prefixlen))
    return found


class Proxies:
    """A set of proxies: networks, and maybe all clients of a Unix socket.

    Args:
        text: comma-separated addresses, networks such as `10.0.0.0/8`, `unix`, or `*` for all.

    Attributes:
        all: whether the set is `*`.

    Raises:
        ValueError: an entry is none of these. The text of the error is the entry.
    """

    def __init__(self, text: str) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        entries = words(text)
        self.all = "*" in entries
        self._unix = UNIX in entries
        for entry in entries:
            if entry not in ("*", UNIX):
                try:
                    self._networks.append(_network(entry))
                except ValueError:
                    raise ValueError(entry) from None

    @property
    def is_wide(self) -> bool:
        """Whether the set has all addresses, or a network larger than the private ones.

        Networks next to each other count as one: `0.0.0.0/1, 128.0.0.0/1` are all of IPv4.
        """
        v4 = [one for one in self._networks if isinstance(one, IPv4Network)]
        v6 = [one for one in self._networks if isinstance(one, IPv6Network)]
        return (
            self.all
            or any(one.prefixlen < WIDEST_IPV4 for one in collapse_addresses(v4))
            or any(one.prefixlen < WIDEST_IPV6 for one in collapse_addresses(v6))
        )

    def __contains__(self, proxy: Address | None) -> bool:
        """Whether a proxy is in the set; `None` is a client of a Unix socket."""
        if self.all:
            return True
        return self._unix if proxy is None else any(proxy in one for one in self._networks)
