"""Pictures are received once, kept in bounds, and read by any number, each at its own pace."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group, fail_after, move_on_after

from rover.errors import NothingYet
from rover.images import Images
from rover.images.spool import RECENT_BYTES
from rover.settings import Settings
from rover.supervise import State
from sources.base import Image, ImageBroken, SourceError, UnknownImage
from tests.fake_camera import FakeCamera, names_in, open_files, read_all, receiving, spooled, until

if TYPE_CHECKING:
    from pathlib import Path

    from rover.images.reader import Reader

pytestmark = pytest.mark.anyio

PICTURE = random.Random(1).randbytes(3_000_000)


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
    raise AssertionError("it came to an end")


async def test_a_thousand_viewers_of_an_arriving_picture_use_one_link(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png", size=300_000)
        got: list[bytes] = []
        async with create_task_group() as viewers:
            for number in range(1000):
                at_most = random.Random(number).choice([1_000, 65_536, 2**20])
                viewers.start_soon(collect, images, picture.image, got, at_most)
            for start in range(0, 300_000, 20_000):
                await spooled(images, "a.png", start)
                camera.send(picture, PICTURE[start : start + 20_000])
            camera.finish(picture)
        assert len(got) == 1000
        assert set(got) == {PICTURE[:300_000]}
        assert camera.opened == [("a.png", 0)]
        assert images.readers == 0


async def test_a_late_joiner_gets_the_picture_from_its_beginning(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE[:2_000_000])
        await spooled(images, "a.png", 2_000_000)
        async with images.open(picture.image) as reader:
            assert len(await reader.read(2**20)) == 2**20
            camera.send(picture, PICTURE[2_000_000:])
            camera.finish(picture)
            assert await read_all(reader) == PICTURE[2**20 :]
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == PICTURE


async def test_a_part_that_has_not_arrived_yet_is_waited_for(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png", size=1000)
        camera.send(picture, PICTURE[:100])
        async with images.open(picture.image, 500, 510) as reader:
            with move_on_after(0.02) as early:
                await reader.read(100)
            assert early.cancelled_caught
            camera.send(picture, PICTURE[100:505])
            assert await reader.read(100) == PICTURE[500:505]
            camera.send(picture, PICTURE[505:600])
            assert await read_all(reader) == PICTURE[505:510]


async def test_a_stalled_reader_delays_nobody_and_holds_no_memory(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE[:1000])
        async with images.open(picture.image) as stalled, images.open(picture.image) as quick:
            assert await stalled.read(1000) == await quick.read(1000) == PICTURE[:1000]
            camera.send(picture, PICTURE[1000:])
            camera.finish(picture)
            with fail_after(5):
                assert await read_all(quick) == PICTURE[1000:]
            growth = images._spools["a.png"].growth
            assert sum(len(frame.data) for frame in growth.retained()) <= RECENT_BYTES
            assert await read_all(stalled, 10_000) == PICTURE[1000:]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ImageBroken("a.png", "the antenna turned away"), "the antenna turned away"),
        (SourceError("no carrier"), "no carrier"),
        (OSError(5, "bus"), "bus"),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
    ],
)
async def test_when_it_breaks_off_readers_get_what_came_and_then_the_reason(
    tmp_path: Path, failure: Exception, reason: str
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        camera.finish(whole := camera.begin("whole.png"))
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE[:700_000])
        async with images.open(picture.image) as reader:
            assert await reader.read(10) == PICTURE[:10]
            camera.change(picture, failure=failure)
            got, why = await read_until_broken(reader)
        assert got == PICTURE[10:700_000]
        assert reason in why
        async with images.open(picture.image) as late:
            assert await read_until_broken(late) == (PICTURE[:700_000], why)
        assert (await images.find("a.png")).complete is False
        assert (await images.latest()).id == whole.image.id
        assert camera.still_open == 0


async def test_a_picture_of_another_length_than_announced_is_broken(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        short = camera.begin("short.png", size=2000)
        camera.send(short, PICTURE[:1000])
        camera.change(short, ended=True)
        long = camera.begin("long.png", size=500)
        camera.send(long, PICTURE[:1000])
        async with images.open(short.image) as reader:
            assert await read_until_broken(reader) == (PICTURE[:1000], "1,000 of 2,000 bytes came")
        async with images.open(long.image) as reader:
            assert await read_until_broken(reader) == (b"", "more than its 500 bytes came")


async def test_a_picture_larger_than_the_settings_allow_is_broken_off(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(max_picture_bytes=1024)) as images:
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE[:1000])
        async with images.open(picture.image) as reader:
            assert await reader.read(2000) == PICTURE[:1000]
            camera.send(picture, PICTURE[1000:1100])
            _, why = await read_until_broken(reader)
        assert "ROVER_MAX_PICTURE_BYTES" in why
        await until(lambda: camera.still_open == 0)


async def test_a_replaced_picture_is_broken_for_its_readers_and_starts_anew(tmp_path: Path) -> None:
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


async def test_a_picture_that_broke_off_can_begin_again(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png")
        camera.send(picture, b"half")
        camera.change(picture, failure=SourceError("the antenna turned away"))
        async with images.open(picture.image) as reader:
            assert await read_until_broken(reader) == (b"half", "the antenna turned away")
        again = camera.begin("a.png")  # the same picture, of the same revision
        camera.send(again, b"half of it, and the rest")
        await spooled(images, "a.png", 24)
        camera.finish(again)
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == b"half of it, and the rest"


async def test_the_spool_is_bounded_and_an_open_reader_keeps_what_it_reads(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path, Settings(spool_pictures=2)) as images:
        first = camera.begin("1.png")
        camera.send(first, PICTURE)
        camera.finish(first)
        await spooled(images, "1.png", len(PICTURE))
        async with images.open(first.image) as reader:
            assert await reader.read(1000) == PICTURE[:1000]
            second = camera.begin("2.png")
            camera.send(second, b"two")
            camera.begin("3.png")
            await until(lambda: list(images._spools) == ["2.png", "3.png"])
            assert await read_all(reader) == PICTURE[1000:]
        async with images.open(second.image) as reader:
            assert await reader.read(9) == b"two"
            camera.begin("4.png")
            assert await read_until_broken(reader) == (b"", "newer ones took its place")
        await until(lambda: camera.still_open == 2)


async def test_a_thousand_readers_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE[:1000])
        await spooled(images, "a.png", 1000)
        spool = images._spools["a.png"]
        before = open_files()
        for number in range(1000):
            async with images.open(picture.image) as reader:
                await reader.read(100)
                if number % 2:
                    with move_on_after(0):
                        await read_all(reader)
        assert (images.readers, spool.growth.subscribers, spool._holders) == (0, 0, 2)
        assert open_files() == before
        assert names_in(tmp_path) == []  # a spool file has no name, even while it is used


async def test_the_spool_files_are_closed_with_the_downlink(tmp_path: Path) -> None:
    before = open_files()
    camera = FakeCamera()
    async with receiving(camera, tmp_path / "made" / "here") as images:
        for name in ("a.png", "b.png"):
            camera.send(camera.begin(name), b"x")
            await spooled(images, name, 1)
        assert open_files() == before + 2
    assert open_files() == before
    assert camera.still_open == 0


async def test_a_complete_file_is_read_from_disk_even_when_it_is_deleted(tmp_path: Path) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE)
    async with receiving(camera, tmp_path / "spool") as images:
        picture = camera.begin("a.png")
        picture.data = PICTURE
        camera.finish(picture, path)
        async with images.open(picture.image, 5, 2_000_000) as reader:
            assert await reader.read(3) == PICTURE[5:8]
            path.unlink()
            assert await read_all(reader) == PICTURE[8:2_000_000]
        assert camera.opened == []
        with pytest.raises(UnknownImage):
            async with images.open(picture.image):
                pass


async def test_a_file_that_changes_while_it_is_read_is_broken(tmp_path: Path) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE)
    async with receiving(camera, tmp_path / "spool") as images:
        picture = camera.begin("a.png")
        picture.data = PICTURE
        camera.finish(picture, path)
        async with images.open(picture.image) as reader:
            await reader.read(3)
            path.write_bytes(PICTURE[::-1])
            os.utime(path, ns=(1, 1))
            assert await read_until_broken(reader) == (
                b"",
                "its file was changed while it was read",
            )


async def test_a_file_replaced_before_it_was_opened_is_not_passed_off_as_the_old_one(
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


async def test_an_arriving_picture_that_gets_a_file_is_no_longer_spooled(tmp_path: Path) -> None:
    camera = FakeCamera()
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE)
    async with receiving(camera, tmp_path / "spool") as images:
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE)
        async with images.open(picture.image) as reader:
            await reader.read(1)
            camera.finish(picture, path)
            await until(lambda: not images._spools)
            assert await read_all(reader) == PICTURE[1:]


async def test_what_the_camera_still_has_is_asked_of_it_at_an_offset(tmp_path: Path) -> None:
    camera = FakeCamera()
    picture = camera.begin("a.png")
    camera.send(picture, PICTURE)
    camera.finish(picture)
    images = Images(camera, Settings(), tmp_path)  # it does not run, so it spools nothing
    async with images.open(picture.image, 1000, 2_000_000) as reader:
        assert await read_all(reader, 70_000) == PICTURE[1000:2_000_000]
    assert camera.opened == [("a.png", 1000)]
    assert camera.still_open == 0


async def test_a_spool_that_cannot_be_written_breaks_the_picture_only(tmp_path: Path) -> None:
    camera = FakeCamera()
    (blocked := tmp_path / "file").write_text("not a folder")
    async with receiving(camera, blocked) as images:
        picture = camera.begin("a.png")
        camera.send(picture, PICTURE)
        async with images.open(picture.image) as reader:
            _, why = await read_until_broken(reader)
        assert "spooled" in why
        camera.finish(picture)  # the camera has it whole, so nothing is lost
        async with images.open(await images.find("a.png")) as reader:
            assert await read_all(reader) == PICTURE
        assert images.health.state is State.LIVE


async def test_closing_cuts_readers_off_wherever_they_wait(tmp_path: Path) -> None:
    camera = FakeCamera()
    left: list[str] = []

    async def view(images: Images, image: Image) -> None:
        async with images.open(image) as reader:
            await read_all(reader)
            left.append("read to its end")
        left.append("left")

    async with receiving(camera, tmp_path) as images, create_task_group() as viewers:
        picture = camera.begin("a.png")
        for _ in range(3):
            viewers.start_soon(view, images, picture.image)
        await until(lambda: images.readers == 3)
        images.close()
        with fail_after(1):
            await until(lambda: left == ["left"] * 3)
        with pytest.raises(ImageBroken, match="going down"):
            async with images.open(picture.image):
                pass
        assert images.readers == 0


async def test_the_list_shows_what_has_been_received_here(tmp_path: Path) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        camera.finish(camera.begin("old.png"))
        picture = camera.begin("new.png")
        camera.send(picture, PICTURE)
        await spooled(images, "new.png", len(PICTURE))
        picture.image = replace(picture.image, received=1)  # the camera says less than came
        newest, *rest = await images.newest()
        assert (newest.id, newest.received, newest.complete) == ("new.png", len(PICTURE), False)
        assert newest.received_at is not None
        assert [image.id for image in rest] == ["old.png"]
        assert [image.id for image in await images.newest(1)] == ["new.png"]
        with pytest.raises(UnknownImage):
            await images.find("../old.png")


async def test_nothing_yet_says_how_the_camera_is(tmp_path: Path) -> None:
    camera = FakeCamera()
    camera.failure = SourceError("the mast is folded")
    async with receiving(camera, tmp_path) as images:
        await until(lambda: images.health.state is State.DOWN)
        with pytest.raises(NothingYet, match="camera is down: the mast is folded"):
            await images.latest()
        picture = camera.begin("a.png")
        await until(lambda: images.health.state is State.LIVE)
        with pytest.raises(NothingYet):
            await images.latest()
        camera.send(picture, b"x")
        assert (await images.latest()).id == "a.png"
