"""The client of a connection of uvicorn: in its log lines, and whether it is still known."""

from __future__ import annotations

import logging
import socket
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class _ClientLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records have the address of a client as `client`.

    uvicorn's messages about malformed requests do not name it. Without the address, one could not
    see who floods the log.
    """

    @property
    def level(self) -> int:
        """The level of the logger, which uvicorn reads."""
        return self.logger.level


def is_tcp(transport: asyncio.Transport) -> bool:
    """Whether a connection is one of TCP. It has an address until the client resets it."""
    connection = transport.get_extra_info("socket")
    return connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6)


@lru_cache(1024)
def logger_of(host: str) -> logging.Logger:
    """The logger for the connections of an address. They share it, to save memory."""
    return _ClientLogger(logging.getLogger("uvicorn.error"), {"client": host})  # type: ignore[return-value] # it has the methods that uvicorn calls
