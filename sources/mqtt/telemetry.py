"""The source: MQTT messages become samples."""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING, Literal

from sources.base import Sample, SourceError
from sources.mqtt.address import Address
from sources.mqtt.bundle import Bundle
from sources.mqtt.connection import CONNECT_TIMEOUT_S, Connection, connected
from sources.mqtt.discovery import entities
from sources.mqtt.discovery import filters as discovery_filters
from sources.mqtt.topics import is_telemetry
from sources.values.dictionary import read_dictionary
from sources.values.flatten import join_place
from sources.values.formats import Format  # noqa: TC001 # the registry resolves it
from sources.values.losses import Losses
from sources.values.payload import PayloadReader, PayloadRefused
from sources.values.payload_source import PayloadSource
from sources.values.ranges import POSITIVE_S, OptionError, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiomqtt import Message

    from sources.mqtt.sparkplug import Sparkplug

SPARKPLUG = "spBv1.0"
"""The first level of the topics of Sparkplug B."""


class MqttTelemetry(PayloadSource):
    """Samples from the messages of an MQTT topic or topic filter.

    With `each=sample`, a message is a sample: a JSON object, or a single value as JSON or a word.
    With `each=parameter`, a message is one value, as JSON or plain text, and the values of
    `window_s` make one sample. A message that cannot be read is counted and logged, and the next
    message is read.

    With a topic filter, the names of a sample's values start with the levels of its topic that
    differ between the topics of the filter. So the values of two devices stay apart.

    Args:
        url: broker and topic filter, without the query.
        each: the content of one message: a sample or one parameter.
        qos: of the subscription: 0, 1 or 2.
        client_id: keeps a session with this name at the broker. With a `qos` of 1 or 2, the broker
            then stores messages while the server is disconnected.
        retained: read the messages that the broker retained; a retained sample without a time gets
            its time of arrival, however old it is.
        path: dotted place of the values in a sample's message.
        time: dotted place of the time in a sample's message; see `PayloadReader`.
        prefix: dotted place of a text that is put before the parameter names, such as `device`.
        topic_names: whether names start with levels of the topic. `False` merges the values of all
            topics by their names.
        format: of the messages; by default it is recognised.
        timezone: of times without an offset, such as `Europe/Berlin`; UTC if empty.
        discovery: the topic below which devices announce themselves to Home Assistant, usually
            `homeassistant`. Parameters get their units and descriptions from there.
        rebirth: ask edge nodes of Sparkplug B for births that were missed; this publishes commands.
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
    """

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
        prefix: str = "",
        topic_names: bool = True,
        format: Format = "auto",  # noqa: A002 # the name of the option
        timezone: str = "",
        discovery: str = "",
        rebirth: bool = False,
        window_s: float = 0.1,
        keepalive_s: int = 30,
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        if each == "parameter" and (path or time or prefix or format != "auto"):
            raise SourceError("path, time, prefix, format: must be left out with each=parameter")
        if {"+", "#", "\0"} & set(discovery):
            raise OptionError("discovery", discovery, "must be a topic without wildcards")
        self._address = Address.parse(url)
        self._each = each
        self._qos = qos
        self._client_id = client_id
        self._retained = retained
        self._topic_names = topic_names
        self._discovery = discovery_filters(discovery) if discovery else ()
        self._window_s = POSITIVE_S.number("window_s", window_s)
        self._keepalive_s = Range(1, 0xFFFF, "s").whole("keepalive_s", keepalive_s)
        self._clock = clock
        self._connect_timeout_s = POSITIVE_S.number("connect_timeout_s", connect_timeout_s)
        name = f"mqtt {self._address.place}"
        reader = PayloadReader(
            read_dictionary(parameters),
            time=time,
            path=path,
            prefix=prefix,
            format=format,
            timezone=timezone,
            source=name,
            clock=clock,
        )
        super().__init__(reader, period_s)
        self.losses = Losses(name)
        self._rebirth = rebirth
        self._sparkplug: Sparkplug | None = None
        if self._address.topics.startswith(f"{SPARKPLUG}/") and each == "sample":
            self._sparkplug = self._open_sparkplug()

    async def samples(self) -> AsyncIterator[Sample]:
        """Connect, subscribe, and yield the samples of the messages.

        Raises:
            SourceError: the broker cannot be reached, refuses, or closed the connection.
        """
        async with connected(
            self._address,
            (self._address.topics, *self._discovery),
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
            if not self._is_wanted(message):
                continue
            try:
                samples = self._read(str(message.topic), _payload(message))
            except PayloadRefused as exc:
                self._refuse(message, exc)
            else:
                for sample in samples:
                    yield sample
            if self._rebirth and self._sparkplug is not None:
                for topic, command in self._sparkplug.rebirths():
                    await connection.publish(topic, command)

    def _read(self, topic: str, payload: bytes) -> list[Sample]:
        if topic.startswith(f"{SPARKPLUG}/"):
            if self._sparkplug is None:
                self._sparkplug = self._open_sparkplug()
            return self._sparkplug.read(topic, payload)
        place = self._topic_place(topic)
        return self.reader.samples(payload, place, self._address.value_place(topic))

    def _open_sparkplug(self) -> Sparkplug:
        try:
            from sources.mqtt.sparkplug import Sparkplug
        except ImportError as exc:
            raise PayloadRefused(
                f"Sparkplug B needs an optional dependency ({exc}); pip install"
                " 'cosmic-rover[sparkplug]'"
            ) from exc
        return Sparkplug(self.reader, self._address.varies, self.losses, self._clock)

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
                place = self._address.value_place(str(message.topic))
                try:
                    values = self.reader.values(place, _payload(message))
                except PayloadRefused as exc:
                    self._refuse(message, exc)
                else:
                    closed = bundle.add(values, self._clock())
            if closed is not None:
                yield closed

    def _is_wanted(self, message: Message) -> bool:
        """Whether a message may hold telemetry. A discovery message is read here."""
        if any(message.topic.matches(topics) for topics in self._discovery):
            self._describe(message)
            return False
        return (self._retained or not message.retain) and is_telemetry(str(message.topic))

    def _describe(self, message: Message) -> None:
        try:
            found = entities(_payload(message))
        except PayloadRefused as exc:
            self._refuse(message, exc)
            return
        for entity in found:
            if not self._address.covers(entity.topic):
                continue
            is_value = self._each == "parameter" or not entity.keys
            topic = entity.topic
            place = self._address.value_place(topic) if is_value else self._topic_place(topic)
            self.reader.describe(join_place(place, *entity.keys), entity.unit, entity.description)

    def _topic_place(self, topic: str) -> str:
        return self._address.topic_place(topic) if self._topic_names else ""

    def _refuse(self, message: Message, reason: PayloadRefused) -> None:
        self.losses.add(f"topic {str(message.topic)[:80]!r}: {reason}", _payload(message))


def _payload(message: Message) -> bytes:
    return bytes(message.payload)
