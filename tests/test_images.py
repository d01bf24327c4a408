"""Images are received once, within limits, and read by any number of readers."""

from __future__ import annotations

import os
import random
from asyncio import CancelledError
from dataclasses import replace
from functools import partial
from itertools import islice
from time import time
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, move_on_after

from rover.errors import NoDataYet
from rover.images import Cameras, Images
from rover.images.spool import RECENT_BYTES
from rover.settings import Settings
from rover.supervise import State
from sources.base import Image, ImageBroken, SourceError, UnknownImage
from tests.fake_camera import FakeCamera, names_in, open_files, read_all, receiving, spooled
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from rover.images.reader import Reader

pytestmark = pytest.mark.anyio

DATA = random.Random(1).randbytes(3_000_000)


async def collect(images: Images, image: Image, into: list[bytes], at_most: int) -> None:
    async with images.open(image) as reader:
        into.append(await read_all(reader, at_most))


async def read_until_broken(reader: Reader) -> tuple[bytes, str]:
    got = b""
    try:
        while part := await reader.read(2**20):
            got += part
    except ImageBroken as exc:
        return got, exc.reason
    raise AssertionError("the image is complete")


async def test_a_thousand_readers_of_an_arriving_image_use_one_transfer(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png", size=300_000)
        got: list[bytes] = []
        async with create_task_group() as readers:
            for number in range(1000):
                at_most = random.Random(number).choice([1_000, 65_536, 2**20])
                readers.start_soon(collect, images, arriving.image, got, at_most)
            for start in range(0, 300_000, 20_000):
                await spooled(images, "a.png", start)
                camera.send(arriving, DATA[start : start + 20_000])
            camera.finish(arriving)
        assert len(got) == 1000
        assert set(got) == {DATA[:300_000]}
        assert camera.opened == [("a.png", 0)]
        assert images.readers == 0


async def test_a_late_reader_receives_the_image_from_its_first_byte(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA[:2_000_000])
        await spooled(images, "a.png", 2_000_000)
        async with images.open(arriving.image) as reader:
            assert len(await reader.read(2**20)) == 2**20
            camera.send(arriving, DATA[2_000_000:])
            camera.finish(arriving)
            assert await read_all(reader) == DATA[2**20 :]
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == DATA


async def test_a_reader_waits_for_a_range_that_has_not_arrived(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png", size=1000)
        camera.send(arriving, DATA[:100])
        async with images.open(arriving.image, 500, 510) as reader:
            with move_on_after(0.02) as waiting:
                await reader.read(100)
            assert waiting.cancelled_caught
            camera.send(arriving, DATA[100:505])
            assert await reader.read(100) == DATA[500:505]
            camera.send(arriving, DATA[505:600])
            assert await read_all(reader) == DATA[505:510]


async def test_a_stalled_reader_delays_no_other_reader_and_uses_no_memory(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA[:1000])
        async with images.open(arriving.image) as stalled, images.open(arriving.image) as quick:
            assert await stalled.read(1000) == await quick.read(1000) == DATA[:1000]
            camera.send(arriving, DATA[1000:])
            camera.finish(arriving)
            with fail_after(5):
                assert await read_all(quick) == DATA[1000:]
            growth = images.receiver.spools["a.png"].growth
            assert sum(len(frame.data) for frame in growth.retained()) <= RECENT_BYTES
            assert await read_all(stalled, 10_000) == DATA[1000:]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ImageBroken("a.png", "signal lost"), "signal lost"),
        (SourceError("no carrier"), "no carrier"),
        (OSError(5, "bus"), "bus"),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
    ],
)
async def test_readers_of_a_broken_image_receive_its_bytes_and_then_the_reason(
    tmp_path: Path, failure: Exception, reason: str
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        camera.send(whole := camera.begin("whole.png"), b"whole")
        camera.finish(whole)
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA[:700_000])
        async with images.open(arriving.image) as reader:
            assert await reader.read(10) == DATA[:10]
            camera.change(arriving, failure=failure)
            got, given = await read_until_broken(reader)
        assert got == DATA[10:700_000]
        assert reason in given
        async with images.open(arriving.image) as late:
            assert await read_until_broken(late) == (DATA[:700_000], given)
        assert (await images.find("a.png")).complete is False
        assert (newest := await images.current())
        assert newest.id == whole.image.id
        await until(lambda: camera.still_open == 0)


