"""A camera whose image grows without end; each chunk begins with the time of its arrival."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from anyio import sleep, sleep_forever

from sources.base import Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CHUNK_BYTES = 4096
PERIOD_S = 0.02
TIME = struct.Struct(">d")


class GrowingCamera:
    """One image that arrives for as long as the server runs."""

    async def images(self) -> Sequence[Image]:
        return [Image("growing.jpg", "image/jpeg", received=1, revision="1")]

    async def image(self, image_id: str) -> Image | None:
        return (await self.images())[0] if image_id == "growing.jpg" else None

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        while True:
            yield TIME.pack(time.time()) + bytes(CHUNK_BYTES - TIME.size)
            await sleep(PERIOD_S)

    async def new(self) -> AsyncIterator[str]:
        yield "growing.jpg"
        await sleep_forever()
