"""A camera whose images arrive as a test sends their bytes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import Event, create_task_group

from rover.images import Images
from rover.settings import Settings
from sources.base import Image, ImageBroken, UnknownImage
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.images.reader import Reader
    from sources.base import Camera


@dataclass
class FakeImage:
    """An image, the bytes that have arrived, and how it ended.

    Attributes:
        image: as the camera returns it.
        data: the bytes that have arrived.
        failure: the exception that `open()` raises after these bytes.
        ended: whether `open()` ends after these bytes.
        changed: set at the next change.
    """

    image: Image
    data: bytes = b""
    failure: Exception | None = None
    ended: bool = False
    changed: Event = field(default_factory=Event)


class FakeCamera:
    """A camera that a test controls.

    Attributes:
        held: its images by id, newest first.
        opened: the arguments of each call of `open()`.
        still_open: number of readers that have not ended.
        failure: the exception that `new()` raises, once.
    """

    def __init__(self) -> None:
        self.held: dict[str, FakeImage] = {}
        self.opened: list[tuple[str, int]] = []
        self.still_open = 0
        self.failure: Exception | None = None
        self._new_ids: list[str] = []
        self._began = Event()

    def begin(self, image_id: str, size: int | None = None, revision: str = "1") -> FakeImage:
        """Let an image start to arrive; an older image with that id breaks."""
        image = Image(image_id, "image/png", size=size, revision=revision)
        if old := self.held.get(image_id):
            self.change(old, failure=ImageBroken(image_id, "it was replaced"))
        self.held = {image_id: (fake := FakeImage(image)), **self.held}
        self.held[image_id] = fake
        self._new_ids.append(image_id)
        self.notify()
        return fake

    def send(self, fake: FakeImage, data: bytes) -> None:
        """Let bytes of the image arrive."""
        fake.data += data
        fake.image = replace(fake.image, received=len(fake.data))
        self.change(fake)

    def finish(self, fake: FakeImage, path: Path | None = None) -> None:
        """Make the image complete with the bytes that have arrived."""
        fake.image = replace(
            fake.image, complete=True, size=len(fake.data), path=path, received_at=1e9
        )
        self.change(fake, ended=True)

    def change(
        self, fake: FakeImage, *, ended: bool = False, failure: Exception | None = None
    ) -> None:
        """Wake up the readers of the image, after a change or to end them."""
        fake.ended, fake.failure = ended, failure
        changed, fake.changed = fake.changed, Event()
        changed.set()

    def notify(self) -> None:
        """Wake up `new()`."""
        began, self._began = self._began, Event()
        began.set()

    async def images(self) -> Sequence[Image]:
        return [fake.image for fake in self.held.values()]

    async def image(self, image_id: str) -> Image | None:
        fake = self.held.get(image_id)
        return None if fake is None else fake.image

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        fake = self.held.get(image_id)
        if fake is None:
            raise UnknownImage(image_id)
        self.opened.append((image_id, start))
        self.still_open += 1
        try:
            while True:
                if start < len(fake.data):
                    chunk = fake.data[start : start + 2**18]
                    start += len(chunk)
                    yield chunk
                elif fake.failure is not None:
                    raise fake.failure
                elif fake.ended:
                    return
                else:
                    await fake.changed.wait()
        finally:
            self.still_open -= 1

    async def new(self) -> AsyncIterator[str]:
        while True:
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure
            while self._new_ids:
                yield self._new_ids.pop(0)
            await self._began.wait()


@asynccontextmanager
async def receiving(
    camera: Camera, spool_dir: Path, settings: Settings | None = None, **options: Any
) -> AsyncIterator[Images]:
    """An `Images` that receives from the camera within the block."""
    images = Images(camera, settings or Settings(), spool_dir, **options)
    async with create_task_group() as tasks:
        await tasks.start(lambda *, task_status: images.run(task_status=task_status))
        yield images
        images.close()
        tasks.cancel_scope.cancel()


async def read_all(reader: Reader, at_most: int = 2**20) -> bytes:
    """Return all bytes of a reader, read in parts of at most `at_most` bytes."""
    parts: list[bytes] = []
    while part := await reader.read(at_most):
        parts.append(part)
    return b"".join(parts)


async def spooled(images: Images, image_id: str, count: int | None = None) -> None:
    """Wait until `count` bytes of the image are in the spool, or by default all of them."""

    def there() -> bool:
        spool = images.receiver.spools.get(image_id)
        return spool is not None and (spool.complete if count is None else spool.received == count)

    await until(there)


def open_files() -> int:
    """Return the number of this process's open files, sockets and pipes."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())