async def test_an_image_with_another_size_than_stated_is_broken(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        short = camera.begin("short.png", size=2000)
        camera.send(short, DATA[:1000])
        camera.change(short, ended=True)
        long = camera.begin("long.png", size=500)
        camera.send(long, DATA[:1000])
        long.image = replace(long.image, received=500)
        async with images.open(short.image) as reader:
            got, reason = await read_until_broken(reader)
        assert (got, "1,000 of 2,000 bytes" in reason) == (DATA[:1000], True)
        async with images.open(long.image) as reader:
            got, reason = await read_until_broken(reader)
        assert (got, "500 bytes" in reason) == (b"", True)


def _is_broken(images: Images, image_id: str) -> bool:
    spool = images.receiver.spools.get(image_id)
    return spool is not None and bool(spool.broken)


async def test_a_complete_image_with_another_size_than_stated_is_broken(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        for image_id, data, size in (("a", DATA[:900], 1000), ("b", b"", 0), ("c", b"", None)):
            fake = camera.begin(image_id)
            camera.send(fake, data)
            fake.image = replace(fake.image, size=size, complete=True)
            camera.change(fake, ended=True)
            await until(partial(_is_broken, images, image_id))
            state, reason = images.state_of(await images.find(image_id))
            assert (state, bool(reason)) == ("broken", True)
            async with images.open(fake.image) as reader:
                assert (await read_until_broken(reader))[0] == data
        assert await images.current() is None


async def test_the_camera_s_chunks_end_before_the_size_of_the_image(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(spool_images=1)) as images:
        short = camera.begin("short.png")
        camera.send(short, DATA[:900])
        camera.finish(short)
        camera.begin("next.png")
        await until(lambda: "short.png" not in images.receiver.spools)
        short.image = replace(short.image, size=1000)
        async with images.open(short.image, 0, 1000) as reader:
            assert (await read_until_broken(reader))[0] == DATA[:900]


async def test_an_image_whose_bytes_cannot_be_read_yet_is_not_stalled_while_they_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rover.images.images.STALLED_S", 0.3)
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        camera.begin("a.tif")
        await until(lambda: "a.tif" in images.receiver.spools)
        image = await images.find("a.tif")
        await until(lambda: images.state_of(image)[0] == "stalled")
        assert images.state_of(replace(image, received_at=time())) == ("arriving", "")
        assert images.state_of(replace(image, received_at=1_790_000_000.0))[0] == "stalled"


async def test_a_stalled_image_is_named_so_and_its_readers_wait_for_a_limited_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rover.images.images.STALLED_S", 0.0)
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(stalled_image_s=1)) as images:
        camera.send(older := camera.begin("older.png"), DATA[:500])
        arriving = camera.begin("a.png", size=1000)
        camera.send(arriving, DATA[:500])
        await spooled(images, "a.png", 500)
        state, reason = images.state_of(await images.find("a.png"))
        assert (state, bool(reason)) == ("stalled", True)
        assert (newest := await images.current())
        assert newest.id == "a.png"
        camera.finish(older)
        await spooled(images, "older.png")
        assert (newest := await images.current())
        assert newest.id == "older.png"
        async with images.open(arriving.image, 200, 700) as reader:
            with fail_after(5):
                assert (await read_until_broken(reader))[0] == DATA[200:500]
        camera.send(arriving, DATA[500:1000])
        camera.finish(arriving)
        async with images.open(arriving.image, 200, 700) as reader:
            assert await read_all(reader) == DATA[200:700]


async def test_the_oldest_images_leave_the_spool_when_it_is_full(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(spool_bytes=2**20)) as images:
        for name in ("a", "b", "c"):
            fake = camera.begin(name)
            camera.send(fake, DATA[:400_000])
            camera.finish(fake)
            await spooled(images, name)
        assert list(images.receiver.spools) == ["b", "c"]
        camera.send(camera.begin("large"), DATA[:1_100_000])
        await until(partial(_is_broken, images, "large"))
        assert list(images.receiver.spools) == ["large"]


async def test_on_a_full_disk_the_newest_image_replaces_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = FakeCamera()
    pwrite, free = os.pwrite, 1_000_000

    def write(fd: int, data: Any, position: int) -> int:
        nonlocal free
        if free == 0:
            raise OSError(28, "No space left on device")
        data = data[:free]
        free -= len(data)
        return pwrite(fd, data, position)

    monkeypatch.setattr(os, "pwrite", write)
    async with receiving(camera, tmp_path) as images:
        for name in ("a", "b"):
            fake = camera.begin(name)
            camera.send(fake, DATA[:400_000])
            camera.finish(fake)
            await spooled(images, name)
        discard = images.receiver._discard_oldest

        async def discard_and_free(spool: Any) -> bool:
            nonlocal free
            free += 600_000
            return await discard(spool)

        monkeypatch.setattr(images.receiver, "_discard_oldest", discard_and_free)
        newest = camera.begin("c")
        camera.send(newest, DATA[:600_000])
        camera.finish(newest)
        await spooled(images, "c")
        assert list(images.receiver.spools) == ["b", "c"]
        assert images.health.state is State.DEGRADED
        async with images.open(newest.image) as reader:
            assert await read_all(reader) == DATA[:600_000]


async def test_an_image_over_the_size_limit_is_broken(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(max_image_bytes=1024)) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA[:1000])
        async with images.open(arriving.image) as reader:
            assert await reader.read(2000) == DATA[:1000]
            camera.send(arriving, DATA[1000:1100])
            _, reason = await read_until_broken(reader)
        assert "ROVER_MAX_IMAGE_BYTES" in reason
        await until(lambda: camera.still_open == 0)


