"""The number of bytes that a connection has not sent yet, also those that the kernel holds."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if sys.platform != "win32":
    from fcntl import ioctl
    from termios import TIOCOUTQ

if TYPE_CHECKING:
    from rover.asgi.servers.uvicorn import Transport


def unsent_bytes(transport: Transport | None) -> int:
    """Bytes of a connection that the client has not acknowledged; 0 if that is unknown.

    On Windows, only those that the kernel has not taken.

    Source: tcp(7), SIOCOUTQ, the same request as TIOCOUTQ.
    """
    if transport is None:
        return 0
    count = transport.get_write_buffer_size()
    if sys.platform != "win32":
        with suppress(OSError, AttributeError, ValueError):  # no socket, or closed already
            queued = ioctl(transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4))
            count += int.from_bytes(queued, sys.byteorder)
    return count
