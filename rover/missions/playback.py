"""Sources that play a recorded mission: `replay:drive.rover`, `replay:rover-data`.

The telemetry and the camera of a mission begin at the same recorded time and repeat together.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from math import inf, nextafter
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
from anyio.to_thread import run_sync

from rover.missions.played import PlayedMission, at_speed
from sources.base import Event, Sample, UnknownImage
from sources.values.pace import Schedule
from sources.values.ranges import OptionError, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rover.missions.played import PlayedImage
    from sources.base import Image, Parameter

logger = logging.getLogger("rover.telemetry")

Times = Literal["now", "recorded"]
"""The times of samples: the present, or those of the record."""

PAUSE_S = 1.0
"""Seconds between the end of the record and its next beginning."""

LONG_WAIT_S = 3600.0
"""Seconds until the next sample from which a log line explains the wait."""


class Playback:
    """A recorded mission and its pace: what both kinds of source share.

    Args:
        path: of a file of `rover record`, a data folder, or its `mission.db`.
        speed: recorded seconds per second.
        loop: begin again after the end; else nothing follows. By default, only with `times=now`.
        times: those of samples and images: `now` or `recorded`.
        since: begin at this time of the record.
        until: end before this time of the record.
        clock: POSIX seconds.
        sleep: waits for a number of seconds.

    Attributes:
        mission: the range that is played.
        speed: recorded seconds per second.
        is_live: whether items have the present time.

    Raises:
        SourceError: the mission cannot be read, or an option is invalid.
    """

    def __init__(
        self,
        path: Path,
        speed: float,
        loop: bool | None,
        times: Times,
        since: str,
        until: str,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        Range(more_than=0).number("speed", speed)
        if loop and times == "recorded":
            reason = "must be no with times=recorded: the samples would be older than those before"
            raise OptionError("loop", "yes", reason)
        self.mission = PlayedMission(Path(path), since, until)
        self.speed = speed
        self.is_live = times == "now"
        self._loop = self.is_live if loop is None else loop
        self._clock = clock
        self._sleep = sleep
        self._at = self.mission.begin

    def start(self) -> Schedule:
        """Begin a run."""
        self._at = self.mission.begin
        return Schedule(self._clock, self._sleep)

    async def wait(self, schedule: Schedule, t: float) -> float:
        """Wait until an item of a recorded time is due; returns its time."""
        gap_s, self._at = (t - self._at) / self.speed, t
        if gap_s > LONG_WAIT_S:
            logger.warning(
                "%s: nothing is recorded for a while; the replay goes on in %.0f s; `since` and "
                "`until` choose a part",
                self.mission.path,
                gap_s,
            )
        due = await schedule.wait(gap_s)
        return due if self.is_live else t

    async def repeat(self, schedule: Schedule) -> None:
        """Wait from the last item to the next beginning."""
        if not self._loop:
            await self._sleep(inf)  # if it ended, the server would restart it
        await schedule.wait((self.mission.end - self._at) / self.speed + PAUSE_S)
        self._at = self.mission.begin


class MissionTelemetry:
    """Plays the samples and events of a recorded mission, with their exact values.

    Args:
        path: of a file of `rover record`, a data folder, or its `mission.db`. A server may write to
            the folder; what follows the start is not played.
        speed: recorded seconds per second.
        loop: begin again after the end; else nothing follows. By default, only with `times=now`.
        times: of the samples: `now`, at the recorded intervals divided by `speed`, or `recorded`.
        since: begin at this time of the record.
        until: end before this time of the record.
        clock: POSIX seconds.
        sleep: waits for a number of seconds.

    Raises:
        SourceError: the mission cannot be read, or an option is invalid.
    """

    def __init__(
        self,
        path: Path,
        speed: float = 1.0,
        loop: bool | None = None,
        times: Times = "now",
        since: str = "",
        until: str = "",
        *,
        clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._playback = Playback(path, speed, loop, times, since, until, clock, sleep)
        self.simulated = self._playback.mission.was_simulated("telemetry")

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The recorded dictionary. Values of others are played too."""
        playback = self._playback
        return [at_speed(one, playback.speed) for one in playback.mission.parameters]

    async def samples(self) -> AsyncIterator[Sample | Event]:
        """Yield samples and events in order of time, from the beginning on."""
        playback = self._playback
        schedule = playback.start()
        try:
            while True:
                async for one in self._recorded():
                    yield replace(one, t=await playback.wait(schedule, one.t))
                await playback.repeat(schedule)
        finally:
            playback.mission.close()

    async def _recorded(self) -> AsyncIterator[Sample | Event]:
        mission, since = self._playback.mission, self._playback.mission.begin
        events = iter(mission.events)
        event = next(events, None)
        while samples := await run_sync(mission.samples, since):
            since = nextafter(samples[-1].t, inf)
            mission.release((since - samples[0].t) / self._playback.speed)
            for sample in samples:
                while event is not None and event.t <= sample.t:
                    yield event
                    event = next(events, None)
                yield sample
        while event is not None:
            yield event
            event = next(events, None)