async def test_a_replaced_image_is_broken_for_its_readers_and_received_again(
    tmp_path: Path,
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        old = camera.begin("a.png", revision="1")
        camera.send(old, b"old")
        async with images.open(old.image) as reader:
            assert await reader.read(10) == b"old"
            new = camera.begin("a.png", revision="2")
            camera.send(new, b"brand new")
            camera.finish(new)
            got, _ = await read_until_broken(reader)
            assert got == b""
        with pytest.raises(ImageBroken, match="replaced"):
            async with images.open(old.image):
                pass
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == b"brand new"


async def test_a_broken_image_can_start_again(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, b"half")
        camera.change(arriving, failure=SourceError("signal lost"))
        async with images.open(arriving.image) as reader:
            assert await read_until_broken(reader) == (b"half", "signal lost")
        again = camera.begin("a.png")  # the same arriving, of the same revision
        camera.send(again, b"half of it, and the rest")
        await spooled(images, "a.png", 24)
        camera.finish(again)
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == b"half of it, and the rest"


async def test_the_number_of_spools_is_limited_and_an_open_reader_keeps_its_spool(
    tmp_path: Path,
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(spool_images=2)) as images:
        first = camera.begin("1.png")
        camera.send(first, DATA)
        camera.finish(first)
        await spooled(images, "1.png", len(DATA))
        async with images.open(first.image) as reader:
            assert await reader.read(1000) == DATA[:1000]
            second = camera.begin("2.png")
            camera.send(second, b"two")
            camera.begin("3.png")
            await until(lambda: list(images.receiver.spools) == ["2.png", "3.png"])
            assert await read_all(reader) == DATA[1000:]
        async with images.open(second.image) as reader:
            assert await reader.read(9) == b"two"
            camera.begin("4.png")
            got, _ = await read_until_broken(reader)
            assert got == b""
        await until(lambda: camera.still_open == 2)


async def test_a_thousand_readers_leave_no_open_files(tmp_path: Path) -> None:
    camera = FakeCamera()
    before_start = open_files()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA[:1000])
        await spooled(images, "a.png", 1000)
        growth = images.receiver.spools["a.png"].growth
        before = open_files()
        for number in range(1000):
            async with images.open(arriving.image) as reader:
                await reader.read(100)
                if number % 2:
                    with move_on_after(0):
                        await read_all(reader)
        assert (images.readers, growth.subscribers) == (0, 0)
        assert open_files() == before
        assert names_in(tmp_path) == []  # a spool's file has no name, also while it is used
    assert open_files() == before_start  # no reader has kept a reference to the spool


