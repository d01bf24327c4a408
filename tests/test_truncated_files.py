"""Truncated files: what is left of a mission is exported, recorded and opened."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from shutil import copyfile
from typing import TYPE_CHECKING

import pytest

from rover.cli.connection import INCOMPLETE
from rover.errors import NotAMission
from rover.missions import RecordedMission, Snapshot, record
from rover.missions.files import PIECE_BYTES, add_file
from tests.test_damage import PAGE, mission_file, read_all
from tests.test_missions import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

IMAGES = {
    "images/1.jpg": [b"a" * 9000],
    "images/2.jpg": [b"b" * PIECE_BYTES, b"c" * 9000],
    "images/3.jpg": [b"d" * 9000],
}


def truncated(path: Path, copy: Path, cut: int) -> Path:
    copyfile(path, copy)
    os.truncate(copy, path.stat().st_size - cut)
    return copy


def files_in(mission: RecordedMission, folder: Path) -> dict[str, bytes]:
    mission.extract(folder)
    paths = sorted(folder.glob("*/*"))
    return {str(one.relative_to(folder)): one.read_bytes() for one in paths}


async def test_a_truncated_recording_has_the_files_and_events_that_are_left(tmp_path: Path) -> None:
    whole = tmp_path / "whole.rover"
    with Snapshot(await mission_file(tmp_path / "a")) as snapshot:
        record(snapshot, whole)
    with closing(sqlite3.connect(whole)) as db, db:
        for name, pieces in IMAGES.items():
            add_file(db, name, iter(pieces))
    images = {name: b"".join(pieces) for name, pieces in IMAGES.items()}
    for cut, left in ((0, 3), (PAGE, 2), (20_000, 1), (PIECE_BYTES, 1)):
        path = truncated(whole, tmp_path / f"{cut}.rover", cut)
        mission = RecordedMission(path)
        assert files_in(mission, tmp_path / f"{cut}") == dict([*images.items()][:left])
        log = mission.log()
        await log.open()
        assert (log.as_json()["damaged"]["count"] > 0) == (cut > 0)
        assert len(await log.read("comms/flight")) == 1
        await log.close()
        status = INCOMPLETE if cut else 0
        assert await run("record", "--from", path, tmp_path / f"{cut}.again.rover") == status
        assert await run("export", "--from", path, "-o", tmp_path / f"{cut}.csv") == status
        with (tmp_path / f"{cut}.csv").open() as file:
            assert file.read().count("drive") == 400


async def test_each_byte_that_is_missing_costs_no_more_than_its_page(tmp_path: Path) -> None:
    path = await mission_file(tmp_path / "a")
    size, left = path.stat().st_size, 1600
    assert read_all(path)[0] == left
    for cut in range(1, size - PAGE, PAGE + 1):
        values, *_, parts = read_all(truncated(path, tmp_path / "cut.db", cut))
        assert left - 800 <= values <= left  # the archive has half of them in one page
        assert parts > 0
        left = values
    with pytest.raises(NotAMission):
        read_all(truncated(path, tmp_path / "cut.db", size - 50))
