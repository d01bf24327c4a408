"""A telemetry source that reads lines from a link."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from anyio.lowlevel import checkpoint

from sources.base import Parameter, Sample, SourceError
from sources.lines.decoder import Format, LineDecoder
from sources.lines.ownership import Ownership
from sources.lines.splitter import MAX_LINE_BYTES, LineSplitter
from sources.links.udp import BUFFER_FULL
from sources.values.dictionary import Dictionary, read_dictionary
from sources.values.losses import Losses
from sources.values.parsing import PayloadRefused
from sources.values.ranges import POSITIVE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from sources.lines.influx import Precision
    from sources.links.chunk import Chunk, Link

Prefix = Literal["", "sender"]

MAX_SENDERS = 64
"""Maximum number of senders whose headers and unfinished lines are kept; the oldest is dropped."""

LINES_PER_TURN = 32
"""Number of lines after which other tasks run."""

MAX_UNREADABLE = 100
"""Number of lines after which a link is lost if none of them could be read."""


class LineTelemetry:
    """Samples from the lines of a link. A line that cannot be read is counted and logged.

    Args:
        link: the bytes.
        form: of the lines: `auto` detects it for each line.
        columns: names of the columns of CSV lines, separated by commas.
        prefix: `sender` puts the sender's address before each name.
        precision: of timestamps in line protocol.
        time: name of the value that is the time; see `PayloadReader`.
        timezone: of times without an offset, such as `Europe/Berlin`; UTC if empty.
        path: dotted place of the values in JSON, such as `msg`.
        parameters: a JSON file that declares parameters; others are learned from lines.
        period_s: expected seconds between two samples; a longer silence is `stale`.
        hint: how to fix a link without any readable line.
        clock: POSIX seconds.

    Raises:
        SourceError: an option is invalid.

    Attributes:
        losses: lines that could not be read, and values of another sender's parameters.
        period_s: exists only if it was given.
    """

    period_s: float

    def __init__(
        self,
        link: Link,
        *,
        form: Format,
        columns: str,
        prefix: Prefix = "",
        precision: Precision,
        time: str,
        timezone: str,
        path: str,
        parameters: Path | None,
        period_s: float | None,
        hint: str,
        clock: Callable[[], float],
    ) -> None:
        if columns and form not in ("auto", "csv"):
            raise SourceError(f"columns={columns:.80}: must be left out with format={form}")
        if period_s is not None:
            self.period_s = POSITIVE_S.number("period_s", period_s)
        declared = read_dictionary(parameters)
        names = tuple(name.strip() for name in columns.split(",")) if columns else ()

        def make_decoder() -> LineDecoder:
            return LineDecoder(
                form,
                columns=names,
                precision=precision,
                parameters=declared,
                time=time,
                timezone=timezone,
                path=path,
                clock=clock,
            )

        make_decoder()  # raises if an optional dependency is missing
        self._link = link
        self._prefix = prefix
        self._hint = hint
        self._make_decoder = make_decoder
        self._dictionary = Dictionary(declared)
        self.losses = Losses(link.place)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self._dictionary.parameters

    @property
    def place(self) -> str:
        """The device or the address; with the port in use once a listener is open."""
        return self._link.place

    async def samples(self) -> AsyncIterator[Sample]:
        """Open the link, and yield the samples of its lines.

        Raises:
            SourceError: the link cannot be opened or is lost, or none of its lines can be read.
        """
        reading = _Reading(self._make_decoder, self.losses, self._hint)
        ownership = Ownership()
        async with aclosing(self._link.chunks()) as chunks:
            async for chunk in chunks:
                if chunk.dropped:
                    self.losses.add(BUFFER_FULL, count=chunk.dropped)
                decoder, lines = reading.lines(chunk)
                for number, line in enumerate(lines, 1):
                    for sample in reading.samples(decoder, line):
                        yield self._named(sample, decoder, chunk.host, ownership)
                    if number % LINES_PER_TURN == 0:
                        await checkpoint()
                await checkpoint()

    def _named(
        self, sample: Sample, decoder: LineDecoder, host: str, ownership: Ownership
    ) -> Sample:
        """The sample with the names of its sender, and without those of other senders."""
        values, units = dict(sample.values), decoder.units
        if self._prefix and host:
            start = host.replace(".", "_").replace(":", "_")
            values = {f"{start}.{name}": value for name, value in values.items()}
            units = {f"{start}.{name}": unit for name, unit in units.items()}
        elif host:
            for name, owner in ownership.foreign(host, values).items():
                del values[name]
                self.losses.add(
                    f"{name} of {host}: {owner} sends a parameter with this name;"
                    " add prefix=sender to keep both"
                )
        for name in self._dictionary.learn(values):
            self._dictionary.describe(name, units.get(name, ""))
        return Sample(sample.t, values)


class _Reading:
    """The lines and decoders of all senders, from one opening of the link to the next."""

    def __init__(self, make_decoder: Callable[[], LineDecoder], losses: Losses, hint: str) -> None:
        self._make_decoder = make_decoder
        self._losses = losses
        self._hint = hint
        self._senders: OrderedDict[object, tuple[LineSplitter, LineDecoder]] = OrderedDict()
        self._has_read = False
        self._unreadable = 0

    def lines(self, chunk: Chunk) -> tuple[LineDecoder, Sequence[bytes]]:
        """The lines that a chunk completes, and the decoder of their sender.

        Raises:
            SourceError: none of the lines of the link could be read.
        """
        key = chunk.host if chunk.whole else chunk.stream
        if key not in self._senders:
            splitter = LineSplitter(is_partial=chunk.partial)
            self._senders[key] = splitter, self._make_decoder()
            if len(self._senders) > MAX_SENDERS:
                self._senders.popitem(last=False)
        self._senders.move_to_end(key)
        splitter, decoder = self._senders[key]
        too_long = splitter.too_long
        lines = splitter.feed(chunk.data + b"\n" if chunk.whole else chunk.data)
        for _ in range(splitter.too_long - too_long):
            self._refuse(PayloadRefused(f"longer than {MAX_LINE_BYTES:,} bytes"))
        if chunk.last:
            del self._senders[key]
            if rest := splitter.end():  # it may be a part of a number
                self._losses.add("the connection ended inside a line", rest)
        return decoder, lines

    def samples(self, decoder: LineDecoder, line: bytes) -> Sequence[Sample]:
        """The samples of a line.

        Raises:
            SourceError: none of the lines of the link could be read.
        """
        try:
            found = decoder.samples(line)
        except PayloadRefused as exc:
            self._refuse(exc, line)
            return ()
        self._has_read = self._has_read or bool(found)
        return found

    def _refuse(self, reason: PayloadRefused, line: bytes = b"") -> None:
        self._losses.add(reason, line)
        self._unreadable += 1
        if self._unreadable >= MAX_UNREADABLE and not self._has_read:
            raise SourceError(
                f"none of the last {MAX_UNREADABLE} lines could be read ({reason}); {self._hint}"
            )
