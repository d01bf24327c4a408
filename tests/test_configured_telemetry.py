"""Telemetry whose names, dictionary and derived parameters come from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import fail_after

from rover.config import Config
from rover.mission import MissionControl
from rover.supervise import State
from rover.telemetry.calibration import Polynomial
from rover.telemetry.derived import DerivedParameter
from rover.telemetry.expression import Expression
from rover.telemetry.translation import NameCollision, ParameterChange, Translation
from rover.wire import iso
from sources.base import Limits, Parameter, Sample
from tests.feeds import feed_of
from tests.test_telemetry import NOW, ScriptedSource, at, events_named, history, running, samples
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from rover.telemetry import Telemetry
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

RED = ParameterChange(limits={"red": (None, 10)})


async def telemetry_of(
    *script: Sample, translation: Translation | None = None, **options: Any
) -> Telemetry:
    """The telemetry after it has received these samples."""
    source = ScriptedSource(script)
    if translation is not None:
        options["translate"] = lambda *_: translation
    async with running(source, **options) as telemetry:
        with fail_after(10):
            await source.finished.wait()
    return telemetry


def power(**details: Any) -> list[DerivedParameter]:
    return [DerivedParameter(Parameter("power", "W", **details), Expression("u * i"))]


async def test_names_are_translated_everywhere() -> None:
    telemetry = await telemetry_of(
        at(NOW, speed=1.0, debug=7),
        translation=Translation(prefix="drive", exclude=["debug"], rename={"speed": "v"}),
    )
    assert samples(telemetry) == [{"t": iso(NOW), "drive.v": 1.0}]
    assert [parameter.name for parameter in telemetry.parameters] == ["drive.v"]
    assert telemetry.latest_values()["drive.v"] == 1.0
    assert feed_of(telemetry).declared == ["speed"]


async def test_limits_apply_to_the_first_value_of_a_parameter_that_was_not_declared() -> None:
    telemetry = await telemetry_of(at(NOW, heat=11), translation=Translation(changes={"heat": RED}))
    [alarm] = events_named(telemetry, "alarm")
    assert (alarm["parameter"], alarm["level"], alarm["value"]) == ("heat", "red", 11)
    [dictionary] = events_named(telemetry, "dictionary")
    assert [one["name"] for one in dictionary["parameters"]] == ["speed", "heat"]


async def test_limits_apply_to_the_calibrated_value() -> None:
    change = ParameterChange(limits={"red": (None, 10)}, calibration=Polynomial((0.0, 0.01)))
    telemetry = await telemetry_of(
        at(NOW, raw=999), at(NOW + 1, raw=1001), translation=Translation(changes={"raw": change})
    )
    assert [sample["raw"] for sample in samples(telemetry)] == pytest.approx([9.99, 10.01])
    assert [alarm["t"] for alarm in events_named(telemetry, "alarm")] == [iso(NOW + 1)]


async def test_values_that_cannot_be_translated_are_counted_and_degrade_the_source() -> None:
    change = ParameterChange(calibration=Polynomial((0.0, 0.01)))
    telemetry = await telemetry_of(
        at(NOW, raw="broken"), translation=Translation(changes={"raw": change})
    )
    assert (feed_of(telemetry).unusable, telemetry.health.state) == (1, State.DEGRADED)
    assert (last := feed_of(telemetry).last_unusable)
    assert last.parameter == "raw"
    assert samples(telemetry) == []


async def test_a_source_of_which_everything_is_excluded_is_live() -> None:
    telemetry = await telemetry_of(at(NOW, speed=1), translation=Translation(include=()))
    assert (feed_of(telemetry).unusable, telemetry.health.state) == (0, State.LIVE)
    assert samples(telemetry) == []


async def test_a_collision_of_declared_names_stops_the_start() -> None:
    source = ScriptedSource()
    source.parameters = [Parameter("a"), Parameter("b")]
    with pytest.raises(NameCollision):
        async with running(source, translate=lambda *_: Translation(rename={"a": "b"})):
            pass


async def test_a_derived_value_is_in_the_sample_that_it_comes_from() -> None:
    telemetry = await telemetry_of(at(NOW, u=14.0, i=2.0), derived=power())
    assert samples(telemetry) == [{"t": iso(NOW), "u": 14.0, "i": 2.0, "power": 28.0}]
    assert telemetry.latest_values()["power"] == 28.0
    assert history(telemetry)["power"] == [28.0]
    assert telemetry.parameters[-1] == Parameter("power", "W")


async def test_a_derived_value_has_the_newest_time_of_its_inputs() -> None:
    telemetry = await telemetry_of(at(NOW + 0.05, i=2.0), at(NOW, u=14.0), derived=power())
    assert samples(telemetry) == [
        {"t": iso(NOW + 0.05), "i": 2.0},
        {"t": iso(NOW), "u": 14.0},
        {"t": iso(NOW + 0.05), "power": 28.0},
    ]
    details = telemetry.latest_values()["details"]["power"]
    assert (details["t"], details["source"]) == (iso(NOW + 0.05), "derived")


async def test_a_late_input_computes_nothing() -> None:
    telemetry = await telemetry_of(
        at(NOW + 1, u=14.0, i=2.0), at(NOW, u=20.0, i=2.0), derived=power()
    )
    assert [sample.get("power") for sample in samples(telemetry)] == [28.0, None]


async def test_a_derived_parameter_has_alarms_of_its_own() -> None:
    telemetry = await telemetry_of(
        at(NOW, u=14.0, i=2.0), derived=power(limits=Limits(red=(None, 20)))
    )
    [alarm] = events_named(telemetry, "alarm")
    assert (alarm["parameter"], alarm["value"], alarm["unit"]) == ("power", 28.0, "W")


async def test_a_derived_value_without_a_result_is_counted_and_costs_nothing_else() -> None:
    ratio = [DerivedParameter(Parameter("ratio"), Expression("u / i"))]
    telemetry = await telemetry_of(at(NOW, u=1.0, i=0.0), derived=ratio)
    assert samples(telemetry) == [{"t": iso(NOW), "u": 1.0, "i": 0.0}]
    assert (feed_of(telemetry).unusable, telemetry.health.state) == (1, State.LIVE)


async def test_values_that_were_not_measured_are_no_inputs() -> None:
    script = at(NOW, u=14.0, i=2.0), at(NOW + 1, u=float("nan"), i=3.0), at(NOW + 2, i=None)
    telemetry = await telemetry_of(*script, derived=power())
    assert [sample.get("power") for sample in samples(telemetry)] == [28.0, 42.0, None]
    assert feed_of(telemetry).unusable == 0


async def test_a_mission_runs_from_a_file_in_another_folder(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text("speed,steer\n1.5,100\n1.5,100\n")
    (tmp_path / "rover.toml").write_text(
        """
        [settings]
        data_dir = "data"
        [telemetry]
        source = "replay:drive.csv?rate_hz=50"
        prefix = "drive"
        [parameters."drive.steer"]
        unit = "°"
        calibration = { polynomial = [0, 0.1] }
        [derived.double]
        expression = "2 * drive.speed"
        """
    )
    mission = MissionControl(config=Config.load(tmp_path / "rover.toml", {}))
    async with (
        serve(mission.app) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        await until(lambda: mission.telemetry.latest.known(None))
        latest = (await client.get("/telemetry/latest")).json()
        assert [latest[k] for k in ("drive.speed", "drive.steer", "double")] == [1.5, 10.0, 3.0]
        parameters = (await client.get("/telemetry/parameters")).json()["parameters"]
        assert {one["name"]: one["unit"] for one in parameters}["drive.steer"] == "°"
        sources = (await client.get("/readyz")).json()["sources"]
        assert [one["source"] for one in sources.values()] == ["replay:", "none:", "none:", "none:"]
    assert (tmp_path / "data").is_dir()


async def test_a_file_names_several_sources_of_a_kind(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text("speed,load\n1.5,1\n1.5,1\n")
    (tmp_path / "arm.csv").write_text("speed,angle\n7.5,1\n7.5,1\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "rover.toml").write_text(
        """
        [settings]
        data_dir = "data"
        [telemetry.drive]
        source = "replay:drive.csv?rate_hz=50"
        [telemetry.arm]
        source = "replay:arm.csv?rate_hz=50"
        rename = { angle = "elbow" }
        [camera.mast]
        source = "dir:images"
        [camera.hand]
        source = "dir:images"
        [parameters."arm.speed"]
        unit = "rad/s"
        [derived.sum]
        expression = "speed + arm.speed"
        """
    )
    mission = MissionControl(config=Config.load(tmp_path / "rover.toml", {}))
    async with (
        serve(mission.app) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        await until(lambda: mission.telemetry.latest.known(["sum"]))
        latest = (await client.get("/telemetry/latest")).json()
        values = {name: value for name, value in latest.items() if name not in ("t", "details")}
        assert values == {"speed": 1.5, "load": 1, "arm.speed": 7.5, "elbow": 1, "sum": 9.0}
        sources = {name: latest["details"][name]["source"] for name in values}
        assert sources == {
            "speed": "drive",
            "load": "drive",
            "arm.speed": "arm",
            "elbow": "arm",
            "sum": "derived",
        }
        parameters = (await client.get("/telemetry/parameters")).json()["parameters"]
        assert {one["name"]: one["unit"] for one in parameters}["arm.speed"] == "rad/s"
        ready = (await client.get("/readyz")).json()["sources"]
        assert list(ready) == [
            "telemetry.drive",
            "telemetry.arm",
            "camera.mast",
            "camera.hand",
            "commands",
            "uplink",
        ]


async def test_names_that_no_source_has_are_logged_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "drive.csv").write_text("speed,load\n1.5,1\n")
    (tmp_path / "rover.toml").write_text(
        """
        [settings]
        data_dir = "data"
        [telemetry]
        source = "replay:drive.csv?rate_hz=50"
        [derived.double]
        expression = "2 * sped"
        """
    )
    async with MissionControl(config=Config.load(tmp_path / "rover.toml", {})):
        await until(lambda: "derived.double" in caplog.text)
    assert "speed" in caplog.text


def test_settings_and_a_configuration_exclude_each_other() -> None:
    config = Config()
    with pytest.raises(TypeError):
        MissionControl(config.settings, config=config)
