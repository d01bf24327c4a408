"""The directory camera: a folder that another program writes images into."""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO
from unittest.mock import ANY

import pytest
from anyio import create_task_group, fail_after
from PIL import Image as Pillow

from rover.guard import closing
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.directory import DirectoryCamera
from sources.directory.folder import Folder
from sources.directory.scan import EMPTY
from sources.directory.tree import Tree
from sources.values.images import Header, is_whole, read_header

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SETTLE_S = 5.0


class Clock:
    """Seconds that pass only when a test adds them."""

    def __init__(self) -> None:
        self.now = 81_523.4

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "images").mkdir()
    return made


@pytest.fixture
def camera(folder: Path, clock: Clock) -> DirectoryCamera:
    """Polls only when a test calls `refresh`."""
    return DirectoryCamera(folder, poll_s=3600, settle_s=SETTLE_S, clock=clock)


def image_bytes(form: str = "PNG", size: tuple[int, int] = (40, 30), shade: int = 0) -> bytes:
    file = io.BytesIO()
    Pillow.effect_noise(size, 50 + shade).convert("RGB").save(file, form)
    return file.getvalue()


def write(path: Path, data: bytes, mtime_s: float | None = None) -> None:
    """Truncate the file and write it, as a program does that opens it for writing."""
    path.write_bytes(data)
    if mtime_s is not None:
        os.utime(path, (mtime_s, mtime_s))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def move(source: Path, target: Path) -> None:
    source.replace(target)


def make(folder: Path) -> None:
    folder.mkdir()


def remove(folder: Path) -> None:
    folder.rmdir()


async def ids(camera: DirectoryCamera) -> list[str]:
    await camera.refresh()
    return [image.id for image in await camera.images()]


async def read(camera: DirectoryCamera, image_id: str, start: int = 0) -> bytes:
    async with closing(camera.open(image_id, start)) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (1025, 513)])
def test_the_header_agrees_with_pillow(form: str, size: tuple[int, int]) -> None:
    data = image_bytes(form, size)
    assert read_header(io.BytesIO(data)) == Header(f"image/{form.lower()}", *size)


def test_a_size_of_0_is_unknown() -> None:
    start = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(8)
    assert read_header(io.BytesIO(start)) == Header("image/png")


def test_headers_of_other_variants_of_the_formats() -> None:
    rgba = Pillow.new("RGBA", (33, 44))
    options: list[tuple[str, dict[str, object]]] = [
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}),
        ("TIFF", {"compression": "tiff_deflate", "big_tiff": False}),
    ]
    for form, how in options:
        rgba.save(file := io.BytesIO(), form, **how)
        assert read_header(file) == Header(f"image/{form.lower()}", 33, 44), (form, how)
    Pillow.new("RGB", (33, 44)).save(
        file := io.BytesIO(), "JPEG", progressive=True, exif=b"Exif\0\0" + bytes(60_000)
    )
    assert read_header(file) == Header("image/jpeg", 33, 44)


FORMS = ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]


@pytest.mark.parametrize("form", FORMS)
def test_only_a_complete_file_is_whole(form: str) -> None:
    data = image_bytes(form)
    kind = f"image/{form.lower()}"
    assert is_whole(io.BytesIO(data), kind)
    for search in (False, True):
        assert not any(
            is_whole(io.BytesIO(data[:n]), kind, search=search) for n in range(len(data) - 1)
        )


