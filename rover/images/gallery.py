"""Chooses images for a list: by time, state and text, one page after the other."""

from __future__ import annotations

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, NamedTuple, Self

from anyio.lowlevel import checkpoint

from rover.images.images import age_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from rover.images.cameras import Shot

SCAN_STEP = 500
"""Number of images that are looked at before others may use the event loop."""


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images a list has. `None` for any.

    Attributes:
        since: POSIX seconds of the earliest arrival.
        until: POSIX seconds before which the image arrived.
        taken_since: POSIX seconds at which the earliest image was taken.
        taken_until: POSIX seconds before which the image was taken.
        states: of the images.
        text: part of the id or of a value of the metadata, in any case.
    """

    since: float | None = None
    until: float | None = None
    taken_since: float | None = None
    taken_until: float | None = None
    states: Collection[str] | None = None
    text: str | None = None

    def matches(self, shot: Shot) -> bool:
        """Whether the list has the image."""
        image = shot.image
        return (
            (self.states is None or shot.state in self.states)
            and _is_within(image.received_at, self.since, self.until)
            and _is_within(image.taken_at, self.taken_since, self.taken_until)
            and (self.text is None or self._contains_text(shot, self.text.casefold()))
        )

    def is_before(self, shot: Shot) -> bool:
        """Whether the image, and all that arrived before it, are too old for the list."""
        at = shot.image.received_at
        return self.since is not None and at is not None and at < self.since

    def _contains_text(self, shot: Shot, text: str) -> bool:
        known = (shot.image.id, *map(str, shot.image.metadata.values()))
        return any(text in one.casefold() for one in known)


ANY = ImageFilter()
"""All images."""


def _is_within(t: float | None, since: float | None, until: float | None) -> bool:
    if since is None and until is None:
        return True
    return t is not None and (since is None or t >= since) and (until is None or t < until)


class Cursor(NamedTuple):
    """The last image of a page.

    Attributes:
        age: its key in the order of the list.
        camera: its camera.
        image_id: its id.
    """

    age: float
    camera: str
    image_id: str

    @classmethod
    def of(cls, shot: Shot) -> Self:
        """The cursor after this image."""
        return cls(age_key(shot.image), shot.camera, shot.image.id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor as a client sends it.

        Raises:
            ValueError: it is not a cursor.
        """
        known = urlsafe_b64decode(text.encode()).decode(errors="surrogatepass")
        age, camera, image_id = known.split("/", 2)
        if isnan(float(age)):
            raise ValueError("not a time")
        return cls(float(age), camera, image_id)

    def __str__(self) -> str:
        """The cursor as clients see it."""
        known = f"{self.age!r}/{self.camera}/{self.image_id}"
        return urlsafe_b64encode(known.encode(errors="surrogatepass")).decode()


async def page(
    lists: Sequence[Iterable[Shot]], chosen: ImageFilter, limit: int, after: Cursor | None
) -> tuple[Sequence[Shot], bool]:
    """Some images, newest first, and whether there are more.

    Args:
        lists: the images of each camera, newest first.
        chosen: which images.
        limit: maximum number of images.
        after: the last image of the page before; `None` for the first page.
    """
    shots = heapq.merge(*lists, key=lambda shot: age_key(shot.image))
    found: list[Shot] = []
    for number, shot in enumerate(shots if after is None else _after(shots, after), 1):
        if number % SCAN_STEP == 0:
            await checkpoint()
        if chosen.is_before(shot):
            break
        if chosen.matches(shot):
            if len(found) == limit:
                return found, True
            found.append(shot)
    return found, False


def _after(shots: Iterable[Shot], cursor: Cursor) -> Iterator[Shot]:
    """The images after the cursor; those that arrived at the same time, if its own was deleted."""
    same_age: list[Shot] = []
    for shot in shots:
        age = age_key(shot.image)
        if age < cursor.age:
            continue
        if age > cursor.age:
            yield from same_age
            yield shot
            yield from shots
            return
        same_age.append(shot)
        if Cursor.of(shot) == cursor:
            same_age.clear()
    yield from same_age
