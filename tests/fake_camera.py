"""A camera whose every byte a test decides about."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import Event, create_task_group

from rover.images import Images
from rover.settings import Settings
from sources.base import Image, ImageBroken, UnknownImage
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.images.reader import Reader


@dataclass
class Picture:
    """One picture, and what became of it."""

    image: Image
    data: bytes = b""
    failure: Exception | None = None
    ended: bool = False
    changed: Event = field(default_factory=Event)


class FakeCamera:
    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}
        self.opened: list[tuple[str, int]] = []
        self.still_open = 0
        self.failure: Exception | None = None  # of new()
        self._news: list[str] = []
        self._told = Event()

    def begin(self, image_id: str, size: int | None = None, revision: str = "1") -> Picture:
        image = Image(image_id, "image/png", size=size, revision=revision)
        if old := self.pictures.get(image_id):
            self.change(old, failure=ImageBroken(image_id, "it was replaced"))
        self.pictures = {image_id: (picture := Picture(image)), **self.pictures}
        self.pictures[image_id] = picture
        self._news.append(image_id)
        self.tell()
        return picture

    def send(self, picture: Picture, data: bytes) -> None:
        picture.data += data
        picture.image = replace(picture.image, received=len(picture.data))
        self.change(picture)

    def finish(self, picture: Picture, path: Path | None = None) -> None:
        picture.image = replace(
            picture.image, complete=True, size=len(picture.data), path=path, received_at=1e9
        )
        self.change(picture, ended=True)

    def change(
        self, picture: Picture, *, ended: bool = False, failure: Exception | None = None
    ) -> None:
        picture.ended, picture.failure = ended, failure
        changed, picture.changed = picture.changed, Event()
        changed.set()

    def tell(self) -> None:
        told, self._told = self._told, Event()
        told.set()

    async def images(self) -> Sequence[Image]:
        return [picture.image for picture in self.pictures.values()]

    async def image(self, image_id: str) -> Image | None:
        picture = self.pictures.get(image_id)
        return None if picture is None else picture.image

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        picture = self.pictures.get(image_id)
        if picture is None:
            raise UnknownImage(image_id)
        self.opened.append((image_id, start))
        self.still_open += 1
        try:
            while True:
                if start < len(picture.data):
                    chunk = picture.data[start : start + 2**18]
                    start += len(chunk)
                    yield chunk
                elif picture.failure is not None:
                    raise picture.failure
                elif picture.ended:
                    return
                else:
                    await picture.changed.wait()
        finally:
            self.still_open -= 1

    async def new(self) -> AsyncIterator[str]:
        while True:
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure
            while self._news:
                yield self._news.pop(0)
            await self._told.wait()


@asynccontextmanager
async def receiving(
    camera: FakeCamera, spool_dir: Path, settings: Settings | None = None
) -> AsyncIterator[Images]:
    """A images that runs."""
    images = Images(camera, settings or Settings(), spool_dir)
    async with create_task_group() as tasks:
        await tasks.start(lambda *, task_status: images.run(task_status=task_status))
        yield images
        images.close()
        tasks.cancel_scope.cancel()


async def read_all(reader: Reader, at_most: int = 2**20) -> bytes:
    parts: list[bytes] = []
    while part := await reader.read(at_most):
        parts.append(part)
    return b"".join(parts)


async def spooled(images: Images, image_id: str, count: int | None = None) -> None:
    """Wait until so many bytes, or all of them, are in the spool."""

    def there() -> bool:
        spool = images.receiver.spools.get(image_id)
        return spool is not None and (spool.complete if count is None else spool.received == count)

    await until(there)


def open_files() -> int:
    """How many descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
