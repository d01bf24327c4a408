"""What a file holds, as itself or a label in another file says."""

from __future__ import annotations

from os import SEEK_END
from typing import TYPE_CHECKING, BinaryIO

from sources.values.images import ImageFacts, is_patched, is_whole, read_facts, read_header

if TYPE_CHECKING:
    from sources.values.images import Described


class Contents:
    """The contents of a file. All functions block.

    Args:
        file: open.
        described: what its label says; `None` without one.

    Attributes:
        header: of the image in it; `None` if it is not an image.
    """

    def __init__(self, file: BinaryIO, described: Described | None) -> None:
        self._file = file
        self._described = described
        header = read_header(file)
        self._needs_label = header is None
        self.header = described.header if header is None and described is not None else header

    @property
    def is_patched(self) -> bool:
        """Whether its beginning may still change, or its end is not in it."""
        return self.header is not None and (
            self._needs_label or is_patched(self.header.content_type)
        )

    def is_whole(self, *, search: bool = False) -> bool:
        """Whether all bytes of the image are there; with `search`, also before other bytes."""
        if self.header is None:
            return False
        if self._needs_label and self._described is not None:
            length = self._file.seek(0, SEEK_END)
            return length == self._described.end or (search and length >= self._described.image_end)
        return is_whole(self._file, self.header.content_type, search=search)

    def facts(self, name: str) -> ImageFacts:
        """The facts in the label, in the file and in its name."""
        found = read_facts(self._file, name)
        if self._described is None:
            return found
        facts = self._described.facts
        t = found.taken_at if facts.taken_at is None else facts.taken_at
        return ImageFacts(t, {**found.metadata, **facts.metadata})