async def test_shutdown_closes_all_spools(tmp_path: Path) -> None:
    before = open_files()
    camera = FakeCamera()
    async with receiving(camera, tmp_path / "made" / "here") as images:
        for name in ("a.png", "b.png"):
            camera.send(camera.begin(name), b"x")
            await spooled(images, name, 1)
        assert open_files() == before + 2
    assert open_files() == before
    assert camera.still_open == 0


def complete_file(camera: FakeCamera, path: Path) -> Image:
    """A complete image that is a file."""
    path.write_bytes(DATA)
    complete = camera.begin(path.name)
    complete.data = DATA
    camera.finish(complete, path)
    return complete.image


async def test_a_complete_file_is_read_to_its_end_after_it_was_deleted(tmp_path: Path) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    async with receiving(camera, tmp_path / "spool") as images:
        image = complete_file(camera, path)
        async with images.open(image, 5, 2_000_000) as reader:
            assert await reader.read(3) == DATA[5:8]
            path.unlink()
            assert await read_all(reader) == DATA[8:2_000_000]
        assert camera.opened == []
        with pytest.raises(ImageBroken):
            async with images.open(image):
                pass
        del camera.held[image.id]
        with pytest.raises(UnknownImage):
            async with images.open(image):
                pass


async def test_a_file_that_changes_while_it_is_read_is_broken(tmp_path: Path) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    async with receiving(camera, tmp_path / "spool") as images:
        image = complete_file(camera, path)
        async with images.open(image) as reader:
            await reader.read(3)
            path.write_bytes(DATA[::-1])
            os.utime(path, ns=(1, 1))
            got, reason = await read_until_broken(reader)
        assert (got, "file" in reason) == (b"", True)


async def test_a_file_replaced_before_it_is_opened_is_not_read_as_the_old_revision(
    tmp_path: Path,
) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    path.write_bytes(b"new")
    async with receiving(camera, tmp_path / "spool") as images:
        old = camera.begin("a.png", revision="1")
        old.data = b"old"
        camera.finish(old, path)
        new = camera.begin("a.png", revision="2")
        new.data = b"new"
        camera.finish(new, path)
        with pytest.raises(ImageBroken, match="replaced"):
            async with images.open(old.image):
                pass


async def test_the_spool_is_released_when_the_complete_image_is_a_file(tmp_path: Path) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    path.write_bytes(DATA)
    async with receiving(camera, tmp_path / "spool") as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA)
        async with images.open(arriving.image) as reader:
            await reader.read(1)
            camera.finish(arriving, path)
            await until(lambda: not images.receiver.spools)
            assert await read_all(reader) == DATA[1:]


