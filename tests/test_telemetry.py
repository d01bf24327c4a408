"""The telemetry core, bare: what a source says reaches the topic, and its troubles stay its own."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, create_task_group, fail_after, sleep, sleep_forever

from rover.errors import NothingYet
from rover.flush import Flusher
from rover.settings import Settings
from rover.supervise import State
from rover.telemetry import Telemetry
from rover.topic import Batch, EventId
from rover.wire import iso
from sources.base import Limits, Parameter, Sample, SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000.0
YEAR_S = 366 * 86_400.0


class Script:
    """A source that plays what a test wrote: samples, exceptions, or pauses."""

    parameters: Sequence[Parameter] = (
        Parameter("speed", "m/s", limits=Limits(yellow=(None, 50), red=(None, 80))),
    )

    def __init__(self, *runs: Sequence[Sample | Exception]) -> None:
        self.runs = list(runs)
        self.starts = 0
        self.at_rest = Event()

    async def samples(self) -> AsyncIterator[Sample]:
        self.starts += 1
        for step in self.runs.pop(0) if self.runs else []:
            if isinstance(step, Exception):
                raise step
            yield step
        if not self.runs:
            self.at_rest.set()
            await sleep_forever()


def at(t: float, **values: Any) -> Sample:
    return Sample(t, values)


async def told(source: Script, settings: Settings | None = None) -> Telemetry:
    """Run the source's whole script, and give the telemetry that heard it."""
    settings = settings or Settings()
    flusher = Flusher(settings.heartbeat_s)
    telemetry = Telemetry(source, settings, flusher, clock=lambda: NOW, first_pause_s=0.001)
    async with create_task_group() as tasks:
        tasks.start_soon(flusher.run)
        tasks.start_soon(telemetry.run)
        with fail_after(10):
            await source.at_rest.wait()
        tasks.cancel_scope.cancel()
    return telemetry


def events(telemetry: Telemetry) -> list[tuple[str | None, dict[str, Any]]]:
    """Every retained event as its name and its data."""
    found = []
    for frame in telemetry.topic.retained():
        fields = dict(line.split(": ", 1) for line in frame.decode().strip().splitlines())
        found.append((fields.get("event"), json.loads(fields["data"])))
    return found


def samples(telemetry: Telemetry) -> list[dict[str, Any]]:
    return [data for name, data in events(telemetry) if name is None]


async def test_samples_are_unnamed_events_of_flat_json_in_order() -> None:
    telemetry = await told(Script([at(1.5, speed=1.0), at(2, location={"lat": 18.4, "lon": 77.5})]))
    assert samples(telemetry) == [
        {"speed": 1.0, "t": "1970-01-01T00:00:01.500Z"},
        {"location": {"lat": 18.4, "lon": 77.5}, "t": "1970-01-01T00:00:02.000Z"},
    ]


async def test_nan_and_infinities_become_null() -> None:
    telemetry = await told(Script([at(0, a=math.nan, b=math.inf, c={"x": -math.inf})]))
    [sample] = samples(telemetry)
    assert (sample["a"], sample["b"], sample["c"]) == (None, None, {"x": None})


async def test_a_late_value_stays_in_the_history_and_never_replaces_a_newer_one() -> None:
    telemetry = await told(Script([at(NOW + 5, speed=5), at(NOW + 3, speed=3, heading=90)]))
    latest = telemetry.latest_values()
    assert (latest["speed"], latest["heading"], latest["t"]) == (5, 90, iso(NOW + 5))
    assert latest["details"]["heading"]["t"] == iso(NOW + 3)
    assert samples(telemetry) == [
        {"t": iso(NOW + 5), "speed": 5},
        {"t": iso(NOW + 3), "late": True, "speed": 3},
        {"t": iso(NOW + 3), "heading": 90},
    ]
    columns = telemetry.history.between(None, None, None).as_columns()
    assert columns["speed"] == [3, None, 5]
    assert columns["late"] == [True, False, False]


async def test_an_alarm_is_raised_whichever_other_parameter_is_ahead() -> None:
    script = Script(
        [step for n in range(9) for step in (at(NOW + n, heading=n), at(NOW + n - 0.05, speed=90))]
    )
    telemetry = await told(script)
    alarms = [data for name, data in events(telemetry) if name == "alarm"]
    assert [(alarm["level"], alarm["t"]) for alarm in alarms] == [("red", iso(NOW - 0.05))]
    assert not any("late" in sample for sample in samples(telemetry))


