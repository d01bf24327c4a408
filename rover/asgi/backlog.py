"""The unsent bytes of a connection, with those in the kernel, and its progress."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from rover.stalls import Backlog

if sys.platform != "win32":
    from fcntl import ioctl
    from termios import TIOCOUTQ

if TYPE_CHECKING:
    from rover.asgi.servers.uvicorn import Transport

TCP_INFO = struct.Struct("=2xB117xQ")
"""`tcpi_retransmits` and `tcpi_bytes_acked` in Linux's `struct tcp_info`, since Linux 4.1."""

MAX_UNREAD_BYTES = 16 * 2**20
"""Maximum of `Backlog.unread_bytes`. The usual maximum receive buffers are 6 and 32 MiB."""


def backlog_of(transport: Transport | None) -> Backlog:
    """The backlog of a connection.

    On Windows, only bytes that the kernel has not taken are unsent.

    Source: tcp(7), SIOCOUTQ, the same request as TIOCOUTQ, and TCP_INFO; linux/tcp.h.
    """
    if transport is None:
        return Backlog()
    unsent = transport.get_write_buffer_size()
    if sys.platform != "win32":
        with suppress(OSError, AttributeError, ValueError):  # no socket, or closed already
            connection = transport.get_extra_info("socket")
            queued = ioctl(connection.fileno(), TIOCOUTQ, bytes(4))
            unsent += int.from_bytes(queued, sys.byteorder)
            if unsent and sys.platform == "linux" and connection.family != socket.AF_UNIX:
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
                if len(info) == TCP_INFO.size:
                    retransmits, acked = TCP_INFO.unpack(info)
                    # a client whose buffer is full still answers, so nothing is sent twice to it
                    unread = 0 if retransmits else min(acked, MAX_UNREAD_BYTES)
                    return Backlog(unsent, acked, unread)
    return Backlog(unsent, -unsent)
