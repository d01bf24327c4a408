"""Whether a URL has stood for more than one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sources.base import Image

MAX_IDS = 10_000


class ServedRevisions:
    """The revisions that clients have received under the ids of images.

    A client that received a part of one revision must not receive the rest of another.

    Args:
        max_ids: maximum number of ids; the ones that were served last are remembered.
    """

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._revisions: dict[str, tuple[str, bool]] = {}  # by id; and whether it has changed

    def add(self, image: Image) -> bool:
        """Note that a client receives the image.

        Returns:
            Whether clients have received only this revision under its id.
        """
        revision, changed = self._revisions.pop(image.id, (image.revision, False))
        changed = changed or revision != image.revision
        self._revisions[image.id] = image.revision, changed
        if len(self._revisions) > self._max_ids:
            del self._revisions[next(iter(self._revisions))]
        return not changed