async def test_a_dictionary_that_changes_is_published_and_its_limits_apply_at_once() -> None:
    class Learning(Script):
        async def samples(self) -> AsyncIterator[Sample]:
            yield at(NOW, boiler=30)
            limits = Limits(red=(None, 20))
            self.parameters = (*Script.parameters, Parameter("boiler", "°C", limits=limits))
            yield at(NOW + 1, boiler=30)
            self.at_rest.set()
            await sleep_forever()

    telemetry = await told(Learning([]))
    named = [(name, data) for name, data in events(telemetry) if name not in (None, "state")]
    assert [name for name, _ in named] == ["dictionary", "alarm"]
    assert [p["name"] for p in named[0][1]["parameters"]] == ["speed", "boiler"]
    assert [p.name for p in telemetry.parameters] == ["speed", "boiler"]


async def test_an_unusable_value_costs_only_itself() -> None:
    telemetry = await told(Script([at(NOW, speed=1, camera=object())]))
    assert samples(telemetry) == [{"t": iso(NOW), "speed": 1}]
    state = json.loads(telemetry.state_json())
    assert (state["state"], state["unusable"]) == ("live", 1)
    assert state["last_unusable"].startswith("camera: ")


async def test_a_source_without_usable_values_is_degraded() -> None:
    telemetry = await told(Script([at(NOW, camera=object())]))
    assert telemetry.health.state is State.DEGRADED
    assert "camera" in telemetry.health.detail
    assert samples(telemetry) == []


async def test_64_bit_integers_are_exact_in_stream_history_and_latest() -> None:
    ticks = [1, 2**53 + 1, 2**63 - 1, 2**64 - 1]
    telemetry = await told(Script([at(NOW + n, ticks=value) for n, value in enumerate(ticks)]))
    assert [sample["ticks"] for sample in samples(telemetry)] == ticks
    assert telemetry.history.between(None, None, None).as_columns()["ticks"] == ticks
    assert telemetry.latest_values()["ticks"] == ticks[-1]


@pytest.mark.parametrize("start", [NOW, 0.0], ids=["live", "a replay of long ago"])
async def test_a_sample_from_the_future_takes_the_time_of_the_one_before_it(start: float) -> None:
    honest = [at(start + n, speed=n) for n in range(5)]
    telemetry = await told(Script([*honest[:3], at(NOW + YEAR_S, speed=60), *honest[3:]]))
    astray = {"speed": 60, "t": iso(start + 2), "t_sent": iso(NOW + YEAR_S)}
    assert samples(telemetry) == [
        *({"speed": n, "t": iso(start + n)} for n in range(3)),
        astray,
        *({"speed": n, "t": iso(start + n)} for n in range(3, 5)),
    ]
    assert telemetry.latest_values()["speed"] == 4
    columns = telemetry.history.between(None, None, None).as_columns()
    assert columns["speed"] == [0, 1, 2, 60, 3, 4]
    assert columns["t_sent"] == [None, None, None, iso(NOW + YEAR_S), None, None]
    rang = [(data["level"], data["value"]) for name, data in events(telemetry) if name == "alarm"]
    assert rang == [("yellow", 60), ("nominal", 3)]  # what was measured is true all the same
    telemetry.topic.release()
    with telemetry.topic.subscribe(since=start + 4) as reader:
        news = await anext(reader)
    assert isinstance(news, Batch)
    assert len(news.frames) == 1


async def test_a_clock_that_was_set_ahead_by_a_year_is_followed() -> None:
    later = NOW + YEAR_S
    script = Script([at(NOW, speed=0), *(at(later + n, speed=n) for n in range(1, 4))])
    telemetry = await told(script)
    assert [sample["t"] for sample in samples(telemetry)] == [
        iso(NOW),
        iso(NOW),
        iso(later + 2),
        iso(later + 3),
    ]


async def test_a_clock_that_was_put_right_leaves_no_trace_in_questions_by_time() -> None:
    script = Script([at(NOW + YEAR_S, speed=9), *(at(NOW + n, speed=n) for n in range(5))])
    telemetry = await told(script)
    telemetry.topic.release()
    with telemetry.topic.subscribe(since=NOW + 3) as reader:
        news = await anext(reader)
    assert isinstance(news, Batch)
    assert len(news.frames) == 2


