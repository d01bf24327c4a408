"""A UDP listener."""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from anyio import getaddrinfo, wait_readable
from anyio.lowlevel import checkpoint

from sources.links.addresses import Address, cannot_listen
from sources.links.chunk import Chunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

MAX_DATAGRAM_BYTES = 65_535
"""Maximum bytes of a UDP datagram (RFC 768)."""

BUFFER_BYTES = 2**21
"""Bytes that the operating system is asked to buffer; it may grant fewer."""

BATCH = 32
"""Maximum number of datagrams that are read in one turn of the event loop."""


BUFFER_FULL = "the operating system dropped it, as its buffer of datagrams was full"
"""The reason for the loss of a datagram."""

SO_RXQ_OVFL = 40
"""The option of Linux that adds the number of dropped datagrams to each datagram: socket(7)."""

EXTRA_BYTES = socket.CMSG_SPACE(4)
"""Bytes of that number and its header."""


class UdpListener:
    """Receives datagrams at an address, from any number of senders.

    Datagrams wait in the buffer of the operating system. If it is full, the operating system drops
    further datagrams; Linux reports their number.

    Args:
        address: to listen on; a multicast group (IPv4) is joined.

    Attributes:
        place: as in `Link`; with the port in use once the listener is open.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.place = f"udp://{address}"

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield each datagram as a chunk; see `Link`."""
        try:
            listener = await self._open()
        except OSError as exc:
            raise cannot_listen(self.place, exc) from exc
        with listener:
            self.place = f"udp://{Address(*listener.getsockname()[:2])}"
            dropped = 0
            while True:
                await wait_readable(listener)
                for _ in range(BATCH):
                    try:
                        data, extra, _, sender = listener.recvmsg(MAX_DATAGRAM_BYTES, EXTRA_BYTES)
                    except BlockingIOError:
                        break
                    before, dropped = dropped, _dropped(extra, dropped)
                    yield Chunk(data, sender[0], whole=True, dropped=(dropped - before) % 2**32)
                await checkpoint()

    async def _open(self) -> socket.socket:
        host, port = self._address.host, self._address.port
        found = await getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, name = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            if sys.platform == "linux":
                listener.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            group = ip_address(name[0])
            if group.is_multicast and group.version == 4:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                membership = group.packed + socket.inet_aton("0.0.0.0")  # noqa: S104 # any interface
                listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            listener.bind(name)
        except BaseException:
            listener.close()
            raise
        return listener


def _dropped(extra: Sequence[tuple[int, int, bytes]], known: int) -> int:
    """The number of datagrams dropped so far, from the ancillary data of a datagram."""
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
            return int(struct.unpack("I", data)[0])
    return known