@pytest.mark.parametrize("form", FORMS)
def test_other_bytes_after_the_end_are_found_by_a_search(form: str) -> None:
    for more in (b"\0" * 100, b"SEFT" + bytes(range(256)) * 9000):
        assert is_whole(io.BytesIO(image_bytes(form) + more), f"image/{form.lower()}", search=True)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + b"\xff\xd9" * 9_000}),
        ("JPEG", {"restart_marker_blocks": 1}),
        ("GIF", {"save_all": True, "append_images": [Pillow.new("RGB", (40, 30), "red")]}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"save_all": True, "append_images": [Pillow.new("RGB", (9, 9))]}),
        ("BMP", {"bits": 8}),
        ("WEBP", {"lossless": True}),
        ("PNG", {"save_all": True, "append_images": [Pillow.new("RGB", (40, 30), "red")]}),
    ],
)
def test_variants_of_the_formats_are_whole_at_their_end_only(
    form: str, options: dict[str, object]
) -> None:
    Pillow.effect_noise((40, 30), 60).convert("RGB").save(file := io.BytesIO(), form, **options)
    data = file.getvalue()
    kind = f"image/{form.lower()}"
    assert is_whole(file, kind)
    assert not any(
        is_whole(io.BytesIO(data[:n]), kind) for n in range(0, len(data) - 1, len(data) // 300)
    )
    assert not is_whole(io.BytesIO(data[:-2]), kind, search=True)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_or_corrupt_header_raises_nothing(form: str) -> None:
    data = image_bytes(form)
    for length in range(min(len(data), 700)):
        header = read_header(io.BytesIO(data[:length]))
        assert header is None or header.content_type == f"image/{form.lower()}"
        read_header(io.BytesIO(data[:length] + b"\xff" * 40))
        read_header(io.BytesIO(data[:length] + b"\x00" * 40))


def test_an_image_that_claims_an_enormous_size_is_not_decoded() -> None:
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0"
    assert read_header(io.BytesIO(bomb)) == Header("image/png", 2**31 - 1, 2**31 - 1)


async def test_images_are_recognized_by_content_and_listed_newest_first(
    folder: Path, camera: DirectoryCamera, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "old.dat", image_bytes("JPEG"), 1_790_001_000)
    write(folder / "new.jpg", png := image_bytes("PNG"), 1_790_003_000)
    write(folder / "b.png", png, 1_790_002_000)
    write(folder / "c.png", png, 1_790_002_000)
    write(folder / "notes.png", b"only a text")
    write(folder / "empty.png", b"")
    with caplog.at_level(logging.INFO, "sources.directory"):
        assert await ids(camera) == ["new.jpg", "c.png", "b.png", "old.dat"]
        await ids(camera)
        append(folder / "notes.png", b", and it grows")
        await ids(camera)
    assert caplog.text.count("notes.png") == 1
    image = (await camera.images())[0]
    assert (image.content_type, image.size, image.received) == ("image/png", len(png), len(png))
    assert (image.width, image.height, image.complete) == (40, 30, True)
    assert (image.path, image.received_at) == (folder / "new.jpg", 1_790_003_000)
    assert await read(camera, "new.jpg", 10) == png[10:]


async def test_hidden_temporary_and_special_files_are_skipped(
    folder: Path, camera: DirectoryCamera
) -> None:
    png = image_bytes()
    for name in (".a.png", "b.png~", "c.png.part", "d.tmp", "E.TMP", "f.crdownload"):
        write(folder / name, png)
    for name in (".git", "sub"):
        (folder / name).mkdir()
        write(folder / name / ".g.png", png)
        write(folder / name / "thumbnail", png)
    write(folder / ".git" / "h.png", png)
    (folder / "data" / "thumbnails").mkdir(parents=True)
    write(folder / "data" / "mission.db", b"")
    write(folder / "data" / "thumbnails" / "i", png)
    os.mkfifo(folder / "pipe.png")
    write(folder / ("l" * 201), png)
    write(folder / os.fsdecode(b"latin-\xe9.png"), png)
    write(folder / "real.png", png)
    assert await ids(camera) == ["real.png"]
    for name in (
        ".a.png",
        "b.png~",
        "sub",
        "sub/thumbnail",
        ".git/h.png",
        "pipe.png",
        "data/thumbnails/i",
    ):
        assert await camera.image(name) is None
        with pytest.raises(UnknownImage):
            await read(camera, name)


async def test_images_in_subfolders_have_paths_as_ids(
    folder: Path, camera: DirectoryCamera
) -> None:
    assert await ids(camera) == []
    (folder / "sol24" / "left").mkdir(parents=True)
    png = image_bytes()
    write(folder / "sol24" / "left" / "a.png", png)
    await camera.refresh(["sol24"])
    assert [image.id for image in await camera.images()] == ["sol24/left/a.png"]
    assert await read(camera, "sol24/left/a.png") == png
    write(folder / "sol24" / "b.png", png)
    await camera.refresh(["sol24/b.png"])
    move(folder / "sol24", folder / "sol25")
    await camera.refresh(["sol24", "sol25"])
    found = {image.id: image.path for image in await camera.images()}
    assert found == {name: folder / name for name in ("sol25/b.png", "sol25/left/a.png")}


async def test_a_symlink_counts_if_it_leads_to_a_file_in_the_folder(
    folder: Path, camera: DirectoryCamera, tmp_path: Path
) -> None:
    old, new = image_bytes(shade=1), image_bytes(shade=2)
    (folder / "sol").mkdir()
    write(folder / "sol" / "1.png", old)
    write(folder / "sol" / "2.png", new)
    write(tmp_path / "secret.png", new)
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside" / "s.png", new)
    link = folder / "latest.png"
    link.symlink_to("sol/1.png")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "none.png").symlink_to("sol/3.png")
    (folder / "outside").symlink_to(tmp_path / "outside")
    (folder / "again").symlink_to("sol")
    assert sorted(await ids(camera)) == ["latest.png", "sol/1.png", "sol/2.png"]
    assert await read(camera, "latest.png") == old
    link.unlink()
    link.symlink_to("sol/2.png")
    assert await read(camera, "latest.png") == new
    for name in ("out.png", "outside/s.png", "again/1.png", "loop.png"):
        await camera.refresh([name])
        assert await camera.image(name) is None


