"""The telemetry source: JSON messages become samples."""

from __future__ import annotations

import json
import time as clocks
from typing import TYPE_CHECKING

from sources.base import Sample, SourceError
from sources.values.dictionary import read_dictionary
from sources.values.formats import Format  # noqa: TC001 # the registry resolves it
from sources.values.losses import Losses
from sources.values.payload import PayloadReader, PayloadRefused
from sources.values.payload_source import PayloadSource
from sources.values.ranges import POSITIVE_S, Range
from sources.websocket.connection import Server
from sources.websocket.subscriptions import RETRY_S, Subscriptions, messages_in, to_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

MAX_MESSAGE_BYTES = 2**20
"""Maximum bytes of one message; a larger one closes the connection (1009)."""

MAX_STATUS_BYTES = 4096
"""Maximum bytes of a status message of rosbridge."""


class WebSocketTelemetry(PayloadSource):
    """Samples from a WebSocket server: each object in a message is one sample.

    A message without a sample is counted and logged, and the next message is read. Messages wait in
    the connection: backpressure reaches a server that sends faster than the mission reads.

    Args:
        url: the URL without its query.
        topics: those of rosbridge to subscribe to, separated by commas. With several topics, the
            names of the values start with their topics.
        throttle_ms: milliseconds between two messages of a topic; rosbridge leaves out the others.
        subscribe: sent unchanged after connecting; a JSON list of objects is sent one by one.
        path: dotted place of the values in a message, such as `msg`.
        prefix: dotted place of a text that is put before the parameter names, such as `topic`.
        time: dotted place of the time, in the values or in the message; see `PayloadReader`.
        format: of the messages; by default it is recognised.
        timezone: of times without an offset, such as `Europe/Berlin`; UTC if empty.
        parameters: a JSON file that declares parameters; others are learned from messages.
        period_s: expected seconds between two samples; a longer silence is `stale`.
        clock: POSIX seconds.
        retry_s: seconds before a topic that rosbridge refused is subscribed again.
        query: the query for the server.

    Raises:
        SourceError: the URL or an option is invalid.

    Attributes:
        losses: messages without a sample.
    """

    def __init__(
        self,
        url: str,
        /,
        topics: str = "",
        throttle_ms: int = 0,
        subscribe: str = "",
        path: str = "",
        prefix: str = "",
        time: str = "",
        format: Format = "auto",  # noqa: A002 # the name of the option
        timezone: str = "",
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
        retry_s: float = RETRY_S,
        **query: str,
    ) -> None:
        self._server = Server(url, query)
        if topics and (subscribe or path or prefix or time or format not in ("auto", "rosbridge")):
            raise SourceError(
                "subscribe, path, prefix, time, format: must be left out with topics, which are"
                " those of rosbridge"
            )
        throttle_ms = Range(at_least=0, unit="ms").whole("throttle_ms", throttle_ms)
        names = [name for topic in topics.split(",") if (name := topic.strip())]
        self._subscriptions = Subscriptions(
            to_topics(names, throttle_rate=throttle_ms) if names else messages_in(subscribe),
            POSITIVE_S.number("retry_s", retry_s),
        )
        is_plain = format == "json" or bool(path or time)
        if self._subscriptions.topics > 1 and is_plain and not prefix:
            raise SourceError(
                "subscribe: the values of several topics would have the same names; add"
                " prefix=topic, or leave out path, time and format"
            )
        reader = PayloadReader(
            read_dictionary(parameters),
            time=time,
            path=path,
            prefix=prefix,
            format="rosbridge" if topics else format,
            timezone=timezone,
            has_topics=self._subscriptions.topics != 1,
            source=self._server.place,
            clock=clock,
        )
        super().__init__(reader, period_s)
        self.losses = Losses(self._server.place)

    async def samples(self) -> AsyncIterator[Sample]:
        """Connect, subscribe, and yield the samples of each message.

        Raises:
            SourceError: the server cannot be reached, or closed the connection.
        """
        async with self._server.connected(MAX_MESSAGE_BYTES) as socket:
            await self._subscriptions.send(socket)
            while True:
                payload = await self._subscriptions.receive(socket)
                for sample in self._read(payload):
                    yield sample

    def _read(self, payload: bytes | str) -> Sequence[Sample]:
        try:
            return self.reader.samples(payload)
        except PayloadRefused as exc:
            self.losses.add(exc, payload)
            if len(payload) <= MAX_STATUS_BYTES:
                self._note(payload)
            return ()

    def _note(self, payload: bytes | str) -> None:
        try:
            status = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if isinstance(status, dict) and status.get("op") == "status":
            self._subscriptions.note(status)