async def test_latched_alarms_are_known_to_new_clients() -> None:
    telemetry = await told(Script([at(NOW, speed=60), at(NOW + 1, speed=90)]))
    assert b'"level":"red"' in telemetry.alarm_events()
    assert b"\nid: " not in telemetry.alarm_events()

    telemetry = await told(Script([at(NOW, speed=90), at(NOW + 1, speed=0)]))
    [alarm] = telemetry.alarms.latched  # ended, and not acknowledged
    telemetry.acknowledge(alarm.id, "ada", "")
    assert telemetry.alarm_events() == b""


async def test_a_key_that_is_the_servers_own_is_renamed_and_not_lost() -> None:
    telemetry = await told(Script([Sample(1, {"late": 3, "folded": 9, "t": 5})]))
    assert samples(telemetry) == [
        {"t": iso(1), "late_sent": 3, "folded_sent": 9, "t_sent": 5},
    ]
    columns = telemetry.history.between(None, None, None).as_columns()
    assert (columns["late"], columns["late_sent"]) == ([False], [3])


async def test_before_the_first_sample_latest_says_why_there_is_none() -> None:
    telemetry = await told(Script([]))
    with pytest.raises(NothingYet):
        telemetry.latest_values()


@pytest.mark.parametrize(
    "bad",
    [
        at(math.nan, speed=1),
        at(1e18, speed=1),
        at(1, speed=object()),
        at(1, text="x" * 70_000),
        at(1, text="\ud800"),
    ],
    ids=["no time", "time out of range", "not JSON", "too big", "half a surrogate pair"],
)
async def test_a_bad_sample_is_counted_and_the_next_one_comes(bad: Sample) -> None:
    telemetry = await told(Script([bad, at(2, speed=2)]))
    assert telemetry.unusable == 1
    assert [sample["speed"] for sample in samples(telemetry)] == [2]


@pytest.mark.parametrize("end", [SourceError("cable is out"), ValueError("driver bug"), None])
async def test_a_source_that_ends_or_raises_is_restarted_and_its_state_is_published(
    end: Exception | None,
) -> None:
    first: list[Sample | Exception] = [at(1, speed=1)]
    source = Script([*first, end] if end else first, [at(2, speed=2)])
    telemetry = await told(source)
    names = [name or data["speed"] for name, data in events(telemetry)]
    states = [data["state"] for name, data in events(telemetry) if name == "state"]
    assert names == ["state", 1, "state", "state", 2]
    assert states == ["live", "down", "live"]
    [down] = [data for name, data in events(telemetry) if data.get("state") == "down"]
    assert str(end or "the source ended") in down["detail"]
    assert "restart in" in down["detail"]


class Paced(Script):
    period_s = 0.001


async def test_a_silent_source_is_stale_until_its_next_sample() -> None:
    speak = Event()

    class Stalling(Paced):
        async def samples(self) -> AsyncIterator[Sample]:
            yield at(1, speed=1)
            await speak.wait()
            yield at(2, speed=2)
            await sleep_forever()

    flusher = Flusher(15)
    telemetry = Telemetry(Stalling(), Settings(), flusher, min_stale_s=0.05)
    async with create_task_group() as tasks:
        tasks.start_soon(telemetry.run)
        tasks.start_soon(flusher.run)
        await until(lambda: telemetry.health.state is State.STALE)
        assert "silent for" in telemetry.health.detail
        speak.set()
        await until(lambda: telemetry.health.state is State.LIVE)
        tasks.cancel_scope.cancel()


async def test_a_reader_that_comes_back_gets_what_it_missed_and_then_live() -> None:
    source = Script([at(n, speed=n) for n in range(100)])
    telemetry = await told(source)
    ids = [frame.split(b"id: ")[1].split(b"\n")[0].decode() for frame in telemetry.topic.retained()]
    telemetry.topic.release()
    with telemetry.topic.subscribe(EventId.parse(ids[41])) as reader:
        news = await anext(reader)
    assert isinstance(news, Batch)
    assert news.body == b"".join(telemetry.topic.retained()[42:])


async def until(condition: Callable[[], bool]) -> None:
    with fail_after(5):
        while not condition():
            await sleep(0.005)
