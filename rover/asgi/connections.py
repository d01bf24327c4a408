"""Closes clients' connections, for which ASGI has no message.

After a response, the server waits until the client has read everything. A stalled client never
does: its socket and buffers remain, and a shutdown waits for it. A client whose network vanished
sends no FIN: the kernel buffers small events for it for hours.

`Connections` uses the transport that uvicorn exposes (`rover.asgi.servers.uvicorn`). Under other
servers, and under middleware that wraps `receive`, the server's own limits apply; docs/embedding.md
lists their options.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from anyio import move_on_after, sleep

from rover.asgi.servers.uvicorn import transport_of
from rover.tokens.grants import Grants

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from rover.asgi.servers.uvicorn import Transport

TCP_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only

MAX_ENDED = 10_000
"""Maximum number of ended responses that are watched for progress."""

UNREAD = -1
"""Used instead of the number of unsent bytes if part of the request's body was not read."""

ABORT_INTERVAL_S = 0.2
"""Seconds without progress after which an ended response is aborted at shutdown."""


class IncompleteResponse(Exception):
    """A response is incomplete, and its connection cannot be closed without the server.

    The app raises it to the server. If the app returned, middleware would complete the response.
    """


class Connections:
    """The connections of one mission's clients.

    Args:
        timeout_s: seconds after which a client that reads no data is aborted.
        max_ended: maximum number of ended responses that `abort_ended` watches.
        grants: ends the streams of clients that lose their access.

    Attributes:
        grants: the same.
    """

    def __init__(
        self, timeout_s: float, max_ended: int = MAX_ENDED, grants: Grants | None = None
    ) -> None:
        self.timeout_s = timeout_s
        self.grants = Grants() if grants is None else grants
        self._max_ended = max_ended
        self._ended: dict[Transport, int | None] = {}  # oldest first; unsent bytes when last seen

    def limit_unacknowledged(self, receive: Receive) -> None:
        """Have the kernel close the connection if the client acknowledges no data for `timeout_s`.

        The time starts with the first data that is sent after the client vanished, for example a
        heartbeat.

        Source: RFC 5482; tcp(7), TCP_USER_TIMEOUT.
        """
        if TCP_USER_TIMEOUT is None or (transport := transport_of(receive)) is None:
            return
        self._ended.pop(transport, None)  # a new request on the same connection
        with suppress(OSError, AttributeError, ValueError):  # not TCP, or closed already
            timeout_ms = int(self.timeout_s * 1000)
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms)

    def abort(self, receive: Receive) -> bool:
        """Close the connection at once, if the server exposes it. Buffered data is lost.

        Returns:
            Whether the server exposes the connection.
        """
        if (transport := transport_of(receive)) is None:
            return False
        transport.abort()
        return True

    async def end_incomplete(
        self,
        scope: Scope,
        receive: Receive,
        *,
        flush: bool = False,
        length_known: bool = False,
    ) -> None:
        """Close the connection of an incomplete response, so that the client notices.

        Return from the app afterwards.

        Args:
            scope: of the request.
            receive: of the request; it has not returned a disconnect yet.
            flush: first let the client read the buffered data, for at most `timeout_s`.
            length_known: whether the response has a `Content-Length`, which shows the client that
                it is incomplete.

        Raises:
            IncompleteResponse: the server does not expose the connection, and the response has no
                `Content-Length`.
        """
        if (transport := transport_of(receive)) is None:
            if length_known:
                return
            raise IncompleteResponse(scope["path"])
        if flush:
            transport.close()
            with move_on_after(self.timeout_s):
                await wait_for_disconnect(receive)
                return
        transport.abort()
        await wait_for_disconnect(receive)

    def end(self, receive: Receive, *, unread: bool = False) -> None:
        """Note that a response ended. The server may not have sent its last bytes yet.

        Args:
            receive: of the request.
            unread: whether part of the request's body was not read, so that the server cannot
                reuse the connection.
        """
        transport = transport_of(receive)
        if transport is None or not (unread or transport.get_write_buffer_size()):
            return
        self._ended.pop(transport, None)
        self._ended[transport] = UNREAD if unread else None
        for oldest in list(islice(self._ended, 2)):  # done ones must not pile up
            if len(self._ended) > self._max_ended or _is_done(oldest):
                del self._ended[oldest]

    def abort_ended(self) -> None:
        """Abort ended responses whose client has read no data since the last call.

        At shutdown, a server waits for its connections before it runs the lifespan's shutdown. It
        may have begun to close some of them: such a close waits for the client, too.
        """
        for transport, unsent in list(self._ended.items()):
            now_unsent = transport.get_write_buffer_size()
            if unsent == UNREAD or (unsent == now_unsent and now_unsent):
                transport.abort()
                del self._ended[transport]
            elif not now_unsent:
                del self._ended[transport]
            else:
                self._ended[transport] = now_unsent

    async def keep_aborting_ended(self) -> None:
        """Call `abort_ended` at intervals until cancelled."""
        while True:
            self.abort_ended()
            await sleep(ABORT_INTERVAL_S)


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client or the server has closed an HTTP request's connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_done(transport: Transport) -> bool:
    """Whether the connection is closed and has sent everything."""
    return transport.is_closing() and not transport.get_write_buffer_size()