class MissionCamera:
    """Plays the images of a recorded mission: each is complete at the time of its last byte.

    Use it as a context manager. It begins with the first call of `new`, so that its caller receives
    the first image too.

    Args:
        path: of a file of `rover record`, a data folder, or its `mission.db`.
        speed: recorded seconds per second.
        loop: begin again after the end; else nothing follows. By default, only with `times=now`.
        times: of the images: `now` or `recorded`.
        since: begin at this time of the record.
        until: end before this time of the record.
        name: of the camera, if the record has several.
        clock: POSIX seconds.
        sleep: waits for a number of seconds.

    Raises:
        SourceError: the mission cannot be read, or an option is invalid.
    """

    def __init__(
        self,
        path: Path,
        speed: float = 1.0,
        loop: bool | None = None,
        times: Times = "now",
        since: str = "",
        until: str = "",
        name: str = "",
        *,
        clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._playback = Playback(path, speed, loop, times, since, until, clock, sleep)
        images = self._playback.mission.images
        names = sorted({one.camera for one in images})
        if name not in names and (name or len(names) > 1):
            raise OptionError("name", name, f"must be one of {', '.join(names)}")
        self.simulated = self._playback.mission.was_simulated("camera", name)
        self._images = [one for one in images if not name or one.camera == name]
        self._shown: dict[str, tuple[PlayedImage, Image]] = {}  # by id, oldest first
        self._arrived = 0  # number of arrivals
        self._changed = anyio.Event()
        self._is_followed = anyio.Event()
        self._stack = AsyncExitStack()

    async def images(self) -> Sequence[Image]:
        """The images that have arrived, newest first."""
        return [image for _, image in reversed(self._shown.values())]

    async def image(self, image_id: str) -> Image | None:
        """The image with that id; `None` if it has not arrived."""
        found = self._shown.get(image_id)
        return None if found is None else found[1]

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of an image."""
        if image_id not in self._shown:
            raise UnknownImage(image_id)
        played, _ = self._shown[image_id]
        while data := await run_sync(self._playback.mission.piece, played, start):
            yield data
            start += len(data)

    def new(self) -> AsyncIterator[str]:
        """Yield the id of each image that arrives after this call."""
        self._is_followed.set()
        return self._new_after(self._arrived)

    async def _new_after(self, arrived: int) -> AsyncIterator[str]:
        while True:
            changed = self._changed
            while arrived < self._arrived:
                arrived += 1
                yield self._images[(arrived - 1) % len(self._images)].image.id
            await changed.wait()

    async def __aenter__(self) -> Self:
        """Begin to play."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(self._play)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        """Stop."""
        return await self._stack.__aexit__(*exc_info)

    async def _play(self) -> None:
        if not self._images:
            return
        await self._is_followed.wait()
        playback = self._playback
        schedule = playback.start()
        for run in count():
            for one in self._images:
                t = await playback.wait(schedule, one.t)
                taken_at, revision = one.image.taken_at, one.image.revision
                image = replace(
                    one.image,
                    # an image that arrives again is received again, also if its bytes are the same
                    revision=f"{revision}-{run}" if run else revision,
                    received_at=t,
                    taken_at=None if taken_at is None else taken_at + t - one.t,
                )
                self._shown.pop(one.image.id, None)
                self._shown[one.image.id] = one, image
                self._arrived += 1
                changed, self._changed = self._changed, anyio.Event()
                changed.set()
            await playback.repeat(schedule)
