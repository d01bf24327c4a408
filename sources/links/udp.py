"""A UDP listener."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from anyio import getaddrinfo, wait_readable
from anyio.lowlevel import checkpoint

from sources.links.addresses import Address, cannot_listen
from sources.links.chunk import Chunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

MAX_DATAGRAM_BYTES = 65_535
"""Maximum bytes of a UDP datagram (RFC 768)."""

BUFFER_BYTES = 2**21
"""Bytes that the operating system is asked to buffer; it may grant fewer."""

BATCH = 32
"""Maximum number of datagrams that are read in one turn of the event loop."""


class UdpListener:
    """Receives datagrams at an address, from any number of senders.

    Datagrams wait in the buffer of the operating system. If it is full, the operating system drops
    further datagrams, as UDP allows.

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
            while True:
                await wait_readable(listener)
                for _ in range(BATCH):
                    try:
                        data, sender = listener.recvfrom(MAX_DATAGRAM_BYTES)
                    except BlockingIOError:
                        break
                    yield Chunk(data, host=sender[0], whole=True)
                await checkpoint()

    async def _open(self) -> socket.socket:
        host, port = self._address.host, self._address.port
        found = await getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, name = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
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
