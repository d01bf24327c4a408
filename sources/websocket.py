"""Telemetry from any WebSocket that speaks JSON: `ws://HOST:PORT/PATH`, `wss://…`.

    ws://robot:9090?subscribe={"op":"subscribe","topic":"/imu"}&path=msg&prefix=topic

The options below are taken out of the URL's query; whatever else it holds is the server's, and
stays in the URL. A certificate authority of your own is named by `SSL_CERT_FILE`.
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
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

OPEN_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 1
"""A server that does not say goodbye must not hold up the end of the mission."""

PING_S = 20
"""After twice this without an answer, the connection is taken for lost."""

MAX_MESSAGE_BYTES = 2**20


class WebSocketTelemetry:
    """What a WebSocket server says: each message an object is one sample.

    A message that holds no sample is counted and logged, and the next is read. Messages wait in the
    connection, not here: a server that is faster than we are is slowed down by TCP.

    Args:
        url: up to its `?`.
        subscribe: sent after connecting, as it is; a JSON list of objects is sent one by one.
        path: dotted place of the values in a message, such as `msg`.
        prefix: dotted place of a text that the parameters' names begin with, such as `topic`.
        time: dotted place of the time, in the values or the message; else the usual ones, or the
            arrival.
        parameters: a JSON file that declares parameters; others are learned as they come.
        period_s: seconds expected between two samples; longer silence is `stale`.
        clock: POSIX seconds.
        query: the server's own query.

    Raises:
        SourceError: the URL or an option makes no sense.

    Attributes:
        losses: messages that held no sample.
        period_s: there only if it was given.
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
                "it is no URL of a WebSocket; write ws://host:port/path, or wss:// for TLS"
            ) from exc
        if period_s is not None:
            self.period_s = Range(more_than=0, unit="s").number("period_s", period_s)
        self._url = url
        self._subscribe = _messages(subscribe)
        self._reader = PayloadReader(
            read_dictionary(parameters), time=time, path=path, prefix=prefix, clock=clock
        )
        self.losses = Losses(self._place)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those declared, and those learned so far."""
        return self._reader.parameters

    async def samples(self) -> AsyncIterator[Sample]:
        """Connect, subscribe, and yield what comes.

        Raises:
            SourceError: nobody answers, or the connection is lost.
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
            raise SourceError(f"{self._place} answers {status} instead of a WebSocket") from exc
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
            with CancelScope(shield=True):  # its end is bounded by CLOSE_TIMEOUT_S
                await socket.close()

    def _read(self, payload: bytes | str) -> Sequence[Sample]:
        try:
            return self._reader.samples(payload)
        except PayloadRefused as exc:
            self.losses.add(exc, payload)
            return ()


def _messages(subscribe: str) -> Sequence[str]:
    """The text as it is, or the objects of a JSON list of them."""
    try:
        found = json.loads(subscribe)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and found and all(isinstance(item, dict) for item in found):
        return [json.dumps(item) for item in found]
    return [subscribe] if subscribe else []
