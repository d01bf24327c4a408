"""The directory camera scans the files that the system reports as changed."""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after
from PIL import Image

from sources.directory import DirectoryCamera, camera, watching
from sources.directory.folder import Folder
from sources.directory.scan import EMPTY, Scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NEVER_S = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "images").mkdir()
    return made


def save(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path)


def create_again(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    save(folder / "a.png")


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a local disk, whatever the temporary folder is on."""
    monkeypatch.setattr(camera, "reports_changes", lambda _: True)


async def next_id(from_camera: DirectoryCamera) -> str:
    with fail_after(10):
        return await anext(from_camera.new())


@pytest.mark.usefixtures("reported")
async def test_a_new_file_is_noticed_between_two_scans(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "WHOLE_SCAN_S", NEVER_S)
    async with DirectoryCamera(folder, poll_s=0.01) as entered:
        ids = entered.new()
        for name in ("a.png", "b.png"):
            save(folder / f"{name}.part.png")
            (folder / f"{name}.part.png").rename(folder / name)
            with fail_after(10):
                while await anext(ids) != name:
                    pass
        (folder / "a.png").unlink()
        with fail_after(10):
            while any(image.id == "a.png" for image in await entered.images()):
                await entered._changed.wait()


@pytest.mark.usefixtures("reported")
async def test_a_new_file_in_a_new_subfolder_is_noticed_between_two_scans(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "WHOLE_SCAN_S", NEVER_S)
    (folder / "loop").symlink_to(folder)
    async with DirectoryCamera(folder, poll_s=0.01) as entered:
        ids = entered.new()
        for name in ("sol1/a.png", "sol1/b.png", "sol2/left/c.png"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            save(folder / name)
            with fail_after(10):
                while await anext(ids) != name:
                    pass


@pytest.mark.usefixtures("reported")
async def test_a_folder_that_was_created_again_is_followed(folder: Path) -> None:
    async with DirectoryCamera(folder, poll_s=0.01) as entered:
        create_again(folder)
        with fail_after(10):
            while not await entered.images():
                await entered._changed.wait()


async def test_a_folder_whose_changes_are_not_reported_is_scanned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "reports_changes", lambda _: False)
    async with DirectoryCamera(folder, poll_s=0.01) as entered:
        ids = entered.new()
        save(folder / "a.png")
        with fail_after(10):
            assert await anext(ids) == "a.png"


async def test_the_start_does_not_wait_for_a_slow_scan(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "FIRST_SCAN_S", 0.01)
    monkeypatch.setattr(camera, "CLOCK_STEP_S", 0.0)
    save(folder / "a.png")
    slow = DirectoryCamera(folder)
    first_scans = slow._folder.first_scans

    def scan_slowly() -> Iterator[Scan]:
        time.sleep(0.1)
        yield from first_scans()

    monkeypatch.setattr(slow._folder, "first_scans", scan_slowly)
    async with slow:
        assert not await slow.images()
        ids = slow.new()
        save(folder / "b.png")
        with fail_after(10):
            assert await anext(ids) == "b.png"  # the other one is not new
        assert [image.id for image in await slow.images()] == ["b.png", "a.png"]


@pytest.mark.parametrize(
    ("path", "is_reported"),
    [
        ("/data/images", True),
        ("/data/share/images", False),
        ("/data/shared", True),
        ("/mnt/my disk/images", False),
        ("/data/again", False),
        ("/data", False),  # a network drive is mounted below it
        ("/srv", True),
    ],
)
def test_the_file_system_decides_whether_changes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, *, is_reported: bool
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /data/share rw - nfs4 server:/x rw\n"
        "31 22 0:41 / /mnt/my\\040disk rw shared:2 master:1 - fuse.sshfs host: rw\n"
        "32 22 8:2 / /data/again rw - xfs /dev/sdb rw\n"
        "34 22 8:3 / /srv/images rw - xfs /dev/sdc rw\n"
        "33 22 0:42 / /data/again rw - cifs //server/x rw\n"
    )
    monkeypatch.setattr(watching, "MOUNTS", mounts)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.path.realpath", str)
    assert watching.reports_changes(path) is is_reported  # type: ignore[arg-type]


def test_a_scan_of_changed_files_equals_that_of_the_whole_folder(folder: Path) -> None:
    chance = random.Random(7)
    partly, wholly = Folder(folder, 0, time.monotonic), Folder(folder, 0, time.monotonic)
    names = [f"{n}.png" for n in range(12)]
    data = b""
    now, whole = partly.scan(EMPTY), wholly.scan(EMPTY)
    for _ in range(60):
        changed = chance.sample(names, 3)
        for name in changed:
            path = folder / name
            match chance.randrange(4):
                case 0:
                    path.unlink(missing_ok=True)
                case 1:
                    save(path)
                    data = path.read_bytes()
                case 2:
                    path.write_bytes(data[: len(data) // 2] or b"no image")
                case _:
                    with path.open("ab") as file:
                        file.write(data[len(data) // 2 :])
        now, whole = partly.rescan(now, changed), wholly.scan(whole)
        assert now.files.keys() == whole.files.keys()
        assert {one.id: one.complete for one in now.images} == {
            one.id: one.complete for one in whole.images
        }
        assert sorted(now.arriving) == sorted(one.id for one in now.images if not one.complete)
        arrivals = [now.files[one.id].arrival for one in now.images]
        assert arrivals == sorted(arrivals, reverse=True)
