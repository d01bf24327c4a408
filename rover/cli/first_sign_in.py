"""The output of `rover serve` if other machines can reach a server without tokens."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from rover.addresses import Address, address
from rover.cli.interfaces import interface_addresses
from rover.sessions.codes import CODE_S

if TYPE_CHECKING:
    from rover.mission import MissionControl

DOCUMENTATION_IPV4, DOCUMENTATION_IPV6 = ("192.0.2.1", 9), ("2001:db8::1", 9)
"""Addresses to which the system would use its default routes (RFC 5737, RFC 3849).

No packet is sent.
"""

ADD_TOKEN = "rover token add NAME --scope view"  # noqa: S105 # a command


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this address."""
    found = address(host)
    return host == "localhost" or (found is not None and found.is_loopback)


def first_sign_in(mission: MissionControl | None, host: str, port: int) -> str:
    """Instructions for the person who starts the server; empty if it needs none.

    It includes a URL with which one browser of another machine can sign in.

    Args:
        mission: issues the code of the URL; `None` if it runs in another process.
        host: the address that the server listens on.
        port: the port; 0 if the system chooses one.
    """
    if is_loopback(host) or (mission is not None and mission.tokens.required):
        return ""
    lines = [
        f"cosmic-rover: {host} can be reached from other machines, but the server has no tokens: "
        "clients of other machines receive 403.",
        f"  To give people access: {ADD_TOKEN}",
    ]
    if mission is not None:
        code = mission.sign_ins.codes.issue()
        url = f"http://{reachable(host)}:{port or 'PORT'}/sign-in?code={code}"
        lines.append(f"  To sign in with one browser, once, within {CODE_S // 60} minutes: {url}")
    return "\n".join([*lines, ""])


def reachable(host: str) -> str:
    """The host for a URL: for all addresses, the one of the network with the default route.

    Without that, it is the first one of another network, or else the loopback address. A server at
    `::` has no IPv4 address.
    """
    found = address(host)
    if found is not None and found.is_unspecified:
        loopback = address("127.0.0.1" if found.version == 4 else "::1")
        found = _own_address(found.version) or loopback
    return f"[{found}]" if isinstance(found, IPv6Address) else str(found or host)


def _own_address(version: int) -> Address | None:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(DOCUMENTATION_IPV4 if version == 4 else DOCUMENTATION_IPV6)
            return address(str(probe.getsockname()[0]))
    except OSError:  # no default route, as in a network in the field
        return next(interface_addresses(version), None)
