"""The contract of a camera, as `rover.testing` checks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import sleep_forever

from rover.testing import check_camera
from sources.base import Image, ImageBroken, UnknownImage
from tests.album import DATA, Album, describing, with_methods
from tests.contract_cases import Cases, assert_breaks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.anyio


async def ids_only(self: Album) -> Any:
    return list(self.held)


async def oldest_first(self: Album) -> Sequence[Image]:
    return list(self.held.values())


async def each_twice(self: Album) -> Sequence[Image]:
    return [*self.held.values(), *self.held.values()]


async def always_p1(self: Album, image_id: str) -> Image | None:
    return self.held["p1"]


async def raises_key_error(self: Album, image_id: str) -> Image | None:
    return self.held[image_id]


async def always_none(self: Album, image_id: str) -> Image | None:
    return None


async def other_width(self: Album, image_id: str) -> Image | None:
    image = self.held.get(image_id)
    return image and replace(image, width=7)


class OpensUnknownImages(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        if image_id in self.held:
            async for chunk in super().open(image_id, start):
                yield chunk


def with_chunks(change: Callable[[bytes], bytes]) -> Callable[[], Album]:
    """A class of albums that change the bytes of each chunk."""

    class OtherChunks(Album):
        async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
            async for chunk in super().open(image_id, start):
                yield change(chunk)

    return OtherChunks


class ChangesBytes(Album):
    """Yields other bytes each time that it has no readers in between."""

    has_sha256 = False
    readers = 0
    byte = 0

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        self.readers += 1
        try:
            async for chunk in super().open(image_id, start):
                yield bytes([self.byte]) * len(chunk)
        finally:
            self.readers -= 1
            self.byte += not self.readers


class IgnoresStart(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id):
            yield chunk


class EndsEarly(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        if image_id not in self.held:
            raise UnknownImage(image_id)
        if chunk := self.data[image_id][start:]:
            yield chunk


class DiffersPerReader(Album):
    has_sha256 = False
    readers = 0

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        self.readers += 1
        byte = self.readers if image_id == "p2" else 0
        async for chunk in super().open(image_id, start):
            yield bytes([byte]) * len(chunk)


class YieldsNoIds(Album):
    async def yield_new(self, ids: list[str]) -> AsyncIterator[str]:
        await sleep_forever()
        yield ""


class YieldsIdsLate(Album):
    async def new(self) -> AsyncIterator[str]:
        async for image_id in super().new():
            if self.held[image_id].received > 100:
                yield image_id


class YieldsNoArrivingIds(Album):
    def new(self) -> AsyncIterator[str]:
        self.new_ids = []
        return self.yield_new(self.new_ids)


class YieldsImages(Album):
    async def yield_new(self, ids: list[str]) -> AsyncIterator[Any]:
        async for image_id in super().yield_new(ids):
            yield self.held[image_id]
            yield image_id


class Shrinks(Album):
    received = (1000, 100, len(DATA))


class ChangesRevision(Album):
    def describe(self, image: Image) -> Image:
        return replace(image, revision=str(image.received))


class HasNoFile(Album):
    def describe(self, image: Image) -> Image:
        return replace(image, path=Path("/no/such/file")) if image.complete else image


class NeverComplete(Album):
    def describe(self, image: Image) -> Image:
        return image if image.id == "p1" else replace(image, complete=False)

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield chunk
            start += len(chunk)
            if start == len(DATA):
                return


class ReceivesNothing(Album):
    async def arrive(self) -> None:
        return


class Breaks(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield chunk
            raise ImageBroken(image_id, "the link went down")


class NeverEnds(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield chunk
        await sleep_forever()


CASES: Cases = {
    "images() returns ids": ("camera.listed", with_methods(images=ids_only), "['p1']"),
    "no image arrives": ("camera.listed", ReceivesNothing, "0.7 s"),
    "oldest first": ("camera.newest", with_methods(images=oldest_first), "p2"),
    "duplicate id": ("camera.ids", with_methods(images=each_twice), "p1"),
    "id is ..": ("camera.ids", describing(id=".."), "id='..'"),
    "id is too long": ("camera.ids", describing(id="x" * 201), "200"),
    "id is empty": ("camera.ids", describing(id=""), "id=''"),
    "invalid media type": ("camera.value", describing(content_type="png"), "content_type='png'"),
    "header in media type": (
        "camera.value",
        describing(content_type="image/png\r\nX: y"),
        r"content_type='image/png\r\nX: y'",
    ),
    "width is 0": ("camera.value", describing(width=0), "width=0"),
    "taken_at is an uptime": ("camera.value", describing(taken_at=12.5), "taken_at=12.5"),
    "Path in metadata": ("camera.value", describing(metadata={"where": Path()}), "'where'"),
    "received decreases": ("camera.value", Shrinks, "received=100"),
    "complete too early": ("camera.complete", describing(size=10**6), "2048 of 1000000"),
    "never complete": ("camera.complete", NeverComplete, "complete=False"),
    "open() ends early": ("camera.complete", EndsEarly, "complete=False"),
    "upper-case SHA-256": ("camera.sha256", describing(sha256="A" * 64), "sha256='AAAA"),
    "other bytes": ("camera.sha256", with_chunks(lambda chunk: bytes(len(chunk))), "sha256="),
    "no file": ("camera.path", HasNoFile, "path='/no/such/file'"),
    "path is a str": ("camera.path", describing(path="p1.png"), "path='p1.png'"),
    "image() returns another": ("camera.any-id", with_methods(image=always_p1), "id='p1'"),
    "image() raises": ("camera.any-id", with_methods(image=raises_key_error), "KeyError"),
    "image() returns None": ("camera.lookup", with_methods(image=always_none), "None"),
    "image() differs": ("camera.lookup", with_methods(image=other_width), "width=7"),
    "open() of an unknown id": ("camera.unknown", OpensUnknownImages, "UnknownImage"),
    "empty chunk": ("camera.chunks", with_chunks(lambda _: b""), "0 bytes"),
    "large chunk": ("camera.chunks", with_chunks(lambda _: bytes(2**20 + 1)), "1,048,577 bytes"),
    "bytes missing": (
        "camera.whole",
        with_chunks(lambda chunk: chunk[:-1] or chunk),
        "size=2048",
    ),
    "open() never ends": ("camera.whole", NeverEnds, "0.7 s"),
    "start ignored": ("camera.start", IgnoresStart, "open('p2', 1)"),
    "readers differ": ("camera.readers", DiffersPerReader, "'p2'"),
    "revision of an arriving image": ("camera.revision", ChangesRevision, "revision='1000'"),
    "revision of other bytes": ("camera.revision", ChangesBytes, "revision='1'"),
    "new() yields images": ("camera.new", YieldsImages, "Image(id='p2'"),
    "new() yields no ids": ("camera.new-from", YieldsNoIds, "'p2'"),
    "new() yields ids late": ("camera.new-from", YieldsIdsLate, "'p2'"),
    "new() yields no arriving ids": ("camera.arriving", YieldsNoArrivingIds, "'p2'"),
}


async def test_a_good_camera_passes() -> None:
    camera = Album()
    await check_camera(camera, arrive=camera.arrive, max_stall_s=10)


@pytest.mark.parametrize(("clause", "make", "contains"), CASES.values(), ids=CASES)
async def test_a_camera_that_breaks_a_clause_raises_its_code(
    clause: str, make: Callable[[], Any], contains: str
) -> None:
    camera = make()
    check = check_camera(camera, arrive=camera.arrive, timeout_s=0.7, max_stall_s=10)
    await assert_breaks(check, clause, contains)


async def test_an_image_broken_error_is_raised_as_it_is() -> None:
    camera = Breaks()
    with pytest.raises(ImageBroken, match="the link went down"):
        await check_camera(camera, arrive=camera.arrive, max_stall_s=10)


async def test_without_an_image_the_error_names_the_argument_arrive() -> None:
    await assert_breaks(check_camera(Album(), timeout_s=0.1), "camera.listed", "arrive=")
