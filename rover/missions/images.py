"""Copies the images of a mission into a record of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from rover.images.arrivals import STORED
from rover.images.kept import Kept, copy_name, stored_name
from rover.missions.camera_files import camera_file
from rover.missions.files import PIECE_BYTES
from rover.wire import dumps
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from rover.logs.base import Record
    from rover.missions.record_file import RecordFile
    from rover.missions.snapshot import Snapshot
    from sources.base import Image
    from sources.bucket import BucketStore

IMAGE = "image/"
"""The beginning of the names of images in the log."""

TOO_LARGE = "with newer ones, they are larger than --images-bytes"


class Copy(NamedTuple):
    """An image whose bytes are only in a store.

    Attributes:
        name: in the log, without `IMAGE`.
        kept: the image in the log.
        place: of the store.
    """

    name: str
    kept: Kept
    place: str


class ImageWriter:
    """Copies the images of a time range: those in the data folder, in the store and of cameras.

    Args:
        mission: it is read only.
        file: the record.
        is_inside: whether a time is in the range.
        max_bytes: maximum bytes of images in the store and in files of cameras, newest first.
        store: has copies of the images without files; `None` if none can be read.

    Attributes:
        left_out: number of images that are not copied, by the reason.
    """

    def __init__(
        self,
        mission: Snapshot,
        file: RecordFile,
        is_inside: Callable[[float | None], bool],
        max_bytes: float,
        store: BucketStore | None,
    ) -> None:
        self._mission = mission
        self._file = file
        self._is_inside = is_inside
        self._bytes_left = max_bytes
        self._store = store
        self._failure = ""  # of the store
        self.left_out: dict[str, int] = {}

    def write(self, arrivals: Sequence[Record]) -> int:
        """Copy the images; returns their number.

        Args:
            arrivals: when images arrived in the range.
        """
        count = 0
        copies: list[Copy] = []
        for key, text in self._mission.contents.index.values.items():
            if not key.startswith(IMAGE):
                continue
            name = key.removeprefix(IMAGE)
            with suppress(ValueError, LookupError, TypeError):
                kept, place = Kept.parse(text, None)
                if not any(map(self._is_inside, (kept.image.taken_at, kept.image.received_at))):
                    continue
                if self._add(name, kept.image, kept.number, self._mission.file(f"images/{name}")):
                    count += 1
                elif kept.etag:
                    copies.append(Copy(name, kept, place))
        copies.sort(key=lambda one: one.kept.number, reverse=True)
        count += sum(map(self._add_copy, copies))
        return count + (self._add_camera_files(arrivals) if self._mission.is_folder else 0)

    def _add(self, name: str, image: Image, number: int, pieces: Iterator[bytes] | None) -> bool:
        added = self._file.add_file(f"images/{name}", pieces)
        if added:
            known = {one: getattr(image, one) for one in STORED}
            self._file.put(IMAGE + name, dumps({"number": number, **known}))
        return added

    def _add_copy(self, copy: Copy) -> bool:
        image = copy.kept.image
        if self._store is None or self._store.place != copy.place:
            self._leave_out(
                f"they are only in {copy.place}: name it with --image-store or ROVER_IMAGE_STORE"
            )
        elif self._failure:
            self._leave_out(self._failure)
        elif self._fits(image):
            name = copy_name(copy.name.rpartition("/")[0], image)
            chunks = self._store.read(name, image.size or 0, copy.kept.etag)
            try:
                return self._add(copy.name, image, copy.kept.number, _pieces(chunks))
            except (UnknownImage, ImageBroken):
                self._leave_out(f"their objects in {copy.place} were deleted or replaced")
            except SourceError as exc:
                self._failure = describe(exc)
                self._leave_out(self._failure)
        return False

    def _add_camera_files(self, arrivals: Sequence[Record]) -> int:
        """Copy the newest files of cameras; returns their number."""
        done: set[str] = set()
        count = 0
        for record in reversed(arrivals):
            if (found := camera_file(record)) is None:
                continue
            image = found.arrival.image
            name = f"{found.arrival.camera}/{stored_name(image)}"
            if name in done or not found.exists():
                continue
            done.add(name)
            if self._fits(image):
                count += self._add(name, image, record.offset, found.pieces())
        return count

    def _fits(self, image: Image) -> bool:
        """Whether an image is within the limit. Once one is not, no older one is."""
        self._bytes_left -= image.size or 0
        if self._bytes_left < 0:
            self._leave_out(TOO_LARGE)
        return self._bytes_left >= 0

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def _pieces(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """The bytes of chunks in pieces of `PIECE_BYTES`, in a thread without an event loop."""

    async def following() -> bytes:
        return await anext(chunks, b"")

    data = b""
    with asyncio.Runner() as runner:
        while chunk := runner.run(following()):
            data += chunk
            if len(data) >= PIECE_BYTES:
                yield data[:PIECE_BYTES]
                data = data[PIECE_BYTES:]
    yield data
