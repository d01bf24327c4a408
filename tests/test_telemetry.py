"""Telemetry without HTTP: samples reach the topic, and a source that fails is restarted."""

from __future__ import annotations

import json
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever

from rover.archive.table import table_of
from rover.errors import NoDataYet
from rover.flush import Flusher
from rover.settings import Settings
from rover.supervise import State
from rover.telemetry import Telemetry
from rover.telemetry.events import SampleEvent
from rover.topic import Batch, EventId
from rover.wire import iso
from sources.base import Limits, Parameter, Sample, SourceError
from tests.feeds import feed_of
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.telemetry.events import TelemetryEvent
    from sources.base import TelemetrySource

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000.0
YEAR_S = 366 * 86_400.0


class ScriptedSource:
    """Yields samples and raises exceptions, one sequence for each run; then it is silent.

    Attributes:
        finished: set when the last run has yielded everything.
    """

    parameters: Sequence[Parameter] = (
        Parameter("speed", "m/s", limits=Limits(yellow=(None, 50), red=(None, 80))),
    )

    def __init__(self, *runs: Sequence[Sample | Exception]) -> None:
        self.finished = Event()
        self._runs = list(runs)

    async def samples(self) -> AsyncIterator[Sample]:
        for step in self._runs.pop(0) if self._runs else []:
            if isinstance(step, Exception):
                raise step
            yield step
        if not self._runs:
            self.finished.set()
            await sleep_forever()


def at(t: float, **values: Any) -> Sample:
    return Sample(t, values)


@asynccontextmanager
async def running(source: TelemetrySource, **options: Any) -> AsyncIterator[Telemetry]:
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    telemetry = Telemetry(source, settings, flusher, **{"clock": lambda: NOW, **options})
    async with create_task_group() as tasks:
        tasks.start_soon(flusher.run)
        tasks.start_soon(telemetry.run)
        yield telemetry
        tasks.cancel_scope.cancel()


async def telemetry_of(source: ScriptedSource) -> Telemetry:
    """The telemetry after it has received everything from the source."""
    async with running(source, first_pause_s=0.001) as telemetry:
        with fail_after(10):
            await source.finished.wait()
    return telemetry


async def first_batch(telemetry: Telemetry, **start: Any) -> Batch[TelemetryEvent, bytes]:
    """The first events of a new subscriber."""
    telemetry.topic.release()
    with telemetry.topic.subscribe(**start) as subscriber:
        batch = await anext(subscriber)
    assert isinstance(batch, Batch)
    return batch


def events(telemetry: Telemetry) -> list[tuple[str | None, dict[str, Any]]]:
    """Every retained event as its name and its data."""
    found = []
    for frame in telemetry.topic.retained():
        fields = dict(line.split(": ", 1) for line in frame.decode().strip().splitlines())
        found.append((fields.get("event"), json.loads(fields["data"])))
    return found


def events_named(telemetry: Telemetry, wanted: str | None) -> list[dict[str, Any]]:
    return [data for name, data in events(telemetry) if name == wanted]


def samples(telemetry: Telemetry) -> list[dict[str, Any]]:
    return events_named(telemetry, None)


def history(telemetry: Telemetry) -> dict[str, list[Any]]:
    return table_of(telemetry.history.load(), 10**6).as_columns(telemetry.history.integers)


async def test_samples_are_unnamed_events_of_flat_json_in_order() -> None:
    location = {"lat": 18.4, "lon": 77.5}
    source = ScriptedSource([at(NOW + 1.5, speed=1.0), at(NOW + 2, location=location)])
    assert samples(await telemetry_of(source)) == [
        {"speed": 1.0, "t": "2026-09-21T14:13:21.500Z"},
        {"location": location, "t": "2026-09-21T14:13:22.000Z"},
    ]


async def test_nan_and_infinities_become_null() -> None:
    telemetry = await telemetry_of(
        ScriptedSource([at(NOW, a=math.nan, b=math.inf, c={"x": -math.inf})])
    )
    [sample] = samples(telemetry)
    assert (sample["a"], sample["b"], sample["c"]) == (None, None, {"x": None})


async def test_a_late_value_is_in_the_history_and_does_not_change_the_latest_value() -> None:
    telemetry = await telemetry_of(
        ScriptedSource([at(NOW + 5, speed=5), at(NOW + 3, speed=3, heading=90)])
    )
    latest = telemetry.latest_values()
    assert (latest["speed"], latest["heading"], latest["t"]) == (5, 90, iso(NOW + 5))
    assert latest["details"]["heading"]["t"] == iso(NOW + 3)
    assert samples(telemetry) == [
        {"t": iso(NOW + 5), "speed": 5},
        {"t": iso(NOW + 3), "late": True, "speed": 3},
        {"t": iso(NOW + 3), "heading": 90},
    ]
    columns = history(telemetry)
    assert columns["speed"] == [None, 3, 5]
    assert columns["late"] == [False, True, False]


