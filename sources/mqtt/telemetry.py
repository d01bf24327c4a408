"""The source: MQTT messages become samples."""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING, Literal

from sources.base import Parameter, Sample, SourceError
from sources.mqtt.address import Address
from sources.mqtt.bundle import Bundle
from sources.mqtt.connection import CONNECT_TIMEOUT_S, Connection, connected
from sources.values.dictionary import read_dictionary
from sources.values.losses import Losses
from sources.values.payload import PayloadReader, PayloadRefused
from sources.values.ranges import POSITIVE_S, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from aiomqtt import Message


class MqttTelemetry:
    """Samples from the messages of an MQTT topic or topic filter.

    With `each=sample`, a message is a sample: a JSON object. With `each=parameter`, a message is
    one value, as JSON or plain text, and the values of `window_s` make one sample. A message that
    cannot be read is counted and logged, and the next message is read.

    Args:
        url: broker and topic filter, without the query.
        each: what one message holds: a sample or one parameter.
        qos: of the subscription: 0, 1 or 2.
        client_id: keeps a session with this name at the broker. With a `qos` of 1 or 2, the broker
            then stores messages while the server is disconnected.
        retained: read the messages that the broker retained; a retained sample without a time gets
            its time of arrival, however old it is.
        path: dotted place of the values in a sample's message.
        time: dotted place of the time in a sample's message; see `PayloadReader`.
        window_s: seconds that a sample of single values stays open.
        keepalive_s: the connection is lost after 1.5 times this without a packet.
        parameters: a JSON file that declares parameters; others are learned from messages.
        period_s: expected seconds between two samples; a longer silence is `stale`.
        clock: POSIX seconds.
        connect_timeout_s: seconds that the broker may take to answer each step of connecting.

    Raises:
        SourceError: the URL or an option is invalid.

    Attributes:
        losses: messages that could not be read.
        period_s: exists only if it was given.
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
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        if each == "parameter" and (path or time):
            raise SourceError("path, time: must be left out with each=parameter")
        self._address = Address.parse(url)
        self._each = each
        self._qos = qos
        self._client_id = client_id
        self._retained = retained
        self._window_s = POSITIVE_S.number("window_s", window_s)
        self._keepalive_s = Range(1, 0xFFFF, "s").whole("keepalive_s", keepalive_s)
        self._clock = clock
        self._connect_timeout_s = POSITIVE_S.number("connect_timeout_s", connect_timeout_s)
        if period_s is not None:
            self.period_s = POSITIVE_S.number("period_s", period_s)
        self._reader = PayloadReader(read_dictionary(parameters), time=time, path=path, clock=clock)
        self.losses = Losses(f"mqtt {self._address.place}")

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self._reader.parameters

    async def samples(self) -> AsyncIterator[Sample]:
        """Connect, subscribe, and yield the samples of the messages.

        Raises:
            SourceError: the broker cannot be reached, refuses, or closed the connection.
        """
        async with connected(
            self._address,
            qos=self._qos,
            keepalive_s=self._keepalive_s,
            client_id=self._client_id,
            losses=self.losses,
            connect_timeout_s=self._connect_timeout_s,
        ) as connection:
            read = self._whole if self._each == "sample" else self._bundled
            async for sample in read(connection):
                yield sample

    async def _whole(self, connection: Connection) -> AsyncIterator[Sample]:
        while (message := await connection.receive()) is not None:
            if self._is_wanted(message):
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
            elif self._is_wanted(message):
                name = self._address.parameter(str(message.topic))
                try:
                    values = self._reader.values(name, _payload(message))
                except PayloadRefused as exc:
                    self._refuse(message, exc)
                else:
                    closed = bundle.add(values, self._clock())
            if closed is not None:
                yield closed

    def _is_wanted(self, message: Message) -> bool:
        return self._retained or not message.retain

    def _refuse(self, message: Message, reason: PayloadRefused) -> None:
        self.losses.add(f"topic {str(message.topic)[:80]!r}: {reason}", _payload(message))


def _payload(message: Message) -> bytes:
    return bytes(message.payload)
