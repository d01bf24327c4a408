"""Sources that fail in the way that the variable `BROKEN` names: `camera.new SystemExit`."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from sources.base import Image, Parameter, Progress, Sample, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

PLACE, _, FAULT = os.environ.get("BROKEN", " ").partition(" ")

DATA = bytes(range(256)) * 100

FAULTS: dict[str, BaseException] = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
}


async def fail_at(place: str) -> None:
    """Fail if `BROKEN` names this place."""
    await asyncio.sleep(0)
    if place == PLACE and FAULT == "block":
        time.sleep(1.0)  # noqa: ASYNC251 # blocks the event loop
    elif place == PLACE:
        raise FAULTS[FAULT]


class BrokenTelemetry:
    """Ten samples a second."""

    parameters: Sequence[Parameter] = (Parameter("speed", "m/s"),)

    async def __aenter__(self) -> None:
        """Fail, if `BROKEN` says so."""
        await fail_at("telemetry.enter")

    async def __aexit__(self, *exc_info: object) -> None:
        """Fail, if `BROKEN` says so."""
        await fail_at("telemetry.exit")

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield samples."""
        while True:
            yield Sample(time.time(), {"speed": 1.5})
            await asyncio.sleep(0.1)
            await fail_at("telemetry.samples")


def telemetry_without_unit() -> BrokenTelemetry:
    """Telemetry whose dictionary has a mistake."""
    source = BrokenTelemetry()
    source.parameters = (Parameter("speed", unit=None),)  # type: ignore[arg-type] # wrong on purpose
    return source


class BrokenCamera:
    """One complete image."""

    def __init__(self) -> None:
        size = len(DATA)
        self._image = Image("a.png", "image/png", size=size, received=size, complete=True)

    async def images(self) -> Sequence[Image]:
        """The image."""
        await fail_at("camera.images")
        return [self._image]

    async def image(self, image_id: str) -> Image | None:
        """The image, if it has that id."""
        await fail_at("camera.image")
        return self._image if image_id == "a.png" else None

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes."""
        yield DATA[start : start + 1000]
        await fail_at("camera.open")
        yield DATA[start + 1000 :]

    async def new(self) -> AsyncIterator[str]:
        """Yield nothing."""
        yield "a.png"
        await fail_at("camera.new")
        await asyncio.Event().wait()


class BrokenValidator:
    """Accepts every file."""

    steps: Sequence[Step] = (Step("syntax", "Syntax"),)

    async def validate(self, path: Path) -> AsyncIterator[Progress | Verdict]:
        """Accept the file."""
        yield Progress("syntax", 0.5, "reading")
        await fail_at("commands.validate")
        yield Verdict(True, 0, 0, "accepted")