async def test_an_alarm_is_raised_although_another_parameter_has_a_newer_time() -> None:
    source = ScriptedSource(
        [step for n in range(9) for step in (at(NOW + n, heading=n), at(NOW + n - 0.05, speed=90))]
    )
    telemetry = await telemetry_of(source)
    alarms = events_named(telemetry, "alarm")
    assert [(alarm["level"], alarm["t"]) for alarm in alarms] == [("red", iso(NOW - 0.05))]
    assert not any("late" in sample for sample in samples(telemetry))


async def test_an_alarm_ends_when_its_parameter_leaves_the_dictionary() -> None:
    source = ScriptedSource([at(NOW, speed=90)])
    async with running(source) as telemetry:
        with fail_after(10):
            await source.finished.wait()
        source.parameters = ()
        assert telemetry.parameters == []
    found = [(a["action"], a["level"], a["value"]) for a in events_named(telemetry, "alarm")]
    assert found == [("raised", "red", 90), ("ended", "nominal", 90)]


async def test_an_alarm_that_flaps_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flapping = [at(NOW + n, speed=20 if n % 2 else 90) for n in range(200)]
    with caplog.at_level("INFO", "rover.telemetry"):
        telemetry = await telemetry_of(ScriptedSource(flapping))
    assert len(events_named(telemetry, "alarm")) == 200
    lines = [line for line in caplog.messages if "speed is" in line]
    assert len(lines) == 2 * len([1, 2, 4, 8, 16, 32, 64])


async def test_an_alarm_stays_active_while_no_values_arrive() -> None:
    source = ScriptedSource([at(NOW, speed=90), at(NOW + 1, speed=math.nan)], [])
    telemetry = await telemetry_of(source)
    assert [(a.level, a.is_active, a.value) for a in telemetry.alarms.latched] == [
        ("red", True, 90)
    ]


async def test_an_expired_shelf_is_published() -> None:
    source = ScriptedSource([at(NOW, speed=90)])
    now = NOW
    async with running(source, clock=lambda: now) as telemetry:
        with fail_after(10):
            await source.finished.wait()
            [alarm] = telemetry.alarms.latched
            telemetry.alarms.shelve(alarm.id, "bo", "", 1)
            now = NOW + 60
            await until(lambda: alarm.shelved is None)
    assert [(a["action"], a["shelved"] is None) for a in events_named(telemetry, "alarm")] == [
        ("raised", True),
        ("shelved", False),
        ("unshelved", True),
    ]


async def test_an_alarm_of_a_slow_clock_leaves_the_times_of_other_events() -> None:
    source = ScriptedSource([at(NOW, mode=1), at(NOW + 50, mode=2), at(NOW + 1, speed=90)])
    telemetry = await telemetry_of(source)
    batch = await first_batch(telemetry, since=NOW + 50)
    assert [event.sample.values for event in batch.items if isinstance(event, SampleEvent)] == [
        {"mode": 2},
        {"speed": 90},
    ]


async def test_a_changed_dictionary_is_published_and_its_limits_apply_at_once() -> None:
    class LearningSource(ScriptedSource):
        async def samples(self) -> AsyncIterator[Sample]:
            yield at(NOW, boiler=30)
            limits = Limits(red=(None, 20))
            self.parameters = (*ScriptedSource.parameters, Parameter("boiler", "°C", limits=limits))
            yield at(NOW + 1, boiler=30)
            self.finished.set()
            await sleep_forever()

    telemetry = await telemetry_of(LearningSource())
    named = [(name, data) for name, data in events(telemetry) if name not in (None, "state")]
    assert [name for name, _ in named] == ["dictionary", "alarm"]
    assert [p["name"] for p in named[0][1]["parameters"]] == ["speed", "boiler"]
    assert [p.name for p in telemetry.parameters] == ["speed", "boiler"]


async def test_an_unusable_value_is_left_out_and_counted() -> None:
    telemetry = await telemetry_of(ScriptedSource([at(NOW, speed=1, camera=object())]))
    assert samples(telemetry) == [{"t": iso(NOW), "speed": 1}]
    state = json.loads(feed_of(telemetry).state_json())
    assert (state["state"], state["unusable"]) == ("live", 1)
    assert state["last_unusable"].startswith("camera: ")


async def test_a_source_without_usable_values_is_degraded() -> None:
    telemetry = await telemetry_of(ScriptedSource([at(NOW, camera=object())]))
    assert telemetry.health.state is State.DEGRADED
    assert "camera" in telemetry.health.detail
    assert samples(telemetry) == []


