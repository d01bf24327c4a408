"""When images arrived: a stream of the log, for replays and for lists of a past moment."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from time import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from rover.errors import LogDamaged
from rover.events import new_epoch
from rover.logs.base import Record
from rover.logs.search import newest_before
from rover.wire import dumps
from sources.base import Image
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.logs.base import Log

logger = logging.getLogger("rover.images")

STREAM = "images"
"""The key of the stream."""

KIND = "image"
"""The kind of its records."""

MAX_RECORDS = 100_000
"""Maximum number of records; the oldest are deleted."""

TRIM_STEP = 1_000
"""Number of records that are deleted together."""

PAGE_RECORDS = 500
"""Number of records that are read at once."""

MAX_INTERRUPTED = 2_000
"""Maximum number of records that are read at the start."""

INTERRUPTED = "the server ended while it arrived"

MAX_READ = 20_000
"""Maximum number of records that are read for one list."""

ImageState = Literal["arriving", "stalled", "complete", "broken"]

STATES: tuple[ImageState, ...] = get_args(ImageState)
"""The state of an image: it is `broken` if its bytes will not all arrive."""

STORED = tuple(info.name for info in fields(Image) if info.name != "path")


class Arrival(NamedTuple):
    """An image at a time in the past.

    Attributes:
        camera: the name of the camera.
        image: as it was then.
        state: of the image then.
        reason: why it is broken; may be empty.
    """

    camera: str
    image: Image
    state: ImageState
    reason: str = ""


class Arrivals:
    """The changes of the images of all cameras, in the log.

    Args:
        log: keeps them.
        clock: POSIX seconds.
        max_records: maximum number of changes that are kept.
        beside: keys of other streams, whose newest records show until when the server ran.
        changed: called with each change, when it is recorded.
    """

    def __init__(
        self,
        log: Log,
        clock: Callable[[], float] = time,
        max_records: int = MAX_RECORDS,
        beside: Sequence[str] = (),
        changed: Callable[[Arrival], None] = lambda _: None,
    ) -> None:
        self._beside = beside
        self._changed = changed
        self._log = log
        self._clock = clock
        self._max_records = max_records

    async def end_interrupted(self) -> None:
        """Record that images are broken which arrived when the server ended; call it at the start.

        Their time is that of the newest record of an image or of a stream beside. Among the newest
        changes, at most `MAX_INTERRUPTED` are read.
        """
        try:
            changes = await self._log.read(STREAM, limit=MAX_INTERRUPTED, newest=True)
            found = {
                (arrival.camera, arrival.image.id): arrival
                for arrival in map(arrival_of, changes)
                if arrival
            }
            interrupted = [one for one in found.values() if one.state == "arriving"]
            if not interrupted:
                return
            newest = changes[-1:]
            for key in self._beside:
                newest += await self._log.read(key, limit=1, newest=True)
        except LogDamaged:
            return  # the log reports it
        ended_at = max(one.at for one in newest)
        for one in interrupted:
            self.add(one._replace(state="broken", reason=INTERRUPTED), ended_at)
        await self.commit()

    async def commit(self) -> None:
        """Return when the changes survive the end of the process, or the log fails."""
        await self._log.commit()

    def add(self, arrival: Arrival, at: float | None = None) -> None:
        """Record and announce a change, in the order of the calls; then call `commit`.

        It waits for nothing: an image that ends at once has its final state last.

        Args:
            arrival: the image as it is.
            at: POSIX seconds, not before the newest change; by default now.
        """
        stream = self._log.stream(STREAM)
        if stream is None:
            self._log.begin(STREAM, new_epoch())
        offset = 1 if stream is None else stream.last + 1
        data = arrival_json(arrival)
        at = self._clock() if at is None else at
        self._log.append(STREAM, Record(offset, at, KIND, data, arrival.image.taken_at))
        if offset % TRIM_STEP == 0 and offset > self._max_records:
            self._log.trim(STREAM, offset - self._max_records + 1)
        self._changed(arrival)

    async def before(self, t: float, limit: int, camera: str | None = None) -> list[Arrival]:
        """The images that were known at a time, each as it was then; the last to change first.

        Args:
            t: POSIX seconds, exclusive.
            limit: maximum number of images.
            camera: its name; `None` for all cameras.

        Raises:
            LogDamaged: the log cannot be read.
        """
        found: dict[tuple[str, str], Arrival] = {}
        count = 0
        async for record in newest_before(self._log, STREAM, t, KIND, PAGE_RECORDS):
            arrival = arrival_of(record)
            if arrival is not None and camera in (None, arrival.camera):
                found.setdefault((arrival.camera, arrival.image.id), arrival)
            count += 1
            if len(found) == limit or count == MAX_READ:
                break
        return list(found.values())


def arrival_json(arrival: Arrival) -> str:
    """The data of a record."""
    known = {name: getattr(arrival.image, name) for name in STORED}
    change = {"camera": arrival.camera, "state": arrival.state, "reason": arrival.reason}
    path = arrival.image.path  # for `rover record`; clients never receive it
    return dumps({**change, **known, **({} if path is None else {"path": str(path.absolute())})})


def arrival_of(record: Record) -> Arrival | None:
    """The change that a record describes; `None` if it cannot be read."""
    try:
        known: dict[str, Any] = json.loads(record.data)
        camera, state = known.pop("camera"), known.pop("state")
        reason = known.pop("reason", "")
        known.pop("path", None)
        return Arrival(camera, Image(**known), state, reason)
    except (LookupError, TypeError, ValueError) as exc:
        logger.warning("image %d of the log cannot be read: %s", record.offset, describe(exc))
        return None
