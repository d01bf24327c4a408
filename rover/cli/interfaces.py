"""The addresses of this machine on its networks, on Linux. Other systems have none here.

Source: netdevice(7), `SIOCGIFADDR`; the kernel's net/ipv6/addrconf.c, `if6_seq_show`.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

from rover.addresses import Address, address

if TYPE_CHECKING:
    from collections.abc import Iterator

SIOCGIFADDR = 0x8915

IFREQ = struct.Struct("16s4xI16x")
"""The name of an interface, and its IPv4 address after the family and the port."""

IF_INET6 = Path("/proc/net/if_inet6")


def interface_addresses(version: int) -> Iterator[Address]:
    """The addresses that other machines can reach, of IPv4 or IPv6, without link-local ones."""
    if sys.platform == "linux":
        for found in _ipv4() if version == 4 else _ipv6():
            if not (found.is_loopback or found.is_link_local or found.is_unspecified):
                yield found


def _ipv4() -> Iterator[Address]:

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = IFREQ.pack(name.encode(), 0)
            with suppress(OSError):  # it has no address
                answer = fcntl.ioctl(probe, SIOCGIFADDR, request)
                found = address(socket.inet_ntoa(answer[20:24]))
                if found is not None:
                    yield found


def _ipv6() -> Iterator[Address]:
    with suppress(OSError), IF_INET6.open(encoding="ascii") as lines:
        for line in lines:
            yield IPv6Address(int(line.split()[0], 16))
