"""Closes clients' connections, for which ASGI has no message.

After a response, the server waits until the client has read everything. A stalled client never
does: its socket and buffers remain, and a shutdown waits for it. A client whose network vanished
sends no FIN: the kernel buffers small events for it for hours. Neither acknowledges data.

The kernel's own timeout, TCP_USER_TIMEOUT, also closes connections of slow clients: it counts the
time in which a client's window is small, even if it reads steadily.

`Connections` uses the transport that uvicorn exposes (`rover.asgi.servers.uvicorn`). Under other
servers, and under middleware that wraps `receive`, the server's own limits apply; docs/embedding.md
lists their options.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

from anyio import CancelScope, sleep

from rover.asgi.servers.uvicorn import transport_of
from rover.asgi.watched import Watched
from rover.stalls import Stalls
from rover.tokens.grants import Grants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope

    from rover.asgi.servers.uvicorn import Transport

logger = logging.getLogger("rover.connections")

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


class _Ended(Watched):
    """An ended response. The server may not have sent its last bytes yet."""

    def __init__(self, transport: Transport, *, unread: bool) -> None:
        super().__init__("an ended response", transport, transport.abort)
        self.last_unsent = UNREAD if unread else None


class Connections:
    """The connections of one mission's clients. `run` finds those that are stalled.

    Args:
        timeout_s: seconds after which a client that acknowledges no data is aborted.
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
        self._ended: dict[Transport, _Ended] = {}  # oldest first
        self._watched: set[Watched] = set()

    async def run(self) -> None:
        """Stop the responses to stalled clients until cancelled. All share one timer.

        A client is stalled if it has acknowledged none of its unsent data for `timeout_s`. If the
        server does not expose the connection, it is stalled if one send takes `timeout_s`.
        """
        stalls: Stalls[Watched] = Stalls(self.timeout_s)
        while True:
            await sleep(stalls.period_s)
            for stalled in stalls.find([*self._watched, *self._ended.values()], monotonic()):
                logger.info("%s: the client read no data for %g s", stalled.name, self.timeout_s)
                self._watched.discard(stalled)
                stalled.stop()

    def begin(self, receive: Receive) -> None:
        """Note that a response begins, so that an earlier one of its connection has been sent."""
        if (transport := transport_of(receive)) is not None:
            self._ended.pop(transport, None)

    @contextmanager
    def watch(self, scope: Scope, receive: Receive, stop: Callable[[], None]) -> Iterator[Watched]:
        """Call `stop` if the client stalls in the block. Send through `Watched.timed` in it.

        Args:
            scope: of the request.
            receive: of the request.
            stop: ends the block.
        """
        self.begin(receive)
        watched = Watched(ascii(scope["path"]), transport_of(receive), stop)
        self._watched.add(watched)
        try:
            yield watched
        finally:
            self._watched.discard(watched)

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
            flush: first let the client read the buffered data, unless it stalls.
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
            with (
                CancelScope() as reading,
                self.watch(scope, receive, reading.cancel) as client,
            ):
                client.sending_since = monotonic()
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
        self._ended[transport] = _Ended(transport, unread=unread)
        for oldest in list(islice(self._ended, 2)):  # done ones must not pile up
            if len(self._ended) > self._max_ended or _is_done(oldest):
                del self._ended[oldest]

    def abort_ended(self) -> None:
        """Abort ended responses whose client has read no data since the last call.

        At shutdown, a server waits for its connections before it runs the lifespan's shutdown. It
        may have begun to close some of them: such a close waits for the client, too.
        """
        for transport, ended in list(self._ended.items()):
            unsent = transport.get_write_buffer_size()
            if ended.last_unsent == UNREAD or (ended.last_unsent == unsent and unsent):
                transport.abort()
                del self._ended[transport]
            elif not unsent:
                del self._ended[transport]
            else:
                ended.last_unsent = unsent

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