async def test_64_bit_integers_are_exact_in_stream_history_and_latest() -> None:
    ticks = [1, 2**53 + 1, 2**63 - 1, 2**64 - 1]
    telemetry = await telemetry_of(
        ScriptedSource([at(NOW + n, ticks=value) for n, value in enumerate(ticks)])
    )
    assert [sample["ticks"] for sample in samples(telemetry)] == ticks
    assert history(telemetry)["ticks"] == ticks
    assert telemetry.latest_values()["ticks"] == ticks[-1]


@pytest.mark.parametrize("start", [NOW, 0.0], ids=["live", "replay of 1970"])
async def test_a_sample_from_the_future_gets_the_time_of_the_sample_before_it(start: float) -> None:
    usual = [at(start + n, speed=n) for n in range(5)]
    source = ScriptedSource([*usual[:3], at(NOW + YEAR_S, speed=60), *usual[3:]])
    telemetry = await telemetry_of(source)
    assert samples(telemetry) == [
        *({"speed": n, "t": iso(start + n)} for n in range(3)),
        {"speed": 60, "t": iso(start + 2), "t_sent": iso(NOW + YEAR_S)},
        *({"speed": n, "t": iso(start + n)} for n in range(3, 5)),
    ]
    assert telemetry.latest_values()["speed"] == 4
    columns = history(telemetry)
    assert columns["speed"] == [0, 1, 2, 60, 3, 4]
    assert columns["t_sent"] == [None, None, None, iso(NOW + YEAR_S), None, None]
    alarms = [(data["level"], data["value"]) for data in events_named(telemetry, "alarm")]
    assert alarms == [("yellow", 60), ("nominal", 3)]  # only the time is doubtful, not the value
    assert len((await first_batch(telemetry, since=start + 4)).frames) == 1


async def test_a_clock_that_was_set_ahead_by_a_year_is_accepted() -> None:
    later = NOW + YEAR_S
    source = ScriptedSource([at(NOW, speed=0), *(at(later + n, speed=n) for n in range(1, 4))])
    telemetry = await telemetry_of(source)
    assert [sample["t"] for sample in samples(telemetry)] == [
        iso(NOW),
        iso(NOW),
        iso(later + 2),
        iso(later + 3),
    ]


async def test_a_start_by_time_finds_samples_after_a_clock_was_corrected() -> None:
    source = ScriptedSource([at(NOW + YEAR_S, speed=9), *(at(NOW + n, speed=n) for n in range(5))])
    telemetry = await telemetry_of(source)
    assert len((await first_batch(telemetry, since=NOW + 3)).frames) == 2


async def test_new_clients_receive_latched_alarms_without_ids() -> None:
    telemetry = await telemetry_of(ScriptedSource([at(NOW, speed=60), at(NOW + 1, speed=90)]))
    assert b'"level":"red"' in telemetry.alarms.latched_events()
    assert b"\nid: " not in telemetry.alarms.latched_events()

    telemetry = await telemetry_of(ScriptedSource([at(NOW, speed=90), at(NOW + 1, speed=0)]))
    [alarm] = telemetry.alarms.latched  # ended, and not acknowledged
    telemetry.alarms.acknowledge(alarm.id, "ada", "")
    assert telemetry.alarms.latched_events() == b""


async def test_a_value_with_a_reserved_name_is_renamed() -> None:
    telemetry = await telemetry_of(ScriptedSource([Sample(NOW, {"late": 3, "folded": 9, "t": 5})]))
    assert samples(telemetry) == [
        {"t": iso(NOW), "late_sent": 3, "folded_sent": 9, "t_sent": 5},
    ]
    columns = history(telemetry)
    assert (columns["late"], columns["late_sent"]) == ([False], [3])


async def test_there_are_no_latest_values_before_the_first_sample() -> None:
    telemetry = await telemetry_of(ScriptedSource())
    with pytest.raises(NoDataYet):
        telemetry.latest_values()


@pytest.mark.parametrize(
    "bad",
    [
        at(math.nan, speed=1),
        at(1e18, speed=1),
        at(NOW, speed=object()),
        at(NOW, text="x" * 70_000),
        at(NOW, text="\ud800"),
    ],
    ids=["no time", "time out of range", "not JSON", "too large", "lone surrogate"],
)
async def test_an_unusable_sample_is_counted_and_the_next_one_is_published(bad: Sample) -> None:
    telemetry = await telemetry_of(ScriptedSource([bad, at(NOW + 1, speed=2)]))
    assert feed_of(telemetry).unusable == 1
    assert [sample["speed"] for sample in samples(telemetry)] == [2]


