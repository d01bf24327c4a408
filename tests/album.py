"""A camera that keeps the contract, to be varied by tests."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from anyio import Event

from sources.base import Image, UnknownImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

DATA = bytes(range(256)) * 8
START_S = 1_790_000_000.0


class Album:
    """A camera that keeps the contract. `arrive` makes the image `p2` arrive."""

    has_sha256 = True
    received = (100, 1000, len(DATA))

    def __init__(self) -> None:
        self.held: dict[str, Image] = {}
        self.data: dict[str, bytes] = {}
        self.new_ids: list[str] = []
        self.changed = Event()
        self.requested = Event()
        self.put("p1", DATA, complete=True)

    async def arrive(self) -> None:
        for count in self.received:
            self.put("p2", DATA[:count], complete=count == len(DATA))
            self.requested = Event()
            await self.requested.wait()  # each state must be seen by the check

    def put(self, image_id: str, data: bytes, *, complete: bool) -> None:
        if image_id not in self.held:
            self.new_ids.append(image_id)
        time_s = START_S + float(image_id[1:])
        image = Image(
            image_id,
            "image/png",
            size=len(DATA),
            received=len(data),
            complete=complete,
            revision="1",
            taken_at=time_s,
            received_at=time_s,
            sha256=sha256(DATA).hexdigest() if self.has_sha256 else None,
        )
        self.data[image_id] = data
        self.held[image_id] = self.describe(image)
        changed, self.changed = self.changed, Event()
        changed.set()

    def describe(self, image: Image) -> Image:
        return image

    async def images(self) -> Sequence[Image]:
        return list(reversed(self.held.values()))

    async def image(self, image_id: str) -> Image | None:
        if image_id == "p2":
            self.requested.set()
        return self.held.get(image_id)

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        if image_id not in self.held:
            raise UnknownImage(image_id)
        while True:
            changed = self.changed
            if chunk := self.data[image_id][start : start + 500]:
                start += len(chunk)
                yield chunk
            elif self.held[image_id].complete:
                return
            else:
                await changed.wait()

    def new(self) -> AsyncIterator[str]:
        self.new_ids = [image.id for image in self.held.values() if not image.complete]
        return self.yield_new(self.new_ids)

    async def yield_new(self, ids: list[str]) -> AsyncIterator[str]:
        while True:
            changed = self.changed
            while ids:
                yield ids.pop(0)
            await changed.wait()


def describing(**attributes: Any) -> Callable[[], Album]:
    """A class of albums whose images have other attributes."""

    def describe(_: Album, image: Image) -> Image:
        return replace(image, **attributes)

    return type("OtherImages", (Album,), {"describe": describe})


def with_methods(**methods: Any) -> Callable[[], Album]:
    return type("OtherMethods", (Album,), methods)
