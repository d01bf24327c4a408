"""Importing files: exact values, the place of each mistake, and how much was imported."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread
from mcap.writer import Writer as McapFile
from mcap_ros2.writer import Writer as Ros2File
from rosbags.rosbag1 import Writer as Rosbag1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2
from rosbags.typesys import Stores, get_typestore

from rover.cli import main
from rover.cli.connection import WRONG_USE
from rover.exports import export, writer_of
from rover.logs.folder import DataFolder
from rover.mission import MissionControl
from rover.missions import Snapshot
from rover.settings import Settings
from rover.telemetry.history import History
from sources.base import Parameter, Sample
from sources.push import PushTelemetry
from tests.test_exports import mission
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from rover.telemetry.past import Past
    from tests.conftest import Serve

T = 1_790_000_000.0


def exported(history: Past, file_format: str) -> bytes:
    return b"".join(export(history.tables(), history.kinds(), writer_of(file_format)))


def run(*arguments: object) -> int:
    return main(["import", *map(str, arguments)])


def rows_of(folder: Path) -> list[dict[str, Any]]:
    with Snapshot(folder) as snapshot:
        return [json.loads(line) for line in exported(snapshot.history(), "jsonl").splitlines()]


@pytest.fixture(scope="module")
def history() -> History:
    return mission()


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "mcap", "parquet"])
def test_an_export_is_imported_exactly(file_format: str, history: History, tmp_path: Path) -> None:
    file = tmp_path / "drive"
    file.write_bytes(exported(history, file_format))
    assert run(file, "--into", tmp_path / "data") == 0
    with Snapshot(tmp_path / "data") as snapshot:
        again = snapshot.history()
        for one in ("jsonl", "csv", "mcap", "parquet"):
            assert exported(again, one) == exported(history, one)


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "mcap", "parquet"])
def test_the_order_of_parameters_survives_the_import(file_format: str, tmp_path: Path) -> None:
    columns = ["zulu", "mode", "position", "speed", "alpha"]
    history = History([Parameter(name) for name in columns])
    rows: list[dict[str, Any]] = [
        {"alpha": 1},
        {"speed": 2.5, "alpha": 1},
        {"mode": "a"},
        {"mode": "b", "position": {"x": 1.0, "y": 2.0}, "speed": 3.5},
        {"zulu": True, "mode": "c", "alpha": 2},
    ]
    for n, values in enumerate(rows):
        history.add(Sample(T + n, values))
    file, again = tmp_path / "drive", tmp_path / "again"
    file.write_bytes(exported(history, file_format))
    assert run(file, "--into", tmp_path / "data") == 0
    assert main(["record", "--from", str(tmp_path / "data"), str(tmp_path / "a.rover")]) == 0
    for path in (tmp_path / "data", tmp_path / "a.rover"):
        for one in ("csv", "jsonl"):
            options = ["--from", str(path), "-o", str(again), "--format", one, "--force"]
            assert main(["export", *options]) == 0
            assert again.read_bytes() == exported(history, one)


def test_columns_of_files_with_different_orders_keep_that_of_the_first(tmp_path: Path) -> None:
    for name, text in {
        "a": "t,b,a,late\n1790000000,1,2,\n",
        "b": "t,a,c,b,late\n1790000001,1,2,3,\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert run(tmp_path / name, "--into", tmp_path / "data") == 0
    with Snapshot(tmp_path / "data") as snapshot:
        assert list(snapshot.history().kinds()) == ["b", "a", "c"]


def test_units_of_a_header_are_those_of_the_mission(tmp_path: Path) -> None:
    def units(path: Path) -> dict[str, str]:
        with Snapshot(path) as snapshot:
            return {one.name: one.unit for one in snapshot.parameters if one.unit}

    file, data, recorded = tmp_path / "a.csv", tmp_path / "data", tmp_path / "a.rover"
    expected = {"Druck": "hPa", "speed": "m/s"}
    file.write_text("time;Druck [hPa];speed (m/s);n\n1790000000;20,5;1,5;1\n")
    assert run(file, "--into", data) == 0
    assert units(data) == expected
    file.write_text("t,Druck,late\n1790000001.5,21,\n")
    assert run(file, "--into", data) == 0
    assert main(["record", "--from", str(data), str(recorded)]) == 0
    assert units(data) == units(recorded) == expected
    for file_format in ("mcap", "parquet"):
        file = tmp_path / f"a.{file_format}"
        assert main(["export", "--from", str(recorded), "-o", str(file)]) == 0
        assert run(file, "--into", tmp_path / file_format) == 0
        assert units(tmp_path / file_format) == expected


TEXTS = [
    " 3",
    "3 ",
    "3",
    "-0.5e3",
    "true",
    "007",
    '"3"',
    "a,b",
    "\r\n",
    "",
    " ",
    "\ufeff",
    "#",
    "'",
]


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        ["3"],
        ["drive", "3", "true"],
        [3, "3", 3.0, True, " x", '"', ""],
        [1, 2.5, 2**53 + 1, -(2**63), 1e300],
        [0.1 + 0.2, 5e-324, -0.0, 1e16],
    ],
)
def test_every_value_of_a_csv_survives_the_import(column: list[Any], tmp_path: Path) -> None:
    history = History()
    for n, value in enumerate(column):
        history.add(Sample(T + n, {"v": value, "rover.speed": n}))
    file = tmp_path / "drive.csv"
    file.write_bytes(exported(history, "csv"))
    assert run(file, "--into", tmp_path / "data") == 0
    found = [row["v"] for row in rows_of(tmp_path / "data")]
    exact = [json.loads(line)["v"] for line in exported(history, "jsonl").splitlines()]
    assert [(type(one), one) for one in found] == [(type(one), one) for one in exact]
    assert exported(history, "jsonl").splitlines()[0].count(b"rover.speed") == 1


@pytest.mark.parametrize("row", ["1790000000,1", '1790000000,"1,', "soon,1,false", 'x"y,1,false'])
def test_a_damaged_row_of_an_exported_csv_is_named(
    row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drive.csv"
    file.write_text(f"t,v,late\r\n2026-09-21T14:13:20.000Z,1,false\r\n{row}\r\n")
    assert run(file, "--into", tmp_path / "data") == WRONG_USE
    assert "row 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("time;v\n2026-11-28T09:00:00Z;1,5\n", (), [("2026-11-28T09:00:00.000Z", 1.5)]),
        ("# log\nv,time_ms\n2,1790000000250\n", (), [("2026-09-21T14:13:20.250Z", 2)]),
        ("v,other\n2,1790000000\n", ("--time", "other"), [("2026-09-21T14:13:20.000Z", 2)]),
        (
            "time,v\n1790000000,18446744073709551615\n1790000001,-9223372036854775808\n",
            (),
            [
                ("2026-09-21T14:13:20.000Z", 18446744073709551615),
                ("2026-09-21T14:13:21.000Z", -9223372036854775808),
            ],
        ),
        (
            f"time,v\n1790000000,{2**53 + 1}\n1790000001,0.5\n1790000002,2\n",
            (),
            [
                ("2026-09-21T14:13:20.000Z", 2**53 + 1),
                ("2026-09-21T14:13:21.000Z", 0.5),
                ("2026-09-21T14:13:22.000Z", 2),
            ],
        ),
        ("t,v,late\n1790000000, 3,false\n", ("--time", "t"), [("2026-09-21T14:13:20.000Z", " 3")]),
        ('{"timestamp": 1790000000, "v": 3}\n', (), [("2026-09-21T14:13:20.000Z", 3)]),
    ],
)
def test_tables_of_other_programs_are_imported(
    text: str, options: tuple[str, ...], expected: list[tuple[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "other"
    file.write_text(text)
    assert run(file, "--into", tmp_path / "data", *options) == 0
    assert [(row["t"], row["v"]) for row in rows_of(tmp_path / "data")] == expected


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"v": 1}', '{"t": "soon", "v": 1}', f'{{"t": {T}, "v": {2**70}}}']
)
def test_a_wrong_line_is_named_and_the_lines_before_it_are_imported(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(f'{{"t": {T}, "v": 1}}\n\n{{"t": {T + 1}, "v": 2}}\n{line}\n{{"t": {T + 2}}}\n')
    assert run(file, "--into", tmp_path / "data") == WRONG_USE
    done, error = capsys.readouterr().err.splitlines()
    assert "imported 2 samples" in done
    assert "log.jsonl: line 4:" in error
    assert [row["v"] for row in rows_of(tmp_path / "data")] == [1, 2]


@pytest.mark.parametrize("file_format", ["mcap", "parquet"])
def test_a_truncated_file_is_reported(
    file_format: str, history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data = tmp_path / "drive", exported(history, file_format)
    file.write_bytes(data[: len(data) // 2])
    assert run(file, "--into", tmp_path / "data") == WRONG_USE
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_messages_before_the_end_of_a_truncated_mcap_are_imported(
    history: History, tmp_path: Path
) -> None:
    file = tmp_path / "drive.mcap"
    file.write_bytes(exported(history, "mcap")[:-50])
    assert run(file, "--into", tmp_path / "data") == WRONG_USE
    with Snapshot(tmp_path / "data") as snapshot:
        assert exported(snapshot.history(), "jsonl") == exported(history, "jsonl")


def test_files_that_cannot_be_read_are_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "image").write_bytes(b"\x89PNG\r\n\0")
    (tmp_path / "notime.csv").write_text("a,b\nx,y\n")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("image", "notime.csv", "empty"):
        assert run(tmp_path / name, "--into", tmp_path / "data") == WRONG_USE
        assert len(capsys.readouterr().err.splitlines()) == 2


def test_late_values_find_their_place_and_the_newest_value_stays(tmp_path: Path) -> None:
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    new.write_text("".join(f'{{"t": {T + n}, "v": {n}}}\n' for n in range(5000)))
    old.write_text("".join(f'{{"t": {T + n + 0.5}, "v": {n}}}\n' for n in range(100)))
    assert run(new, old, "--into", tmp_path / "data") == 0
    rows = rows_of(tmp_path / "data")
    assert [row["v"] for row in rows[:6]] == [0, 0, 1, 1, 2, 2]
    assert len(rows) == 5100
    with Snapshot(tmp_path / "data") as snapshot:
        latest = json.loads(snapshot.contents.index.values["telemetry/latest"])["values"]["v"]
    assert (latest["t"], latest["value"]) == (T + 4999, 4999)


@pytest.mark.anyio
async def test_a_server_shows_what_was_imported(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(f'{{"t": {T}, "speed": 1.5, "location": {{"lat": 18.4, "lon": 77.4}}}}\n')
    assert run(file, "--into", tmp_path / "data") == 0
    settings = Settings(data_dir=tmp_path / "data", log="sqlite:")
    async with MissionControl(settings, telemetry="none:", camera="none:", commands="none:") as one:
        latest = one.telemetry.latest_values()
        assert (latest["speed"], latest["location"]) == (1.5, {"lat": 18.4, "lon": 77.4})


def test_what_was_imported_is_recorded(history: History, tmp_path: Path) -> None:
    file = tmp_path / "drive.jsonl"
    file.write_bytes(exported(history, "jsonl"))
    assert run(file, "--into", tmp_path / "data") == 0
    assert main(["record", "--from", str(tmp_path / "data"), str(tmp_path / "drive.rover")]) == 0
    assert rows_of(tmp_path / "drive.rover") == rows_of(tmp_path / "data")
    with Snapshot(tmp_path / "drive.rover") as snapshot:
        assert len(list(snapshot.records("telemetry"))) == 1000


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(f'{{"t": {T}, "v": 1}}\n')
    folder = DataFolder(tmp_path / "data")
    assert folder.acquire()
    assert run(file, "--into", tmp_path / "data") == WRONG_USE
    folder.release()
    assert run(file, "--into", tmp_path / "data") == 0


@pytest.mark.anyio
async def test_a_running_server_receives_the_samples(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("".join(f'{{"t": {T + n}, "big": {2**62 + n}}}\n' for n in range(1200)))
    settings = Settings(data_dir=tmp_path / "data")
    one = MissionControl(settings, telemetry=PushTelemetry(), camera="none:", commands="none:")
    async with serve(one.app) as url:
        assert await to_thread.run_sync(run, file, "--url", url) == 0
        await until(lambda: len(one.telemetry.history) == 1200)
        assert one.telemetry.latest_values()["big"] == 2**62 + 1199


IMU = "geometry_msgs/Vector3 v\nfloat32 temp\nuint8[] raw\nstring mode\n"
VECTOR = "=" * 80 + "\nMSG: geometry_msgs/Vector3\nfloat64 x\nfloat64 y\nfloat64 z\n"


def test_ros_2_messages_in_mcap_are_imported(tmp_path: Path) -> None:
    file = tmp_path / "drive.mcap"
    with file.open("wb") as stream:
        writer = Ros2File(stream)
        schema = writer.register_msgdef("lab_msgs/msg/Imu", IMU + VECTOR)
        for n in range(3):
            message = {
                "v": {"x": float(n), "y": -0.5, "z": 1e300},
                "temp": 20.5,
                "raw": list(range(100)),
                "mode": "drive",
            }
            at = int(T + n) * 10**9
            writer.write_message("/rover/imu", schema, message, log_time=at, publish_time=at)
        writer.finish()  # type: ignore[no-untyped-call]
    assert run(file, "--into", tmp_path / "data") == 0
    rows = rows_of(tmp_path / "data")
    assert [row["rover.imu.v"]["x"] for row in rows] == [0.0, 1.0, 2.0]
    assert (rows[0]["rover.imu.v"]["z"], rows[0]["rover.imu.mode"]) == (1e300, "drive")
    assert rows[2]["t"] == "2026-09-21T14:13:22.000Z"


def test_ros_1_messages_in_mcap_are_imported(tmp_path: Path) -> None:
    file = tmp_path / "drive.mcap"
    with file.open("wb") as stream:
        writer = McapFile(stream)
        writer.start("ros1")
        text = b"time stamp\nfloat64 x\nint64 big\nstring mode\n"
        schema = writer.register_schema("lab_msgs/Wheel", "ros1msg", text)
        channel = writer.register_channel("/wheel", "ros1", schema)
        data = struct.pack("<IIdqI5s", int(T), 5, 0.1, 2**62 + 1, 5, b"drive")
        writer.add_message(channel, int(T) * 10**9, data, int(T) * 10**9)
        writer.finish()  # type: ignore[no-untyped-call]
    assert run(file, "--into", tmp_path / "data") == 0
    (row,) = rows_of(tmp_path / "data")
    assert (row["wheel.x"], row["wheel.big"], row["wheel.mode"]) == (0.1, 2**62 + 1, "drive")


def test_json_messages_in_mcap_are_named_by_their_topics_and_unknown_ones_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drive.mcap"
    with file.open("wb") as stream:
        writer = McapFile(stream)
        writer.start()
        unknown = writer.register_channel("/raw", "protobuf", 0)
        for n in range(3):
            at = int(T - n) * 10**9
            writer.add_message(unknown, at, b"\x08\x01", at)
        schema = writer.register_schema("Battery", "jsonschema", b"{}")
        channel = writer.register_channel("/battery", "json", schema)
        data = json.dumps({"level": 87, "cell": {"volts": 3.7}}).encode()
        writer.add_message(channel, int(T) * 10**9, data, int(T) * 10**9)
        writer.finish()  # type: ignore[no-untyped-call]
    assert run(file, "--into", tmp_path / "data") == WRONG_USE
    assert rows_of(tmp_path / "data") == [
        {"t": "2026-09-21T14:13:20.000Z", "battery.level": 87, "battery.cell.volts": 3.7}
    ]
    assert capsys.readouterr().err.count("/raw (protobuf)") == 1


@pytest.mark.parametrize("version", [1, 2])
def test_bags_of_ros_are_imported(version: int, tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC if version == 1 else Stores.ROS2_HUMBLE)
    vector = store.types["geometry_msgs/msg/Vector3"]
    path = tmp_path / ("drive.bag" if version == 1 else "drive")
    serialize = store.serialize_ros1 if version == 1 else store.serialize_cdr
    with (
        Rosbag1(path)
        if version == 1
        else Rosbag2(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
    ) as bag:
        connection = bag.add_connection("/wheel", vector.__msgtype__, typestore=store)
        for n in range(3):
            data = serialize(vector(float(n), 2.0, 3.0), vector.__msgtype__)
            bag.write(connection, int(T + n) * 10**9, data)
    assert run(path, "--into", tmp_path / "data") == 0
    rows = rows_of(tmp_path / "data")
    assert [row["wheel"] for row in rows] == [{"x": n, "y": 2, "z": 3} for n in (0.0, 1.0, 2.0)]


def test_help_does_not_import_the_readers() -> None:
    code = "import sys; from rover.cli import main; main(['import', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"rosbags", "mcap", "pyarrow", "numpy"} & set(done.stdout.split())


def test_samples_without_values_are_not_stored(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(f'{{"t": {T}, "v": null}}\n{{"t": {T + 1}, "v": 1}}\n')
    assert run(file, "--into", tmp_path / "data") == 0
    assert len(rows_of(tmp_path / "data")) == 1
