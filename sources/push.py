"""Telemetry that a device sends by itself: `push:`, with `POST /ingest/telemetry`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from anyio import Event

from sources.base import Parameter, Sample, SourceError
from sources.values.dictionary import read_dictionary
from sources.values.payload import PayloadReader
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

RETRY_AFTER_S = 1


class InboxFull(SourceError):
    """There is no room for a batch; none of it was taken."""

    def __init__(self, samples: int, waiting: int, max_queue: int) -> None:
        self.samples = samples
        self.waiting = waiting
        self.max_queue = max_queue
        self.retry_after_s = RETRY_AFTER_S
        super().__init__(
            f"none of the {samples:,} samples was taken: {waiting:,} wait already, and"
            f" {max_queue:,} may; send them again in {RETRY_AFTER_S} s"
        )


class PushTelemetry:
    """What devices sent, in the order it came.

    Samples wait in a bounded inbox. A batch for which it has no room is refused whole, so that the
    sender knows: nothing is dropped here.

    Args:
        max_queue: samples that may wait; also the most in one batch.
        time: dotted place of the time in a sample; else the usual ones, or the arrival.
        path: dotted place of the values in what is sent.
        parameters: a JSON file that declares parameters; others are learned as they come.
        period_s: seconds expected between two samples; longer silence is `stale`.

    Raises:
        SourceError: an option makes no sense.

    Attributes:
        max_queue: as given.
        reader: reads what is sent.
        period_s: there only if it was given.
    """

    period_s: float

    def __init__(
        self,
        max_queue: int = 10_000,
        time: str = "",
        path: str = "",
        parameters: Path | None = None,
        period_s: float | None = None,
    ) -> None:
        if period_s is not None:
            self.period_s = Range(more_than=0, unit="s").number("period_s", period_s)
        self.max_queue = Range(at_least=1).whole("max_queue", max_queue)
        self.reader = PayloadReader(read_dictionary(parameters), time=time, path=path)
        self._inbox: deque[Sample] = deque()
        self._arrived = Event()

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those declared, and those learned so far."""
        return self.reader.parameters

    @property
    def waiting(self) -> int:
        """Samples that were taken and not yet yielded."""
        return len(self._inbox)

    def take(self, samples: Sequence[Sample]) -> None:
        """Take all of the samples, or none.

        Raises:
            InboxFull: there is no room for all of them.
        """
        if self.waiting + len(samples) > self.max_queue:
            raise InboxFull(len(samples), self.waiting, self.max_queue)
        self._inbox.extend(samples)
        self._arrived.set()

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield what comes; it never ends by itself."""
        while True:
            while self._inbox:
                yield self._inbox.popleft()
            self._arrived = Event()
            await self._arrived.wait()
