"""The source: MAVLink messages become samples."""

from __future__ import annotations

import time as clocks
from collections import OrderedDict
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from sources.base import Event, Parameter, Sample
from sources.lines.ownership import Ownership
from sources.links.udp import BUFFER_FULL
from sources.mavlink.address import link_of
from sources.mavlink.dialect import Dialect, load
from sources.mavlink.messages import SEVERITIES, MessageReader
from sources.mavlink.receiver import BYTES_PER_TURN, Receiver, newest
from sources.mavlink.vehicles import StatusTexts, VehicleClock, VehicleNames
from sources.values.dictionary import Dictionary, read_dictionary
from sources.values.losses import Losses
from sources.values.ranges import POSITIVE_S, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path


class MavlinkTelemetry:
    """Samples from the messages of one or more vehicles. It only receives, and sends nothing.

    Args:
        address: as pymavlink writes it: `udpin:0.0.0.0:14550`, `tcp:127.0.0.1:5760`,
            `/dev/ttyACM0`.
        baud: bits per second of a serial device.
        dialect: the messages that are known.
        system: the id of the only system to read; by default all are read.
        parameters: a JSON file that declares parameters; others are learned from messages.
        period_s: expected seconds between two samples; a longer silence is `stale`.
        clock: POSIX seconds.

    Raises:
        SourceError: the address or an option is invalid.

    Attributes:
        losses: damaged and unknown messages.
        period_s: exists only if it was given.
    """

    period_s: float

    def __init__(
        self,
        address: str,
        /,
        baud: int = 57_600,
        dialect: Dialect = "ardupilotmega",
        system: int | None = None,
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        if period_s is not None:
            self.period_s = POSITIVE_S.number("period_s", period_s)
        if system is not None:
            system = Range(1, 255).whole("system", system)
        self._link = link_of(address, baud)
        self._dialect = dialect
        self._module = load(dialect)
        self._reader = MessageReader(dialect)
        self._names = VehicleNames(system, self._link.place)
        self._dictionary = Dictionary(read_dictionary(parameters))
        self._clock = clock
        self.losses = Losses(f"mavlink {self._link.place}")

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self._dictionary.parameters

    @property
    def place(self) -> str:
        """The device or the address; with the port in use once a listener is open."""
        return self._link.place

    async def samples(self) -> AsyncIterator[Sample | Event]:
        """Open the link, and yield one sample for each message with values.

        The texts of a vehicle (STATUSTEXT) are events too.

        Raises:
            SourceError: the link cannot be opened or is lost, or it carries no MAVLink.
        """
        receiver = Receiver(self._module, self.losses, self._dialect)
        senders: OrderedDict[tuple[str, int, int], _Sender] = OrderedDict()
        ownership = Ownership()
        async with aclosing(self._link.chunks()) as chunks:
            async for chunk in chunks:
                if chunk.dropped:
                    self.losses.add(BUFFER_FULL, count=chunk.dropped)
                for start in range(0, len(chunk.data), BYTES_PER_TURN):
                    for message in receiver.messages(chunk, start):
                        ids = message.get_srcSystem(), message.get_srcComponent()
                        sender = newest(senders, (chunk.host, *ids), _Sender)
                        for item in self._items(message, sender, chunk.host, ownership):
                            yield item
                    await checkpoint()

    def _items(
        self, message: Any, sender: _Sender, host: str, ownership: Ownership
    ) -> Iterator[Sample | Event]:
        prefix = self._names.prefix(message.get_srcSystem(), message.get_srcComponent())
        if prefix is None:
            return
        t = sender.clock.time(message, self._clock())
        if sample := self._sample(message, t, prefix, host, ownership):
            yield sample
        if message.msgname == "STATUSTEXT" and (text := sender.texts.join(message)) is not None:
            severity = SEVERITIES[min(message.severity, len(SEVERITIES) - 1)]
            yield Event(t, severity, f"{prefix}STATUSTEXT", text)

    def _sample(
        self, message: Any, t: float, prefix: str, host: str, ownership: Ownership
    ) -> Sample | None:
        plain, units = self._reader.values(message)
        values = {prefix + name: value for name, value in plain.items()}
        for name, owner in ownership.foreign(host, values).items():
            del values[name]
            self.losses.add(
                f"{name} of {host}: {owner} sends the same system id; give each vehicle its own"
            )
        for name in self._dictionary.learn(values, integers=True):
            self._dictionary.describe(name, units.get(name.removeprefix(prefix), ""))
        return Sample(t, values) if values else None


class _Sender:
    """The clock and the unfinished text of one component."""

    def __init__(self) -> None:
        self.clock = VehicleClock()
        self.texts = StatusTexts()
