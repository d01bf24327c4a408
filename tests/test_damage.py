"""Flipped bytes in the file: what is readable remains, and recording goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import dropwhile, takewhile
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from rover.archive.table import table_of
from rover.cli.connection import INCOMPLETE
from rover.comms.events import MessageEvent
from rover.comms.history import Query
from rover.damage import Lost, damage_of, readable_rows
from rover.errors import NotAMission
from rover.logs.codec import decode
from rover.logs.database import Database
from rover.missions import Snapshot, record
from rover.schema import HEADER_BYTES, MAX_OFFSET
from rover.telemetry.history import ARCHIVE_SAMPLES, History
from rover.topic import Gap
from sources.base import Sample
from tests.test_missions import run
from tests.test_restart import events_of, publish, running
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.mission import MissionControl
    from rover.telemetry.past import Past

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


def history_in(path: Path) -> History:
    return History(path=path)


def add(history: History, since: int, until_: int, **more: Any) -> None:
    for n in range(since, until_):
        history.add(Sample(T + n, {"speed": n / 7, "sol": n}), **more)
    history.archive()


def values(history: Past, name: str) -> list[Any]:
    table = table_of(history.load(None, None, [name]), 10**9)
    return table.as_columns()[name]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mission.db"
    Database(path).close()
    return path


def damage(path: Path, parameter: str, column: str, first: float) -> None:
    """Flip bytes of a chunk, as a bad disk does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (id_,) = db.execute(
            "SELECT chunk.id FROM chunk JOIN parameter ON parameter.id = chunk.parameter"
            " WHERE name = ? AND level = 0 AND first = ?",
            (parameter, first),
        ).fetchone()
        table = "chunk"
        if column == "times":
            table, row = "times", db.execute("SELECT times FROM chunk WHERE id = ?", (id_,))
            (id_,) = row.fetchone()
        (data,) = db.execute(f"SELECT data FROM {table} WHERE id = ?", (id_,)).fetchone()  # noqa: S608
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 0x5A]) + data[middle + 1 :]
        db.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (flipped, id_))  # noqa: S608