async def test_a_folder_may_be_mounted_after_the_start(tmp_path: Path) -> None:
    camera = DirectoryCamera(tmp_path / "later" / "images", wait=True)
    assert await ids(camera) == []
    (tmp_path / "later" / "images").mkdir(parents=True)
    write(tmp_path / "later" / "images" / "a.png", image_bytes())
    assert await ids(camera) == ["a.png"]


async def test_no_id_reaches_outside_the_folder(
    folder: Path, camera: DirectoryCamera, tmp_path: Path
) -> None:
    write(tmp_path / "secret.png", image_bytes())
    write(folder / "a.png", image_bytes())
    await camera.refresh()
    outside = ["../secret.png", str(tmp_path / "secret.png"), "..", ".", "", "a.png/", "./a.png"]
    for image_id in [*outside, "a.png\0", "\0", "a" * 5000, "\ud800.png", "sub/../a.png", "\n"]:
        assert await camera.image(image_id) is None


@pytest.mark.parametrize(
    "name", ["a b.png", "é漢字🚀.png", "100%25.png", "a#b?c&d=e.png", "new\nline.png", "'\";<.png"]
)
async def test_unusual_names_are_ids(folder: Path, camera: DirectoryCamera, name: str) -> None:
    write(folder / name, png := image_bytes())
    assert await ids(camera) == [name]
    assert await read(camera, name) == png


async def test_a_growing_file_keeps_its_revision(folder: Path, camera: DirectoryCamera) -> None:
    png = image_bytes()
    write(folder / "a.png", png[:10])
    assert await ids(camera) == ["a.png"]
    first = await camera.image("a.png")
    assert first is not None
    assert (first.received, first.size, first.complete, first.width) == (10, None, False, None)
    append(folder / "a.png", png[10:1000])
    await camera.refresh()
    middle = await camera.image("a.png")
    assert middle is not None
    assert (middle.received, middle.complete, middle.width) == (1000, False, 40)
    append(folder / "a.png", png[1000:])
    await camera.refresh()
    last = await camera.image("a.png")
    assert last is not None
    assert (last.received, last.size, last.complete) == (len(png), len(png), True)
    assert first.revision == middle.revision == last.revision


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
async def test_the_last_byte_of_a_file_of_the_start_arrived_when_it_grew(
    folder: Path, camera: DirectoryCamera, form: str
) -> None:
    data = image_bytes(form)
    write(folder / "a", data[:500], 1_700_000_000)
    await camera.refresh()
    first = await camera.image("a")
    append(folder / "a", data[500:600])
    before = time.time()
    await camera.refresh()
    grown = await camera.image("a")
    assert first is not None
    assert grown is not None
    assert first.received_at == 1_700_000_000
    assert (grown.received_at or 0) >= before


async def test_a_reader_follows_a_file_that_grows(folder: Path, camera: DirectoryCamera) -> None:
    png = image_bytes()
    write(folder / "a.png", png[:100])
    await camera.refresh()
    got: list[bytes] = []

    async def follow() -> None:
        got.append(await read(camera, "a.png", 50))

    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(follow)
            for start in range(100, len(png), 500):
                append(folder / "a.png", png[start : start + 500])
                await camera.refresh()
    assert got == [png[50:]]


