"""The source: an MQTT broker's messages as samples."""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING, Literal

from sources.base import Parameter, Sample, SourceError
from sources.mqtt.address import Address
from sources.mqtt.bundle import Bundle
from sources.mqtt.connection import Connection, connected
from sources.values.dictionary import read_dictionary
from sources.values.losses import Losses
from sources.values.payload import PayloadReader, PayloadRefused
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from aiomqtt import Message


class MqttTelemetry:
    """What is published under some topics.

    Either a message is a whole sample, a JSON object; or it is one parameter, with the value alone
    as JSON or plain text, and what comes within `window_s` makes one sample. A message that can be
    neither is counted and logged, and the next is read.

    Args:
        url: broker and topic filter, up to the `?`.
        each: what one message is.
        qos: of the subscription: 0, 1 or 2.
        client_id: keeps a session at the broker under this name, so that with a `qos` of 1 or more
            it keeps what is published while we are away.
        retained: take what the broker kept from before we came; of a sample without a time nobody
            knows how old it is.
        path: dotted place of the values in a sample's message.
        time: dotted place of its time; else the usual ones, or the arrival.
        window_s: how long a sample of single values stays open.
        keepalive_s: silence of one and a half times this is a lost connection.
        parameters: a JSON file that declares parameters; others are learned as they come.
        period_s: seconds expected between two samples; longer silence is `stale`.
        clock: POSIX seconds.

    Raises:
        SourceError: the URL or an option makes no sense.

    Attributes:
        losses: messages that could not be used.
        period_s: there only if it was given.
    """

    period_s: float

    def __init__(
        self,
        url: str,
        /,
        each: Literal["sample", "parameter"] = "sample",
        qos: Literal[0, 1, 2] = 0,
        client_id: str = "",
        retained: bool = True,
        path: str = "",
        time: str = "",
        window_s: float = 0.1,
        keepalive_s: int = 30,
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        if each == "parameter" and (path or time):
            raise SourceError("path and time are for each=sample; leave them out")
        self._address = Address.parse(url)
        self._each = each
        self._qos = qos
        self._client_id = client_id
        self._retained = retained
        self._window_s = Range(more_than=0, unit="s").number("window_s", window_s)
        self._keepalive_s = Range(1, 0xFFFF, "s").whole("keepalive_s", keepalive_s)
        self._clock = clock
        if period_s is not None:
            self.period_s = Range(more_than=0, unit="s").number("period_s", period_s)
        self._reader = PayloadReader(read_dictionary(parameters), time=time, path=path, clock=clock)
        self.losses = Losses(f"mqtt {self._address.place}")

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those declared, and those learned so far."""
        return self._reader.parameters

    async def samples(self) -> AsyncIterator[Sample]:
        """Connect, subscribe, and yield what is published.

        Raises:
            SourceError: the broker cannot be reached, or is gone.
        """
        async with connected(
            self._address,
            qos=self._qos,
            keepalive_s=self._keepalive_s,
            client_id=self._client_id,
            losses=self.losses,
        ) as connection:
            whole = self._each == "sample"
            async for sample in self._whole(connection) if whole else self._bundled(connection):
                yield sample

    async def _whole(self, connection: Connection) -> AsyncIterator[Sample]:
        while (message := await connection.receive()) is not None:
            if self._wanted(message):
                try:
                    samples = self._reader.samples(_payload(message))
                except PayloadRefused as exc:
                    self._refuse(message, exc)
                else:
                    for sample in samples:
                        yield sample

    async def _bundled(self, connection: Connection) -> AsyncIterator[Sample]:
        bundle = Bundle(self._window_s)
        while True:
            closed: Sample | None = None
            try:
                message = await connection.receive(bundle.left_s(self._clock()))
            except SourceError:
                if (last := bundle.close()) is not None:
                    yield last
                raise
            if message is None:
                closed = bundle.close()
            elif self._wanted(message):
                name = self._address.parameter(str(message.topic))
                try:
                    values = self._reader.values(name, _payload(message))
                except PayloadRefused as exc:
                    self._refuse(message, exc)
                else:
                    closed = bundle.add(values, self._clock())
            if closed is not None:
                yield closed

    def _wanted(self, message: Message) -> bool:
        return self._retained or not message.retain

    def _refuse(self, message: Message, reason: PayloadRefused) -> None:
        self.losses.add(f"in {str(message.topic)[:80]!r}: {reason}", _payload(message))


def _payload(message: Message) -> bytes:
    return bytes(message.payload)
