"""The recorded states of images: the last one is how the image ended."""

from __future__ import annotations

import errno
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from anyio import CancelScope, Event, create_task_group

from rover.images.arrivals import STREAM, Arrival, Arrivals, arrival_of
from rover.images.spool import Spool
from rover.logs import MemoryLog
from rover.settings import Settings
from sources.base import Image
from tests.fake_camera import FakeCamera, receiving, spooled
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rover.images import Images

pytestmark = pytest.mark.anyio


class Recorded:
    """The images of a camera, and the states of each image that were recorded and announced."""

    def __init__(self, camera: FakeCamera, images: Images, log: MemoryLog) -> None:
        self.camera = camera
        self.images = images
        self.log = log
        self.announced: dict[str, list[str]] = {}

    def announce(self, arrival: Arrival) -> None:
        self.announced.setdefault(arrival.image.id, []).append(arrival.state)

    async def states(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for arrival in map(arrival_of, await self.log.read(STREAM)):
            assert arrival is not None
            found.setdefault(arrival.image.id, []).append(arrival.state)
        return found


class QuickCamera(FakeCamera):
    """A camera whose images end as soon as the server begins to read them."""

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        self.send(self.held[image_id], b"x" * 5)
        self.finish(self.held[image_id])
        async for chunk in super().open(image_id, start):
            yield chunk


class SlowLog(MemoryLog):
    """A log whose first commit returns last."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Event | None = None

    async def commit(self) -> bool:
        if self.first is None:
            self.first = Event()
            await self.first.wait()
        return True


@asynccontextmanager
async def recording(
    folder: Path, camera: FakeCamera, spool_images: int = 32
) -> AsyncIterator[Recorded]:
    log = MemoryLog()
    arrivals = Arrivals(log, changed=lambda arrival: recorded.announce(arrival))
    settings = Settings(spool_images=spool_images)
    async with receiving(camera, folder, settings, arrivals=arrivals) as images:
        recorded = Recorded(camera, images, log)
        yield recorded


async def test_an_image_that_ends_while_an_older_one_is_deleted_is_complete_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = QuickCamera()
    async with recording(tmp_path, camera, spool_images=1) as recorded:
        spools, discard = recorded.images.receiver.spools, Spool.discard

        async def slow_discard(spool: Spool, reason: str) -> None:
            with CancelScope(shield=True):  # the end of the test closes the file, too
                await until(lambda: all(one.complete for one in spools.values()))
            await discard(spool, reason)

        monkeypatch.setattr(Spool, "discard", slow_discard)
        for number in range(5):
            camera.begin(str(number))
            await spooled(recorded.images, str(number))
        await until(lambda: sum(map(len, recorded.announced.values())) == 10)
        expected = {str(number): ["arriving", "complete"] for number in range(5)}
        assert await recorded.states() == expected
        assert recorded.announced == expected


async def test_changes_are_announced_in_their_order_when_the_log_is_slow() -> None:
    log, announced = SlowLog(), list[str]()
    arrivals = Arrivals(log, changed=lambda one: announced.append(one.state))
    image = Image("one", "image/png")
    async with create_task_group() as tasks:
        arrivals.add(Arrival("mast", image, "arriving"))
        tasks.start_soon(arrivals.commit)
        await until(lambda: log.first is not None)
        arrivals.add(Arrival("mast", image, "complete"))
        await arrivals.commit()
        assert announced == ["arriving", "complete"]
        assert log.first is not None
        log.first.set()


async def test_an_arriving_image_that_the_spool_has_no_room_for_ends_in_the_record(
    tmp_path: Path,
) -> None:
    camera = FakeCamera()
    async with recording(tmp_path, camera, spool_images=1) as recorded:
        camera.send(camera.begin("part", size=5), b"x")
        await spooled(recorded.images, "part", 1)
        camera.begin("next")
        await until(lambda: recorded.announced.get("part") == ["arriving", "broken"])


@pytest.mark.parametrize(
    ("arrives", "state"), [(True, "complete"), (False, "broken")], ids=["whole", "cut off"]
)
async def test_a_full_disk_does_not_break_an_image_that_the_camera_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrives: bool, state: str
) -> None:
    def no_space(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    camera = FakeCamera()
    async with recording(tmp_path, camera) as recorded:
        monkeypatch.setattr("os.pwrite", no_space)
        fake = camera.begin("one", size=5)
        camera.send(fake, b"x")
        await until(lambda: (spool := recorded.images.receiver.spools.get("one")) and spool.broken)
        if arrives:
            camera.send(fake, b"x" * 4)
            camera.finish(fake)
        else:
            camera.change(fake, failure=OSError("the link failed"))
        await until(lambda: recorded.announced.get("one") == ["arriving", state])
        listed, *_ = await recorded.images.listed()
        assert recorded.images.state_of(listed)[0] == state