@pytest.mark.parametrize("form", FORMS)
async def test_an_image_that_stopped_arriving_is_never_complete(
    folder: Path, camera: DirectoryCamera, clock: Clock, form: str
) -> None:
    data = image_bytes(form)
    write(folder / "old", data[: len(data) // 2], 1_795_000_000)
    await camera.refresh()
    write(folder / "new", data[: len(data) // 2])
    for _ in range(3):
        await camera.refresh()
        clock.now += 10 * SETTLE_S
        assert [(image.complete, image.size) for image in await camera.images()] == [
            (False, None),
            (False, None),
        ]
    append(folder / "old", data[len(data) // 2 :])
    append(folder / "new", data[len(data) // 2 :])
    await camera.refresh()
    await camera.refresh()
    assert [image.complete for image in await camera.images()] == [True, True]


async def test_an_image_with_other_bytes_after_its_end_is_complete_once_it_has_settled(
    folder: Path, camera: DirectoryCamera, clock: Clock
) -> None:
    write(folder / "a.jpg", image_bytes("JPEG") + b"of a phone")
    assert await ids(camera) == ["a.jpg"]
    arriving = await camera.image("a.jpg")
    clock.now += SETTLE_S - 1
    append(folder / "a.jpg", b"!")
    await camera.refresh()
    clock.now += SETTLE_S - 1
    await camera.refresh()
    image = await camera.image("a.jpg")
    assert image is not None
    assert not image.complete
    clock.now += 1
    await camera.refresh()
    image = await camera.image("a.jpg")
    assert image is not None
    assert arriving is not None
    assert (image.complete, image.revision) == (True, arriving.revision)


async def test_an_old_file_is_complete_at_the_first_scan_if_it_is_whole(
    folder: Path, camera: DirectoryCamera
) -> None:
    write(folder / "a.tif", image_bytes("TIFF"), 1_790_000_000)
    write(folder / "b.jpg", image_bytes("JPEG") + b"of a phone", 1_780_000_000)
    write(folder / "truncated.png", image_bytes()[:500], 1_770_000_000)
    await camera.refresh()
    assert [image.complete for image in await camera.images()] == [True, True, False]


@pytest.mark.parametrize("form", ["TIFF", "WEBP", "BMP"])
async def test_nothing_is_read_of_a_file_whose_beginning_is_filled_in_at_last(
    folder: Path, camera: DirectoryCamera, form: str
) -> None:
    data = image_bytes(form)
    head = data[:4] + bytes(4) if form == "TIFF" else data[:2] + bytes(6) + data[8:20]
    if form == "WEBP":
        head = b"RIFF" + bytes(4) + b"WEBP"
    write(folder / "a", head + data[len(head) : 600])
    await camera.refresh()
    arriving = await camera.image("a")
    assert arriving is not None
    assert (arriving.received, arriving.complete) == (0, False)
    append(folder / "a", data[600:])
    await camera.refresh()
    with (folder / "a").open("r+b") as file:
        file.write(data[: len(head)])
    await camera.refresh()
    assert await camera.image("a") == replace(arriving, received_at=ANY, width=40, height=30)
    await camera.refresh()
    whole = await camera.image("a")
    assert whole is not None
    assert (whole.complete, whole.received, whole.revision) == (True, len(data), arriving.revision)
    assert await read(camera, "a") == data


async def test_a_growing_file_whose_beginning_changes_is_replaced(
    folder: Path, camera: DirectoryCamera
) -> None:
    data = image_bytes("JPEG", size=(300, 200))
    write(folder / "a.jpg", data[:20] + b"?" + data[21:5000])
    await camera.refresh()
    async with closing(camera.open("a.jpg")) as chunks:
        assert len(await anext(chunks)) == 5000
        with (folder / "a.jpg").open("r+b") as file:
            file.write(data)
        await camera.refresh()
        with pytest.raises(ImageBroken, match="replaced"):
            await anext(chunks)
    assert await read(camera, "a.jpg") == data


async def test_the_latest_image_is_the_one_that_arrived_last(
    folder: Path, camera: DirectoryCamera
) -> None:
    """Clocks of cameras are at 1970 after a reset, or ahead. The newest write comes first."""
    png = image_bytes()
    now = time.time()
    for name, t in (("a", 0), ("b", now + 9e8), ("c", 1_700_000_000), ("d", 1_600_000_000)):
        write(folder / name, png, t)
    assert await ids(camera) == ["b", "a", "c", "d"]
    for name, t in (("future", now + 9e8), ("now", now), ("1970", 0)):
        write(folder / name, png, t)
        await camera.refresh()
    assert [image.id for image in await camera.images()][:3] == ["1970", "now", "future"]
    assert all((image.received_at or 0) <= time.time() for image in await camera.images())
    write(folder / "c", image_bytes(shade=1), 1.0)
    assert (await ids(camera))[0] == "c"


@pytest.mark.parametrize("how", ["renamed over", "written again", "written again, longer"])
@pytest.mark.parametrize("share", [0.5, 1.0])
async def test_a_replaced_file_has_a_new_revision(
    folder: Path, camera: DirectoryCamera, how: str, share: float
) -> None:
    old = image_bytes(size=(100, 50))
    new = image_bytes(size=(20, 10) if how == "written again" else (100, 100), shade=1)
    write(folder / "a.png", old[: int(len(old) * share)])
    await camera.refresh()
    before = await camera.image("a.png")
    if how == "renamed over":
        write(folder / "b.tmp", new)
        move(folder / "b.tmp", folder / "a.png")
    else:
        write(folder / "a.png", new)
    await camera.refresh()
    after = await camera.image("a.png")
    assert before is not None
    assert after is not None
    assert after.revision != before.revision
    assert await read(camera, "a.png") == new


async def test_a_replaced_complete_image_is_noticed_before_the_next_poll(
    folder: Path, camera: DirectoryCamera
) -> None:
    write(folder / "a.png", image_bytes())
    await camera.refresh()
    before = await camera.image("a.png")
    write(folder / "b.tmp", image_bytes(shade=1))
    move(folder / "b.tmp", folder / "a.png")
    after = await camera.image("a.png")
    assert before is not None
    assert after is not None
    assert after.revision != before.revision
    (folder / "a.png").unlink()
    assert await camera.image("a.png") is None
    write(folder / "new.png", image_bytes())
    assert await camera.image("new.png") is not None


@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_reading_a_growing_file_raises_when_it_is_removed_or_replaced(
    folder: Path, camera: DirectoryCamera, how: str
) -> None:
    write(folder / "a.png", image_bytes()[:100])
    await camera.refresh()
    async with closing(camera.open("a.png")) as chunks:
        assert len(await anext(chunks)) == 100
        if how == "removed":
            (folder / "a.png").unlink()
        else:
            write(folder / "a.png", image_bytes(shade=2)[:50])
        await camera.refresh()
        with pytest.raises(ImageBroken, match=how):
            await anext(chunks)


async def test_reading_a_complete_file_survives_deletion_but_not_a_change(
    folder: Path, camera: DirectoryCamera
) -> None:
    data = image_bytes(size=(1500, 1500)) + bytes(2**20)
    write(folder / "kept.png", data, 1000)
    write(folder / "changed.png", data, 1000)
    await camera.refresh()
    async with (
        closing(camera.open("kept.png")) as kept,
        closing(camera.open("changed.png")) as changed,
    ):
        assert await anext(kept) == await anext(changed) == data[: 2**20]
        (folder / "kept.png").unlink()
        write(folder / "changed.png", data[::-1])
        await camera.refresh()
        assert b"".join([chunk async for chunk in kept]) == data[2**20 :]
        with pytest.raises(ImageBroken):
            await anext(changed)


async def test_new_yields_each_image_once(folder: Path, camera: DirectoryCamera) -> None:
    write(folder / "there.png", image_bytes())
    write(folder / "arriving.png", (png := image_bytes())[:100])
    await camera.refresh()
    async with closing(camera.new()) as new:
        assert await anext(new) == "arriving.png"
        append(folder / "arriving.png", png[100:])
        await camera.refresh()
        write(folder / "2.png", png, 2000)
        write(folder / "1.png", png, 1000)
        await camera.refresh()
        assert [await anext(new), await anext(new)] == ["2.png", "1.png"]
        write(folder / "there.png", image_bytes(shade=1))
        await camera.refresh()
        assert await anext(new) == "there.png"


async def test_the_folder_may_be_emptied_removed_and_created_again(
    folder: Path, camera: DirectoryCamera, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "a.png", image_bytes())
    assert await ids(camera) == ["a.png"]
    (folder / "a.png").unlink()
    assert await ids(camera) == []
    remove(folder)
    assert await ids(camera) == []
    assert await ids(camera) == []
    assert caplog.text.count("No such file or directory") == 1
    with pytest.raises(SourceError, match="No such file or directory"):
        await anext(camera.new())
    make(folder)
    write(folder / "b.png", image_bytes())
    assert await ids(camera) == ["b.png"]
    async with closing(camera.new()) as new:
        write(folder / "c.png", image_bytes())
        await camera.refresh()
        assert await anext(new) == "c.png"


class CountingTree(Tree):
    """Counts the files that it opens."""

    opened = 0

    def open(self, target: str) -> BinaryIO:
        self.opened += 1
        return super().open(target)


def test_a_scan_opens_no_unchanged_files(folder: Path, clock: Clock) -> None:
    for number in range(200):
        write(folder / f"{number}.png", b"only a text" if number % 2 else image_bytes(size=(2, 2)))
    scanned = Folder(folder, SETTLE_S, clock)
    counting = scanned.tree = CountingTree(folder)
    first = scanned.scan(EMPTY)
    assert counting.opened == 200
    assert scanned.scan(first) is first
    assert counting.opened == 200


async def test_an_entered_camera_polls(folder: Path) -> None:
    async with DirectoryCamera(folder, poll_s=0.001) as camera:
        new = camera.new()
        write(folder / "a.png", image_bytes())
        with fail_after(5):
            assert await anext(new) == "a.png"


@pytest.mark.parametrize(
    ("path", "reason"), [("missing", "No such file or directory"), ("file", "Not a directory")]
)
def test_a_missing_folder_or_a_file_is_refused(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=reason):
        DirectoryCamera(tmp_path / path)
    with pytest.raises(SourceError, match="poll_s=0"):
        DirectoryCamera(tmp_path, poll_s=0)


async def test_the_mosaic_and_the_raw_frame_of_curiosity_are_listed(shared_data: Path) -> None:
    async with DirectoryCamera(shared_data / "images") as camera:
        images = {image.id: image for image in await camera.images()}
        assert sum(name.startswith("drive/") for name in images) == 120
        raw = images["NLA_399621413EDR_F0030308NCAM00405M1.IMG"]
        mosaic = images["N_L000_1051_ILT048CYL_S_2470_UNCORM1.jpg"]
        assert (raw.content_type, raw.complete) == ("image/x-pds", True)
        assert (mosaic.width, mosaic.height, mosaic.size) == (7696, 1800, 1_874_204)
        assert (mosaic.content_type, mosaic.complete) == ("image/jpeg", True)


async def test_the_frames_of_the_drive_are_listed_newest_first(shared_data: Path) -> None:
    async with DirectoryCamera(shared_data / "images" / "drive") as camera:
        images = await camera.images()
        assert len(images) == 120
        assert {(image.width, image.height) for image in images} == {(320, 160)}
        assert [image.size for image in images] == [
            (shared_data / "images" / "drive" / image.id).stat().st_size for image in images
        ]
        times = [image.received_at or 0 for image in images]
        assert times == sorted(times, reverse=True)
        assert len(await read(camera, images[0].id)) == images[0].size


async def test_the_newest_images_of_a_large_folder_are_listed_first(folder: Path) -> None:
    for n in range(5):
        write(folder / f"{n}.png", image_bytes(), 1_790_000_000 + n)
    write(folder / "notes.txt", b"text", 1_780_000_000)
    scans = Folder(folder, SETTLE_S, time.monotonic).first_scans(2)
    first, second = next(scans), next(scans)
    assert next(scans, None) is None
    assert [image.id for image in first.images] == ["4.png", "3.png"]
    assert [image.id for image in second.images] == [f"{n}.png" for n in (4, 3, 2, 1, 0)]
    assert (second.new, [name for name, _ in second.skipped]) == ((), ["notes.txt"])


async def test_a_folder_that_does_not_answer_at_the_start_appears_when_it_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.png", image_bytes())
    answering, scandir = threading.Event(), os.scandir

    def slow(path: Path) -> Any:
        answering.wait(20)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", slow)
    camera = DirectoryCamera(folder, poll_s=3600, timeout_s=1.0)
    with pytest.raises(SourceError):
        await anext(camera.new())
    answering.set()
    await camera.refresh()
    assert [image.id for image in await camera.images()] == ["a.png"]