async def test_a_complete_image_without_a_file_is_read_from_the_camera_at_an_offset(
    tmp_path: Path,
) -> None:
    camera = FakeCamera()
    arriving = camera.begin("a.png")
    camera.send(arriving, DATA)
    camera.finish(arriving)
    images = Images(camera, Settings(), tmp_path)  # not running, so it has no spools
    async with images.open(arriving.image, 1000, 2_000_000) as reader:
        assert await read_all(reader, 70_000) == DATA[1000:2_000_000]
    assert camera.opened == [("a.png", 1000)]
    assert camera.still_open == 0


async def test_an_error_of_the_spool_breaks_the_image_and_not_the_camera(tmp_path: Path) -> None:
    camera = FakeCamera()
    (blocked := tmp_path / "file").write_text("not a folder")
    async with receiving(camera, blocked) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, DATA)
        async with images.open(arriving.image) as reader:
            _, reason = await read_until_broken(reader)
        assert "spooled" in reason
        camera.finish(arriving)  # so the camera holds the complete image
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == DATA
        assert images.health.state is State.LIVE


async def test_close_aborts_waiting_readers(tmp_path: Path) -> None:
    camera = FakeCamera()
    ended: list[str] = []

    async def view(images: Images, image: Image) -> None:
        async with images.open(image) as reader:
            await read_all(reader)
            ended.append("read to the end")
        ended.append("aborted")

    async with receiving(camera, tmp_path) as images, create_task_group() as readers:
        arriving = camera.begin("a.png")
        for _ in range(3):
            readers.start_soon(view, images, arriving.image)
        await until(lambda: images.readers == 3)
        images.close()
        with fail_after(5):
            await until(lambda: ended == ["aborted"] * 3)
        with pytest.raises(ImageBroken):
            async with images.open(arriving.image):
                pass
        assert images.readers == 0


