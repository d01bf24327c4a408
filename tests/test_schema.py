"""Files that earlier versions wrote: they are migrated, or read as they are."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rover.errors import NotAMission, SettingError
from rover.exports import export, writer_of
from rover.logs import SqliteLog
from rover.logs.database import Database
from rover.missions import RecordedMission, Snapshot
from rover.schema import ARCHIVE, MIGRATIONS, VERSION_1
from sources.base import Sample
from tests.test_missions import T, values
from tests.test_recorded_missions import opened
from tests.test_restart import publish, running

if TYPE_CHECKING:
    from rover.telemetry.past import Past

pytestmark = pytest.mark.anyio

FIRST = Path(__file__).with_name("data") / "mission-1.sql"
"""A file of `rover record` with tables of version 1, made by the code of that time: 60 samples of
`values`, one of them late, and a message."""

OLDEST = T - 15.0


@pytest.fixture
def first(tmp_path: Path) -> Path:
    path = tmp_path / "first.rover"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST.read_text())
    return path


def rows(history: Past) -> list[dict[str, Any]]:
    lines = b"".join(export(history.tables(), history.kinds(), writer_of("jsonl"))).splitlines()
    return [json.loads(line) for line in lines]


def expected() -> list[dict[str, Any]]:
    """The values of the file in order of time."""
    times = {n: T + n / 8 - 20 * (n == 40) for n in range(60)}
    return [values(n) for n in sorted(times, key=lambda n: times[n])]


def content_of(path: Path) -> bytes:
    path.chmod(0o400)
    return path.read_bytes()


def use_as_mission(file: Path, folder: Path) -> None:
    folder.mkdir()
    file.rename(folder / "mission.db")


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        return version


async def test_a_file_of_version_1_is_opened_as_it_is(first: Path, tmp_path: Path) -> None:
    before = content_of(first)
    async with opened(first, tmp_path / "data") as mission:
        found = rows(mission.telemetry.history)
        assert [{name: row.get(name) for name in values(1)} for row in found] == [
            {name: row.get(name) for name in values(1)} for row in expected()
        ]
        await mission.comms.channels.load("ops")
        with mission.comms.join("ops") as member:
            assert [json.loads(frame.json)["text"] for frame in member.history()] == ["halt"]
    assert content_of(first) == before


async def test_a_data_folder_of_version_1_is_migrated(first: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    use_as_mission(first, folder)
    async with running(folder) as (mission, device):
        assert mission.log.outage is None
        await publish(mission, device, Sample(T + 100, {"speed": 1.5}))
        found = rows(mission.telemetry.history)
        assert len(found) == 61
        assert [row["big"] for row in found[:60]] == [row["big"] for row in expected()]
        assert len(await mission.log.read("comms/ops", kinds=("message",))) == 1
    assert version_of(folder / "mission.db") == len(MIGRATIONS)
    assert [one.name for one in folder.glob("mission.db.*")] == []


def test_a_file_without_an_archive_receives_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "mission.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{VERSION_1}PRAGMA application_id = 1380931154;PRAGMA user_version = 1;")
        with Snapshot(path) as snapshot:
            assert rows(snapshot.history()) == []
    Database(path).close()
    assert version_of(path) == len(MIGRATIONS)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM chunk").fetchone() == (0,)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mission.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{VERSION_1}PRAGMA application_id = 1380931154;PRAGMA user_version = 1;")
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        before = [*db.iterdump()]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        Database(path, max_pages=pages + 2)
    assert version_of(path) == 1
    with closing(sqlite3.connect(path)) as db:
        assert [*db.iterdump()] == before


def test_the_tables_of_the_archive_are_the_same_in_each_database() -> None:
    with (
        closing(sqlite3.connect(":memory:")) as memory,
        closing(sqlite3.connect(":memory:")) as file,
    ):
        memory.executescript(ARCHIVE)
        file.executescript("".join(MIGRATIONS))
        tables = "SELECT name, sql FROM sqlite_schema WHERE tbl_name IN (?, ?, ?) ORDER BY name"
        names = "parameter", "times", "chunk"
        assert memory.execute(tables, names).fetchall() == file.execute(tables, names).fetchall()


async def test_a_file_of_a_newer_version_is_refused(first: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(first)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(NotAMission):
        RecordedMission(first)
    use_as_mission(first, tmp_path / "data")
    with pytest.raises(SettingError):
        await SqliteLog(tmp_path / "data").open()
