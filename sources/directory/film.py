"""The images of a folder as a video, in the order of their names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sources.directory.scan import EMPTY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.base import Image
    from sources.directory.scan import Scan


class Film:
    """The complete images of a scan, which are shown one after the other, again and again."""

    def __init__(self) -> None:
        self._scan = EMPTY
        self._images: Sequence[Image] = ()

    def frame(self, scan: Scan, fps: float, t: float) -> Image | None:
        """The image that is shown; `None` if there is none.

        Args:
            scan: the newest.
            fps: images per second.
            t: POSIX seconds now. Every server shows the same image at the same time.
        """
        if scan is not self._scan:
            self._scan = scan
            complete = (image for image in scan.images if image.complete)
            self._images = sorted(complete, key=lambda image: natural_key(image.id))
        if not self._images:
            return None
        turn = int(t * fps)
        return replace(self._images[turn % len(self._images)], received_at=turn / fps)


def natural_key(name: str) -> list[tuple[int, str]]:
    """A key by which `frame9` comes before `frame10`."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