@pytest.mark.parametrize("end", [SourceError("cable is out"), ValueError("driver bug"), None])
async def test_a_source_that_ends_or_raises_is_restarted_and_its_state_is_published(
    end: Exception | None,
) -> None:
    first: list[Sample | Exception] = [at(NOW, speed=1)]
    source = ScriptedSource([*first, end] if end else first, [at(NOW + 1, speed=2)])
    telemetry = await telemetry_of(source)
    names = [name or data["speed"] for name, data in events(telemetry)]
    states = events_named(telemetry, "state")
    assert names == ["state", 1, "state", "state", 2]
    assert [state["state"] for state in states] == ["live", "down", "live"]
    assert str(end or "") in states[1]["detail"]


async def test_a_silent_source_is_stale_until_its_next_sample() -> None:
    resume = Event()

    class StallingSource(ScriptedSource):
        period_s = 0.001

        async def samples(self) -> AsyncIterator[Sample]:
            yield at(NOW, speed=1)
            await resume.wait()
            yield at(NOW + 1, speed=2)
            await sleep_forever()

    async with running(StallingSource(), min_stale_s=0.05) as telemetry:
        await until(lambda: telemetry.health.state is State.STALE)
        resume.set()
        await until(lambda: telemetry.health.state is State.LIVE)


async def test_a_subscriber_that_resumes_receives_all_events_after_its_id() -> None:
    telemetry = await telemetry_of(ScriptedSource([at(NOW + n, speed=n) for n in range(100)]))
    frames = telemetry.topic.retained()
    ids = [frame.split(b"id: ")[1].split(b"\n")[0].decode() for frame in frames]
    batch = await first_batch(telemetry, after=EventId.parse(ids[41]))
    assert batch.body == b"".join(frames[42:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"t": NOW, "speed": 1},
        (NOW, {"speed": 1}),
        None,
        Sample(None, {"speed": 1}),  # type: ignore[arg-type] # wrong on purpose
        Sample(math.nan, {"speed": 1}),
        Sample(NOW, [("speed", 1)]),  # type: ignore[arg-type] # wrong on purpose
    ],
    ids=["dict", "tuple", "None", "no time", "NaN", "list"],
)
async def test_a_source_that_yields_no_valid_sample_is_degraded(wrong: Any) -> None:
    telemetry = await telemetry_of(ScriptedSource([wrong]))
    assert telemetry.health.state is State.DEGRADED
    assert feed_of(telemetry).unusable == 1
    assert samples(telemetry) == []


async def test_a_wrong_sample_between_valid_ones_is_left_out() -> None:
    wrong: Any = {"speed": 2}
    telemetry = await telemetry_of(ScriptedSource([at(NOW, speed=1), wrong, at(NOW + 1, speed=3)]))
    assert [sample["speed"] for sample in samples(telemetry)] == [1, 3]
    assert (telemetry.health.state, feed_of(telemetry).unusable) == (State.LIVE, 1)


class UnreadableSource(ScriptedSource):
    @property
    def parameters(self) -> Sequence[Parameter]:  # type: ignore[override] # wrong on purpose
        raise SystemExit


def test_a_dictionary_with_a_mistake_is_an_error_at_the_start() -> None:
    source = ScriptedSource()
    unit: Any = None
    source.parameters = (Parameter("speed", unit),)
    for wrong, name in ((source, "'speed'"), (UnreadableSource(), "UnreadableSource")):
        with pytest.raises(SourceError, match=name):
            Telemetry(wrong, Settings(), Flusher(60))


async def test_parameters_that_are_no_sequence_degrade_a_running_source() -> None:
    class Vanishing(ScriptedSource):
        async def samples(self) -> AsyncIterator[Sample]:
            yield at(NOW, speed=1)
            nothing: Any = None
            self.parameters = nothing
            yield at(NOW + 1, speed=2)
            self.finished.set()
            await sleep_forever()

    source = Vanishing()
    async with running(source) as telemetry:
        await source.finished.wait()
        assert [sample["speed"] for sample in samples(telemetry)] == [1, 2]
        assert telemetry.health.state is State.DEGRADED
        assert "must be a sequence of Parameter" in telemetry.health.detail


async def test_a_mistake_in_a_changed_dictionary_degrades_the_source_and_the_old_one_remains() -> (
    None
):
    source = ScriptedSource([at(NOW, speed=1)])
    async with running(source) as telemetry:
        await source.finished.wait()
        valid = telemetry.parameters
        source.parameters = (Parameter("speed"), Parameter("speed"))
        assert telemetry.parameters == valid
        assert telemetry.health.state is State.DEGRADED
        source.parameters = (Parameter("speed", "km/h"),)
        assert [p.unit for p in telemetry.parameters] == ["km/h"]
        assert telemetry.health.detail == "live"
