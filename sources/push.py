"""Telemetry that devices send to the server: `push:`, with `POST /ingest/telemetry`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from anyio import Event

from sources.base import Sample, SourceError
from sources.lines.influx import InfluxReader
from sources.values.dictionary import read_dictionary
from sources.values.formats import Format  # noqa: TC001 # the registry resolves it
from sources.values.payload import PayloadReader
from sources.values.payload_source import PayloadSource
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


RETRY_AFTER_S = 1
"""Seconds after which a device should send a refused batch again."""


class InboxFull(SourceError):
    """The queue has no room for a batch; none of its samples was accepted."""

    def __init__(self, samples: int, waiting: int, max_queue: int) -> None:
        self.samples = samples
        self.waiting = waiting
        self.max_queue = max_queue
        self.retry_after_s = RETRY_AFTER_S
        super().__init__(
            f"none of the {samples:,} samples was accepted: {waiting:,} are waiting, and the limit"
            f" is {max_queue:,} (`max_queue`); send them again in {RETRY_AFTER_S} s"
        )


class PushTelemetry(PayloadSource):
    """Samples from devices, in the order of arrival.

    Samples wait in a bounded queue. A batch that does not fit is refused as a whole, so that the
    sender knows; no accepted sample is dropped.

    Args:
        max_queue: maximum number of waiting samples, and of samples in one batch.
        time: dotted place of the time in a sample; see `PayloadReader`.
        path: dotted place of the values in a sample.
        prefix: dotted place of a text that is put before the parameter names, such as `device`.
        format: of the samples; by default it is recognised.
        timezone: of times without an offset, such as `Europe/Berlin`; UTC if empty.
        parameters: a JSON file that declares parameters; others are learned from samples.
        period_s: expected seconds between two samples; a longer silence is `stale`.

    Raises:
        SourceError: an option is invalid.

    Attributes:
        max_queue: as given.
        accepted: number of samples that were accepted.
        reader: parses JSON bodies into samples for `take`.
        line_protocol: parses bodies in InfluxDB line protocol.
    """

    def __init__(
        self,
        max_queue: int = 10_000,
        time: str = "",
        path: str = "",
        prefix: str = "",
        format: Format = "auto",  # noqa: A002 # the name of the option
        timezone: str = "",
        parameters: Path | None = None,
        period_s: float | None = None,
    ) -> None:
        self.max_queue = Range(at_least=1).whole("max_queue", max_queue)
        reader = PayloadReader(
            read_dictionary(parameters),
            time=time,
            path=path,
            prefix=prefix,
            format=format,
            timezone=timezone,
            source="push",
        )
        super().__init__(reader, period_s)
        self.line_protocol = InfluxReader(reader)
        self.accepted = 0
        self._queue: deque[Sample] = deque()
        self._arrived = Event()

    @property
    def waiting(self) -> int:
        """Number of samples that were accepted and not yet yielded."""
        return len(self._queue)

    def take(self, samples: Sequence[Sample]) -> None:
        """Accept all of the samples, or none.

        Raises:
            InboxFull: the queue has no room for all of them.
        """
        if self.waiting + len(samples) > self.max_queue:
            raise InboxFull(len(samples), self.waiting, self.max_queue)
        self._queue.extend(samples)
        self.accepted += len(samples)
        self._arrived.set()

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield samples as they arrive; it never ends by itself."""
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._arrived = Event()
            await self._arrived.wait()
