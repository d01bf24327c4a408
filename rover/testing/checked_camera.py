"""A camera whose results are checked at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.testing.clauses import Clause
from rover.testing.images import check_image, check_list, join_chunks
from rover.testing.reading import Reading, call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.testing.timeouts import Timeouts
    from sources.base import Camera, Image

MAX_SHOWN_CHARACTERS = 80
"""Characters of an id that a message shows."""


class CheckedCamera:
    """Calls a camera, and checks the results.

    Every method raises `ContractBroken` if a result is invalid or does not arrive in time, and
    `SourceError` as the camera raised it.

    Args:
        camera: the camera.
        timeouts: how long to wait for it.
    """

    def __init__(self, camera: Camera, timeouts: Timeouts) -> None:
        self._camera = camera
        self._timeouts = timeouts

    async def images(self) -> Sequence[Image]:
        """Return all images, newest first."""
        return check_list(await call("images()", self._camera.images, self._timeouts))

    async def image(self, image_id: str) -> Image | None:
        """Return the image with that id, or `None`."""
        image = await call(
            f"image({shown(image_id)})", lambda: self._camera.image(image_id), self._timeouts
        )
        if image is not None:
            check_image(image)
        return image

    async def is_replaced(self, image: Image) -> bool:
        """Whether the camera no longer holds this revision of the image."""
        now = await self.image(image.id)
        return now is None or now.revision != image.revision

    def open(
        self, image_id: str, start: int | None = None, *, pause_after: int | None = None
    ) -> Reading[bytes]:
        """A reading of the image's bytes from `start`; without it, `open()` is called with an id.

        Args:
            image_id: any string.
            start: position of the first byte.
            pause_after: see `Reading`.
        """
        arguments = (image_id,) if start is None else (image_id, start)
        name = f"open({', '.join(map(shown, arguments))})"
        return Reading(
            name,
            lambda: self._camera.open(*arguments),
            Clause.CAMERA_WHOLE,
            self._timeouts,
            pause_after=pause_after,
        )

    def new(self) -> Reading[str]:
        """A reading of the ids of new images, paused before it requests the first id."""
        return Reading("new()", self._camera.new, Clause.CAMERA_NEW, self._timeouts, pause_after=0)

    async def read_all(self, image_id: str, reading: Reading[bytes]) -> bytes:
        """Return all bytes of an open image, once `open()` has ended."""
        ended = await reading.wait_until_done()
        reading.raise_failure()
        Clause.CAMERA_WHOLE.require(
            ended, f"{reading.name} did not end within {self._timeouts.wait_s:g} s"
        )
        return join_chunks(image_id, reading.items)


def shown(value: object) -> str:
    """Return the beginning of the value's representation, for a message."""
    return repr(value)[:MAX_SHOWN_CHARACTERS]