@pytest.mark.parametrize("column", ["data", "times"])
def test_the_other_chunks_are_read(
    path: Path, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    history = history_in(path)
    add(history, 0, 4000)
    damage(path, "speed", column, T + 1024)
    expected = [n / 7 for n in range(4000) if not 1024 <= n < 2048]
    for _ in range(2):
        assert values(history, "speed") == expected
    lost = column == "times"  # both parameters have the same times
    assert len(values(history, "sol")) == (4000 - 1024 * lost)
    for _ in range(20):
        values(history, "speed")
    assert 1 <= len(caplog.records) <= 6  # it does not fill the disk
    rows = [row for table in history.tables() for row in table.as_columns()["speed"]]
    assert [row for row in rows if row is not None] == expected


def test_values_are_archived_after_a_damaged_open_chunk(path: Path) -> None:
    history = history_in(path)
    add(history, 0, 1500)
    damage(path, "speed", "data", T + 1024)
    add(history, 1500, 3000)
    assert values(history, "speed") == [n / 7 for n in range(3000) if not 1024 <= n < 1500]
    assert values(history, "sol") == [*range(3000)]


def test_a_late_value_for_a_damaged_chunk_is_kept(path: Path) -> None:
    history = history_in(path)
    add(history, 0, 2500)
    damage(path, "speed", "data", T)
    history.add(Sample(T + 0.5, {"speed": -1.0}), late=True)
    history.archive()
    assert values(history, "speed") == [-1.0, *(n / 7 for n in range(1024, 2500))]


def test_a_damaged_parameter_hides_no_other_and_receives_new_values(path: Path) -> None:
    history = history_in(path)
    add(history, 0, 100)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE parameter SET kinds = '{}' WHERE name = 'speed'")
    history.close()
    add(history, 100, 200)
    assert values(history, "speed") == [n / 7 for n in range(100, 200)]
    assert values(history, "sol") == [*range(200)]
    assert [part for part, _ in damage_of(path).parts] == ["speed"]


async def test_an_archive_that_cannot_be_written_is_set_aside(tmp_path: Path) -> None:
    async with running(tmp_path) as (mission, device):
        await publish(
            mission, device, *(Sample(T + n, {"speed": n}) for n in range(ARCHIVE_SAMPLES))
        )
        await until(lambda: mission.telemetry.history.archived > 0)
    destroy_archive(tmp_path / "mission.db")
    async with running(tmp_path) as (mission, device):
        some = [Sample(T + 5000 + n, {"speed": n}) for n in range(ARCHIVE_SAMPLES)]
        await publish(mission, device, *some)
        await until(lambda: mission.telemetry.history.archived > 0)
        await until(lambda: bool(mission.log.as_json()["set_aside"]))
        await until(lambda: mission.log.outage is None)
        assert values(mission.telemetry.history, "speed")[-ARCHIVE_SAMPLES:] == [
            *range(ARCHIVE_SAMPLES)
        ]


def damage_row(path: Path, kind: str, number: int, at: Callable[[bytes], int]) -> int:
    """Flip a bit of the data of a row; returns the offset of its newest record."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        query = (
            "SELECT id, CAST(data AS BLOB), typeof(data) FROM records WHERE kind = ? "
            "ORDER BY id LIMIT 1 OFFSET ?"
        )
        id_, data, type_ = db.execute(query, (kind, number)).fetchone()
        flipped = bytearray(data)
        flipped[at(data)] ^= 0x02
        sql = f"UPDATE records SET data = CAST(? AS {type_}) WHERE id = ?"  # noqa: S608
        db.execute(sql, (flipped, id_))
    return int(id_ & MAX_OFFSET)


def damage_sample(path: Path, text: bytes) -> int:
    """Flip a bit of a sample in a pack; returns its offset."""
    with closing(sqlite3.connect(path)) as db:
        packs = db.execute("SELECT data FROM records WHERE kind = 'sample' ORDER BY id").fetchall()
    for number, (pack,) in enumerate(packs):
        for row in decode(pack, 0, len(pack)):
            if row is not None and text in row[4].encode():
                damage_row(path, "sample", number, lambda data: data.index(text) + len(text) - 1)
                return row[0] & MAX_OFFSET
    raise LookupError(text)


async def test_only_a_damaged_record_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path / "a") as (mission, device):
        await publish(mission, device, *(Sample(T + n, {"speed": n}) for n in range(20)))
        start = mission.telemetry.topic.epochs.id(0)
        count = mission.telemetry.topic.last_id.offset
    path = tmp_path / "a" / "mission.db"
    offset = damage_sample(path, b'"speed":7')
    with Snapshot(tmp_path / "a") as snapshot:
        assert record(snapshot, tmp_path / "b.rover")["counts"]["values"] == 19
        assert [*snapshot.damage.parts] == [("telemetry", f"event {offset}")]
    async with running(tmp_path / "a") as (mission, _):
        assert mission.log.as_json()["set_aside"] is None
        assert values(mission.telemetry.history, "speed") == [n for n in range(20) if n != 7]
        topic = mission.telemetry.topic
        assert len(await mission.log.read("telemetry", until=count)) == count - 1
        events = await events_of(topic.subscribe(start), count)
        gaps = [event for event in events if isinstance(event, Gap)]
        assert [(gap.after.offset, gap.resumed.offset, gap.lost) for gap in gaps] == [
            (offset - 1, offset + 1, 1)
        ]
        assert events.index(gaps[0]) == offset - 1
        assert [one.levelname for one in caplog.records if str(path) in one.message].count("ERROR")


async def test_a_damaged_message_hides_no_other_message(tmp_path: Path) -> None:
    async with running(tmp_path) as (mission, _):
        for n in range(4):
            await mission.comms.say("flight", str(n), "Ada")
    damage_row(tmp_path / "mission.db", "message", 1, lambda data: 5)
    async with running(tmp_path) as (mission, _):
        page = await mission.comms.messages("flight", Query())
        assert [one.event.text for one in page.messages] == ["0", "2", "3"]
        await mission.comms.channels.load("flight")
        with mission.comms.join("flight", "Bo") as member:
            retained = member.channel.topic.retained_items()
            texts = [one.text for one in retained if isinstance(one, MessageEvent)]
            assert texts == ["0", "2", "3"]


async def test_a_damaged_saved_value_is_left_out(tmp_path: Path) -> None:
    async with running(tmp_path) as (mission, device):
        await publish(mission, device, Sample(T, {"speed": 1}))
    with closing(sqlite3.connect(tmp_path / "mission.db", isolation_level=None)) as db:
        db.execute("UPDATE items SET value = CAST(x'7bff7d' AS TEXT)")
    async with running(tmp_path) as (mission, _):
        assert mission.log.as_json()["set_aside"] is None
        assert values(mission.telemetry.history, "speed") == [1]


PAGE = 4096


async def mission_file(folder: Path) -> Path:
    """A mission with values in the archive and in the log, in one file without side files."""
    async with running(folder) as (mission, device):
        samples = [Sample(T + n, {"speed": n / 7, "mode": "drive"}) for n in range(400)]
        await publish(mission, device, *samples[:200])
        mission.telemetry.history.archive()
        await publish(mission, device, *samples[200:])
        await mission.comms.say("flight", "hello", "Ada")
    with closing(sqlite3.connect(folder / "mission.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "mission.db"


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("damaged", range(2, 9))
def test_a_row_with_a_damaged_key_hides_no_others(damaged: int, newest: bool) -> None:
    for wrong in {*range(-1, 12)} - {damaged}:
        keys = [wrong if key == damaged else key for key in range(1, 10)]

        def select(
            low: int, high: int, _: bool, limit: int, down: bool, keys: list[int] = keys
        ) -> list[tuple[int]]:  # as SQLite seeks the first key, and ends at one beyond the range
            if down:
                begun = dropwhile(lambda key: key > high, reversed(keys))
                found = takewhile(lambda key: key > low, begun)
            else:
                found = takewhile(lambda key: key <= high, dropwhile(lambda k: k <= low, keys))
            return [(key,) for key in found][: None if limit < 0 else limit]

        rows = readable_rows(select, 0, 9, newest=newest)
        found = [row[0] for row in rows if not isinstance(row, Lost)]
        others = sorted({*range(1, 10)} - {damaged, wrong}, reverse=newest)
        assert [key for key in found if key not in (damaged, wrong)] == others


def erase(path: Path, content: bytes, page: int) -> None:
    at = (page - 1) * PAGE
    path.write_bytes(content[:at] + bytes(PAGE) + content[at + PAGE :])


def root_of(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        return int(db.execute(sql, (name,)).fetchone()[0])


def page_with(content: bytes, text: bytes) -> int:
    return content.index(text) // PAGE + 1


def read_all(path: Path) -> tuple[int, int, int, int]:
    """The numbers of values, telemetry events, messages and damaged parts."""
    with Snapshot(path) as mission:
        tables = [table.as_columns() for table in mission.history().tables()]
        return (
            sum(v is not None for table in tables for name in table for v in table[name]),
            len(list(mission.records("telemetry"))),
            len(list(mission.records("comms/flight"))),
            len(mission.damage.parts),
        )


async def test_no_damaged_page_hides_more_than_it_has(tmp_path: Path) -> None:
    path = await mission_file(tmp_path / "a")
    content, copy = path.read_bytes(), tmp_path / "copy.db"
    values, events, messages, _ = whole = read_all(path)
    for page in range(1, len(content) // PAGE + 1):
        erase(copy, content, page)
        if page == 1:
            with pytest.raises(NotAMission):
                read_all(copy)
            continue
        found = read_all(copy)
        assert found == whole or found[3] > 0
        if page == page_with(content, b'"speed":30.0'):  # the sample 210
            assert values - 240 < found[0] < values
            assert events - 60 < found[1] < events
            assert found[2] == messages


async def test_commands_fail_with_a_status_if_a_page_is_damaged(tmp_path: Path) -> None:
    path = await mission_file(tmp_path / "a")
    erase(path, path.read_bytes(), page_with(path.read_bytes(), b'"speed":30.0'))
    assert await run("export", "--from", path, "-o", tmp_path / "a.csv") == INCOMPLETE
    assert (tmp_path / "a.csv").read_text().count("drive") > 300
    assert await run("record", "--from", path, tmp_path / "a.rover") == INCOMPLETE
    with Snapshot(tmp_path / "a.rover") as rescued:
        assert values(rescued.history(), "mode").count("drive") > 300


async def test_a_server_with_a_damaged_page_goes_on_and_reports_it(tmp_path: Path) -> None:
    path = await mission_file(tmp_path / "a")
    erase(path, path.read_bytes(), page_with(path.read_bytes(), b'"speed":30.0'))
    async with running(tmp_path / "a") as (mission, device):
        await publish(mission, device, Sample(T + 1000, {"speed": 1.0}))
        damaged = mission.log.as_json()["damaged"]
        assert damaged["count"] > 0
        assert damaged["parts"][0]["part"] == "telemetry"
        assert mission.log.as_json()["set_aside"] is None
        assert values(mission.telemetry.history, "speed")[-1] == 1.0
        assert 300 < len(values(mission.telemetry.history, "speed")) < 401


def shown(history: Past) -> set[tuple[str, float, Any]]:
    """Each value with its parameter and time."""
    tables = [table.as_columns() for table in history.tables()]
    return {
        (name, t, str(value))
        for table in tables
        for name, column in table.items()
        for t, value in zip(table["t"], column, strict=True)
        if name not in ("t", "late") and value is not None
    }


async def all_of(mission: MissionControl, events: int) -> set[Any]:
    """The values by time, the first events of the telemetry, and the messages."""
    records = await mission.log.read("telemetry", until=events)
    page = await mission.comms.messages("flight", Query())
    return {
        *shown(mission.telemetry.history),
        *((one.offset, one.data) for one in records),
        *(one.event.text for one in page.messages),
    }


@pytest.mark.parametrize("seed", range(3))
async def test_a_server_never_shows_a_changed_value(tmp_path: Path, seed: int) -> None:
    path = await mission_file(tmp_path / "a")
    content, dice = bytearray(path.read_bytes()), Random(seed)
    with Snapshot(path) as snapshot:
        count = snapshot.contents.index.streams["telemetry"].last
    async with running(tmp_path / "a") as (mission, _):
        recorded = await all_of(mission, count)
    for _ in range(20):
        content[dice.randrange(HEADER_BYTES, len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    async with running(tmp_path / "a") as (mission, _):
        found = await all_of(mission, count)
        log = mission.log.as_json()
        assert found <= recorded
        assert found == recorded or log["set_aside"] or log["damaged"]["count"]


def destroy_archive(path: Path) -> None:
    """Overwrite the page where the table of chunks begins."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'chunk'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x5a" * size)
