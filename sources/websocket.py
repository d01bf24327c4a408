"""Telemetry from a WebSocket server that sends JSON: `ws://HOST:PORT/PATH`, `wss://…`.

    ws://robot:9090?subscribe={"op":"subscribe","topic":"/imu"}&path=msg&prefix=topic

Options of this source are removed from the URL's query; the rest of the query is sent to the
server. `SSL_CERT_FILE` names a certificate authority of your own.
"""

from __future__ import annotations

import json
import time as clocks
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from anyio import CancelScope
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.uri import parse_uri

from sources.base import Parameter, Sample, SourceError
from sources.values.dictionary import read_dictionary
from sources.values.losses import Losses
from sources.values.payload import PayloadReader, PayloadRefused
from sources.values.ranges import POSITIVE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

OPEN_TIMEOUT_S = 10
"""Seconds that the opening handshake may take."""

CLOSE_TIMEOUT_S = 1
"""Seconds that the closing handshake may take, so that shutdown does not wait for the server."""

PING_S = 20
"""Seconds between two pings, and for their answers; then the connection is lost."""

MAX_MESSAGE_BYTES = 2**20
"""Maximum bytes of one message; a larger one closes the connection (1009)."""


class WebSocketTelemetry:
    """Samples from a WebSocket server: each object in a message is one sample.

    A message without a sample is counted and logged, and the next message is read. Messages wait in
    the connection: backpressure reaches a server that sends faster than the mission reads.

    Args:
        url: the URL without its query.
        subscribe: sent unchanged after connecting; a JSON list of objects is sent one by one.
        path: dotted place of the values in a message, such as `msg`.
        prefix: dotted place of a text that is put before the parameter names, such as `topic`.
        time: dotted place of the time, in the values or in the message; see `PayloadReader`.
        parameters: a JSON file that declares parameters; others are learned from messages.
        period_s: expected seconds between two samples; a longer silence is `stale`.
        clock: POSIX seconds.
        query: the query for the server.

    Raises:
        SourceError: the URL or an option is invalid.

    Attributes:
        losses: messages without a sample.
        period_s: exists only if it was given.
    """

    period_s: float

    def __init__(
        self,
        url: str,
        /,
        subscribe: str = "",
        path: str = "",
        prefix: str = "",
        time: str = "",
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
        **query: str,
    ) -> None:
        if query:
            url = f"{url}?{urlencode(query, quote_via=quote)}"
        try:
            parse_uri(url)
            parts = urlsplit(url)
            self._place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        except (InvalidURI, ValueError) as exc:
            raise SourceError(
                "must be a WebSocket URL: ws://host:port/path, or wss:// for TLS"
            ) from exc
        if period_s is not None:
            self.period_s = POSITIVE_S.number("period_s", period_s)
        self._url = url
        self._subscribe = _messages(subscribe)
        self._reader = PayloadReader(
            read_dictionary(parameters), time=time, path=path, prefix=prefix, clock=clock
        )
        self.losses = Losses(self._place)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self._reader.parameters

    async def samples(self) -> AsyncIterator[Sample]:
        """Connect, subscribe, and yield the samples of each message.

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
                max_size=MAX_MESSAGE_BYTES,
            )
        except InvalidStatus as exc:
            status = exc.response.status_code
            raise SourceError(
                f"{self._place} answered {status} instead of opening a WebSocket"
            ) from exc
        except (OSError, WebSocketException) as exc:
            raise SourceError(f"{self._place} cannot be reached ({exc}); is it running?") from exc
        try:
            for message in self._subscribe:
                await socket.send(message)
            while True:
                payload = await socket.recv()
                for sample in self._read(payload):
                    yield sample
        except ConnectionClosed as exc:
            raise SourceError(f"{self._place} closed the connection ({exc})") from exc
        finally:
            with CancelScope(shield=True):  # at most CLOSE_TIMEOUT_S
                await socket.close()

    def _read(self, payload: bytes | str) -> Sequence[Sample]:
        try:
            return self._reader.samples(payload)
        except PayloadRefused as exc:
            self.losses.add(exc, payload)
            return ()


def _messages(subscribe: str) -> Sequence[str]:
    """The text as one message; the objects of a JSON list as one message each."""
    try:
        found = json.loads(subscribe)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and found and all(isinstance(item, dict) for item in found):
        return [json.dumps(item) for item in found]
    return [subscribe] if subscribe else []
