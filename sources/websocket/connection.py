"""One connection to a WebSocket server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from anyio import CancelScope
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.uri import parse_uri

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

OPEN_TIMEOUT_S = 10
"""Seconds that the opening handshake may take."""

CLOSE_TIMEOUT_S = 1
"""Seconds that the closing handshake may take, so that shutdown does not wait for the server."""

PING_S = 20
"""Seconds between two pings, and for their answers; then the connection is lost."""


class Server:
    """A WebSocket server.

    Args:
        url: the URL without its query.
        query: the query for the server.

    Raises:
        SourceError: the URL is invalid.

    Attributes:
        place: its URL without query and password, for messages and logs.
    """

    def __init__(self, url: str, query: Mapping[str, str]) -> None:
        self._url = f"{url}?{urlencode(query, quote_via=quote)}" if query else url
        try:
            parse_uri(self._url)
            parts = urlsplit(self._url)
            self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        except (InvalidURI, ValueError) as exc:
            raise SourceError(
                "must be a WebSocket URL: ws://host:port/path, or wss:// for TLS"
            ) from exc

    @asynccontextmanager
    async def connected(self, max_message_bytes: int) -> AsyncIterator[ClientConnection]:
        """A connection to the server, which is closed at the end of the block.

        Args:
            max_message_bytes: of one message; a larger one closes the connection (1009).

        Raises:
            SourceError: the server cannot be reached, or closed the connection.
        """
        try:
            socket = await connect(
                self._url,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                max_size=max_message_bytes,
            )
        except InvalidStatus as exc:
            status = exc.response.status_code
            raise SourceError(
                f"{self.place} answered {status} instead of opening a WebSocket"
            ) from exc
        except (OSError, WebSocketException) as exc:
            raise SourceError(f"{self.place} cannot be reached ({exc}); is it running?") from exc
        try:
            yield socket
        except ConnectionClosed as exc:
            raise SourceError(f"{self.place} closed the connection ({exc})") from exc
        finally:
            with CancelScope(shield=True):  # at most CLOSE_TIMEOUT_S
                await socket.close()
