"""One telemetry source of a mission: runs it, and leaves out values that are not usable."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from rover.guard import Guard
from rover.supervise import FIRST_PAUSE_S, State, Supervisor, idle_state
from rover.telemetry.dictionary import dictionary_of, first_dictionary_of, period_of
from rover.telemetry.events import sample_json, state_json
from rover.telemetry.freshness import MIN_STALE_S, Freshness
from rover.telemetry.values import Unusable, usable_values
from sources.base import RESERVED, Event, Lossy, Sample, SourceError
from sources.rules import sample_mistake
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.supervise import Health
    from rover.telemetry.translation import Translation
    from sources.base import Parameter, TelemetrySource

logger = logging.getLogger("rover.telemetry")


class Feed:
    """The usable samples and the events of one source.

    Args:
        name: of the source, for clients.
        label: of the source, for log lines.
        source: read by this object only.
        translation: from the source's names to those of the mission.
        max_sample_bytes: size limit of a sample's JSON.
        publish: called with each usable sample and its JSON.
        publish_event: called with each valid event.
        on_change: called when the state of the source changes.
        min_stale_s: seconds of silence before which the source is not stale.
        first_pause_s: seconds before the first restart of the source.
        clock: POSIX seconds.

    Attributes:
        parameters: the source's dictionary, with the names of the mission.
        unusable: number of values that were left out because they are not usable.
        last_unusable: the newest of them.
        supervisor: runs the source.
    """

    def __init__(
        self,
        name: str,
        label: str,
        source: TelemetrySource,
        translation: Translation,
        max_sample_bytes: int,
        *,
        publish: Callable[[Feed, Sample, str], None],
        publish_event: Callable[[Feed, Event], None],
        on_change: Callable[[Feed], None],
        min_stale_s: float = MIN_STALE_S,
        first_pause_s: float = FIRST_PAUSE_S,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.source = source
        self.unusable = 0
        self.last_unusable: Unusable | None = None
        self._label = label
        self._guard = Guard(label, source)
        self._max_sample_bytes = max_sample_bytes
        self._publish = publish
        self._publish_event = publish_event
        self._freshness = Freshness(min_stale_s=min_stale_s)
        self._declared = first_dictionary_of(source, label)
        translation.check(self._declared)
        self._translation = None if translation.is_identity else translation
        self._learned = 0  # parameters that only the configuration declares
        self.parameters = self._translated_parameters()
        self.supervisor = Supervisor(
            label,
            idle=idle_state(source),
            silence=self._silence,
            on_change=lambda _: on_change(self),
            first_pause_s=first_pause_s,
            clock=clock,
        )

    @property
    def health(self) -> Health:
        """The state of the source."""
        return self.supervisor.health

    @property
    def declared(self) -> Sequence[str]:
        """The source's own names of the parameters that it declares."""
        return [parameter.name for parameter in self._declared]

    def state_json(self) -> str:
        """The state of the source, and its unusable values, as JSON."""
        last = None if self.last_unusable is None else str(self.last_unusable)
        return state_json(self.name, self.health, self.unusable, last)

    async def run(self) -> None:
        """Publish the source's samples until cancelled."""
        await self.supervisor.run(self._follow)

    def tick(self) -> None:
        """Observe the period of the source; call it about once a second."""
        self._freshness.tick()

    def count_unusable(self, value: Unusable) -> None:
        """Count a value that is left out, and log it if the count is a power of two."""
        self.unusable += 1
        self.last_unusable = value
        if self.unusable.bit_count() == 1:
            logger.warning(
                "%s: unusable value %d: %s",
                self._label,
                self.unusable,
                value,
                extra={"source": self._label},
            )

    def update_dictionary(self, *, changed_only: bool = False) -> bool:
        """Use the source's dictionary; returns whether it has changed.

        Args:
            changed_only: compare only the number of parameters: cheap enough for each sample.
        """
        learned = len(self._translation.learned) if self._translation is not None else 0
        if changed_only and learned == self._learned and self._has_same_length():
            return False
        try:
            declared = self._guard.read("parameters", dictionary_of, self.source, self._declared)
        except SourceError as exc:
            self.supervisor.set_mistake(describe(exc))  # the last valid dictionary remains
            return False
        self.supervisor.set_mistake("")
        if declared is self._declared and learned == self._learned:
            return False
        self._declared, self._learned = declared, learned
        self.parameters = self._translated_parameters()
        return True

    def _has_same_length(self) -> bool:
        try:
            return bool(self.supervisor.mistake) or len(self.source.parameters) == len(
                self._declared
            )
        except Exception:  # `update_dictionary` reports it
            return False

    async def _follow(self) -> None:
        async with self._guard.iterate("samples()", self.source.samples) as samples:
            async for sample in samples:
                if isinstance(sample, Event):
                    self._take_event(sample)
                elif (checked := self._usable(sample)) is not None:
                    self._record_data()
                    self._publish(self, *checked)
                await checkpoint()  # a source that never waits must not starve the clients

    def _take_event(self, event: Event) -> None:
        if mistake := sample_mistake(event):
            what, _, reason = mistake.text.partition(": ")
            self._reject(Unusable(what, reason))
            return
        self._record_data()
        self._publish_event(self, event)

    def _silence(self) -> float | None:
        is_starting = self.health.state is State.STARTING
        if is_starting and isinstance(self.source, Lossy) and self.source.losses.last:
            self.supervisor.unusable(self.source.losses.last)
        try:
            period_s = self._guard.read("period_s", period_of, self.source)
        except SourceError:
            period_s = None  # `update_dictionary` reports it
        if not self._freshness.is_stale(self.name, period_s):
            return None
        return self._freshness.silent_s(self.name)

    def _record_data(self) -> None:
        self.supervisor.data()
        self._freshness.record((self.name,))

    def _usable(self, sample: Sample) -> tuple[Sample, str] | None:
        """The sample with its usable values, and its JSON; `None` if there are none."""
        try:
            if not sample.values.keys().isdisjoint(RESERVED):
                sample = _without_reserved_names(sample)
            if self._translation is not None:
                translated = self._translated(self._translation, sample)
                if translated is None:
                    return None
                sample = translated
            data = sample_json(sample)
            size = len(data.encode())  # raises for text with a lone surrogate
        except (TypeError, ValueError, AttributeError):
            if mistake := sample_mistake(sample):
                what, _, reason = mistake.text.partition(": ")
                self._reject(Unusable(what, reason))
                return None
            usable, unusable = usable_values(sample.values)
            for value in unusable:
                self.count_unusable(value)
            if not usable:
                if unusable:
                    self.supervisor.unusable(str(unusable[-1]))
                return None
            sample = Sample(sample.t, usable)
            try:
                data = sample_json(sample)
            except (TypeError, ValueError) as exc:  # the time is out of range
                self._reject(Unusable("t", str(exc)))
                return None
            size = len(data.encode())
        if size > self._max_sample_bytes:
            largest = max(sample.values, key=lambda name: len(repr(sample.values[name])))
            reason = f"the sample has {size:,} bytes, more than its limit (ROVER_MAX_SAMPLE_BYTES)"
            self._reject(Unusable(largest, reason))
            return None
        return sample, data

    def _translated(self, translation: Translation, sample: Sample) -> Sample | None:
        """The sample with the names of the mission; `None` if no value is left."""
        sample, refused = translation.sample(sample)
        for value in refused:
            self.count_unusable(value)
        if sample.values:
            return sample
        if refused:
            self.supervisor.unusable(str(refused[-1]))
        else:  # all values are excluded on purpose
            self._record_data()
        return None

    def _translated_parameters(self) -> Sequence[Parameter]:
        if self._translation is None:
            return self._declared
        return self._translation.parameters(self._declared)

    def _reject(self, reason: Unusable) -> None:
        self.count_unusable(reason)
        self.supervisor.unusable(str(reason))


def _without_reserved_names(sample: Sample) -> Sample:
    """The sample with the names in `RESERVED` renamed: `late` becomes `late_sent`."""
    values = {f"{k}_sent" if k in RESERVED else k: value for k, value in sample.values.items()}
    return Sample(sample.t, values)