async def test_the_list_has_the_bytes_that_the_server_has_received(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        camera.finish(camera.begin("old.png"))
        arriving = camera.begin("new.png")
        camera.send(arriving, DATA)
        await spooled(images, "new.png", len(DATA))
        arriving.image = replace(arriving.image, received=1)  # less than the server has
        newest, *rest = await images.listed()
        assert (newest.id, newest.received, newest.complete) == ("new.png", len(DATA), False)
        assert newest.received_at is not None
        assert [image.id for image in rest] == ["old.png"]
        assert [image.id for image in islice(await images.listed(), 1)] == ["new.png"]
        with pytest.raises(UnknownImage):
            await images.find("../old.png")


async def test_without_an_image_the_error_gives_the_state_of_the_camera(tmp_path: Path) -> None:
    camera = FakeCamera()
    camera.failure = SourceError("the mast is folded")
    async with receiving(camera, tmp_path) as images:
        cameras = Cameras({"camera": images})
        await until(lambda: images.health.state is State.DOWN)
        with pytest.raises(NoDataYet, match="the mast is folded"):
            await cameras.latest()
        arriving = camera.begin("a.png")
        await until(lambda: images.health.state is State.LIVE)
        with pytest.raises(NoDataYet):
            await cameras.latest()
        camera.send(arriving, b"x")
        assert (await cameras.latest()).image.id == "a.png"


class BrokenCamera(FakeCamera):
    """A camera that cannot be asked for its images."""

    async def images(self) -> Sequence[Image]:
        raise SourceError("the mast is folded")

    async def image(self, image_id: str) -> Image | None:
        raise SourceError("the mast is folded")


async def test_a_camera_that_fails_hides_no_image_of_another(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with (
        receiving(BrokenCamera(), tmp_path / "mast", name="mast") as broken,
        receiving(camera, tmp_path / "hull", name="hull") as images,
    ):
        cameras = Cameras({"mast": broken, "hull": images})
        for asked in (cameras.latest(), cameras.shown(), cameras.find("a.png")):
            with pytest.raises(SourceError, match="the mast is folded"):
                await asked
        camera.send(arriving := camera.begin("a.png"), DATA)
        camera.finish(arriving)
        await spooled(images, "a.png")
        assert (await cameras.latest()).camera == "hull"
        assert await cameras.shown() == "hull"
        assert (await cameras.find("a.png")).camera == "hull"


async def test_an_invalid_image_is_left_out_of_the_list_and_degrades_the_camera(
    tmp_path: Path,
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        valid, wrong = camera.begin("a.png"), camera.begin("b.png")
        wrong.image = replace(wrong.image, size=-1)
        assert [image.id for image in await images.listed()] == ["a.png"]
        assert (await images.find("a.png")) == valid.image
        assert images.health.state is State.DEGRADED
        assert "size=-1" in images.health.detail
        with pytest.raises(SourceError, match="size=-1"):
            await images.find("b.png")


@pytest.mark.parametrize("chunk", ["text", b"", bytearray(3), bytes(2**20 + 1)], ids=range(4))
async def test_a_wrong_chunk_breaks_the_image(tmp_path: Path, chunk: Any) -> None:
    class WrongCamera(FakeCamera):
        async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
            yield DATA[:1000]
            yield chunk

    camera = WrongCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png")
        async with images.open(arriving.image) as reader:
            got, reason = await read_until_broken(reader)
        assert (got, "open()" in reason) == (DATA[:1000], True)
        complete = replace(arriving.image, received=2000, size=2000, complete=True, revision="2")
        arriving.image = complete
        async with images.open(complete) as reader:
            got, reason = await read_until_broken(reader)
        assert (got, "open()" in reason) == (DATA[:1000], True)


@pytest.mark.parametrize("stray", [CancelledError(), SystemExit(3), GeneratorExit()], ids=repr)
async def test_a_stray_exception_of_a_camera_breaks_one_image(
    tmp_path: Path, stray: BaseException
) -> None:
    class RaisingCamera(FakeCamera):
        async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
            yield DATA[:1000]
            if image_id == "a.png":
                raise stray

    camera = RaisingCamera()
    async with receiving(camera, tmp_path) as images:
        broken, valid = camera.begin("a.png"), camera.begin("b.png")
        async with images.open(broken.image) as reader:
            got, reason = await read_until_broken(reader)
        assert (got, type(stray).__name__ in reason) == (DATA[:1000], True)
        async with images.open(valid.image) as reader:
            assert await read_all(reader) == DATA[:1000]
        assert images.health.state is State.LIVE


async def test_a_path_that_is_no_regular_file_breaks_the_response(tmp_path: Path) -> None:
    camera = FakeCamera()
    os.mkfifo(tmp_path / "fifo")
    async with receiving(camera, tmp_path / "spool") as images:
        arriving = camera.begin("a.png")
        camera.finish(arriving)
        for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing"):
            arriving.image = replace(arriving.image, path=path)
            with pytest.raises(ImageBroken, match="file"), fail_after(5):
                async with images.open(arriving.image):
                    pass


class RadioCamera(FakeCamera):
    """A camera that knows when its machine answered."""

    contact_at: float | None = None


async def test_a_camera_that_failed_is_live_again_only_when_its_machine_answers(
    tmp_path: Path,
) -> None:
    camera = RadioCamera()
    fake = camera.begin("a.png")
    camera.send(fake, DATA)
    camera.finish(fake)
    async with receiving(camera, tmp_path) as images:
        await until(lambda: images.health.state is State.LIVE)
        camera.contact_at = 1_790_000_000.0
        camera.failure = SourceError("no answer")
        camera.notify()
        await until(lambda: images.health.state is State.DOWN)
        restarted = images.receiver.supervisor.failures
        camera.failure = SourceError("still no answer")  # after a restart, with an image
        camera.notify()
        await until(lambda: images.receiver.supervisor.failures > restarted)
        assert [one.id for one in await images.listed()] == ["a.png"]
        await until(lambda: images.receiver._following_since is not None)
        assert images.health.state is State.DOWN
        camera.contact_at = 1_790_000_009.0
        await until(lambda: images.health.state is State.LIVE)
