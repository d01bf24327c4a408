"""The one-way light time: a setting, or the last usable value of a parameter."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rover.commands.light_time import LightTime
from rover.mission import MissionControl
from rover.settings import Settings
from sources.base import Sample
from tests.api_schemas import check_json
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

T = 1.79e9

UNUSABLE = [None, -1, 1e9, float("nan"), float("inf"), True, "abc", "NaN", [3.0]]


def sample(value: Any, t: float = T) -> Sample:
    return Sample(t, {"owlt": value, "other": -1})


@pytest.fixture
def light_time() -> LightTime:
    return LightTime(Settings(light_time_s=4, light_time_parameter="owlt"))


@pytest.mark.parametrize("value", [700, 0.5, 0, 10**6])
def test_it_is_the_value_of_the_parameter(light_time: LightTime, value: float) -> None:
    light_time.update(sample(value))
    assert light_time.seconds == value
    assert light_time.problem is None
    assert light_time.as_json()["t"] == "2026-09-21T14:13:20.000Z"


@pytest.mark.parametrize("value", UNUSABLE)
def test_the_last_usable_value_counts_with_its_time_while_newer_ones_are_unusable(
    light_time: LightTime, value: object
) -> None:
    light_time.update(sample(700))
    light_time.update(sample(value, T + 60))
    light_time.update(Sample(T + 61, {"other": 1}))
    shown = light_time.as_json()
    assert (shown["seconds"], shown["t"]) == (700, "2026-09-21T14:13:20.000Z")
    assert "owlt" in shown["problem"]
    light_time.update(sample(701, T + 120))
    assert (light_time.seconds, light_time.problem) == (701, None)


@pytest.mark.parametrize("values", [[], UNUSABLE])
def test_without_a_usable_value_the_setting_counts_and_the_problem_says_so(
    light_time: LightTime, values: list[object]
) -> None:
    for value in values:
        light_time.update(sample(value))
    shown = light_time.as_json()
    assert (shown["seconds"], shown["t"]) == (4, None)
    assert "owlt" in shown["problem"]
    assert "ROVER_LIGHT_TIME_S" in shown["problem"]


def test_without_a_parameter_the_setting_is_no_problem() -> None:
    light_time = LightTime(Settings(light_time_s=4))
    light_time.update(sample(700))
    assert (light_time.seconds, light_time.problem) == (4, None)


def test_unusable_samples_are_logged_once(
    light_time: LightTime, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "rover.commands"):
        for value in [*UNUSABLE, 700, *UNUSABLE]:
            light_time.update(sample(value))
    assert len(caplog.records) == 1


@pytest.mark.anyio
async def test_a_dropout_in_the_telemetry_keeps_the_light_time(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        telemetry="push:",
        camera="none:",
        uplink="sim:",
        light_time_parameter="owlt",
    )

    async def state(client: httpx.AsyncClient) -> Any:
        return check_json("Queue", (await client.get("/queue")).content)["light_time"]

    mission = MissionControl(settings)
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        assert "owlt" in (await state(client))["problem"]
        assert [one for one in caplog.records if "owlt" in one.getMessage()]
        for value in (3.0, None):
            assert (await client.post("/ingest/telemetry", json={"owlt": value})).is_success
            await until(lambda: mission.telemetry.latest.newest("owlt")[1] == value)  # noqa: B023
        shown = await state(client)
    assert shown["seconds"] == 3.0
    assert shown["t"] is not None
    assert "null" in shown["problem"]
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        again = await state(client)
    assert again["problem"] is not None
