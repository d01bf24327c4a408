"""Replay of the recorded mission: `GET /stream/rover-telemetry?at=`."""

from __future__ import annotations

import json
from math import inf
from random import Random
from time import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, fail_after
from httpx_sse import ServerSentEvent, aconnect_sse

from rover.errors import LogDamaged
from rover.logs import MemoryLog
from rover.logs.base import Record
from rover.logs.runs import Run
from rover.logs.search import newest_before, offset_before
from rover.telemetry.history import History
from rover.telemetry.moments import moments_of
from rover.telemetry.recording import Recording
from rover.telemetry.records import DELETED, STREAM
from rover.telemetry.replay import Position, Replay
from rover.wire import dumps, iso
from sources.base import Sample
from tests.test_restart import publish, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0

WHOLE = Run(0, None)


async def image_data(record: Record) -> str | None:
    return record.data if "unreadable" not in record.data else None


def recording_of(history: History, log: MemoryLog) -> Recording:
    return Recording(history, log, lambda: T + 11, image_json=image_data)


class Past:
    """A record of ten samples, one a second, a state, an alarm and a message."""

    def __init__(self) -> None:
        self.history = History()
        self.log = MemoryLog()
        self.log.begin(STREAM, "e1")
        self.log.begin("comms/ops", "e2")
        for n in range(10):
            self.history.add(Sample(T + n, {"speed": n}), offset=n + 1)
        self.history.add(Sample(T + 0.5, {"battery": 90}), offset=11)
        self.named(20, 0.2, "state", source="telemetry", state="LIVE")
        self.named(21, 1.2, "alarm", id="a", level="red", acknowledged=None, shelved=None)
        self.named(22, 6.2, "alarm", id="a", level="nominal", acknowledged={}, shelved=None)
        said = {"name": "Ana", "text": "halt", "role": "CAPCOM", "ref": None}
        self.log.append("comms/ops", Record(1, T + 5.5, "message", dumps(said), T + 5.5))

    def named(self, offset: int, after_s: float, kind: str, **data: Any) -> None:
        self.log.append(STREAM, Record(offset, T + after_s, kind, dumps(data)))

    async def events(
        self, t: float, sent: int = 0, *, has_past: bool = True, speed: float = 1000.0
    ) -> list[str]:
        """The ids or else the data of the events of a replay, without its clock."""
        recording = recording_of(self.history, self.log)
        replay = Replay(
            recording, Position(t, sent), speed, None, has_past=has_past, stopping=Event()
        )
        body = b"".join([batch.body async for batch in replay])
        events = [one for one in body.decode().replace("\r\n", "\n").split("\n\n") if one]
        return [one for one in events if "event: clock" not in one]


async def test_a_replay_begins_with_what_was_known_and_goes_on_in_order_of_time() -> None:
    events = await Past().events(T + 4)
    past = [one for one in events if "id: " not in one]
    assert [json.loads(one.split("data: ")[1].split("\n")[0]) for one in past[1:]] == [
        {"id": "a", "level": "red", "acknowledged": None, "shelved": None, "action": "latched"},
        {"t": iso(T + 0.5), "battery": 90},
        {"t": iso(T + 3), "speed": 3},
        {"ages_s": {"battery": 3.5, "speed": 1.0}},
    ]
    assert "state" in past[0]
    times = [float(one.split("id: ")[1].split("-")[0]) for one in events if "id: " in one]
    assert times == [T + 4, T + 5, T + 5.5, T + 6, T + 6.2, T + 7, T + 8, T + 9]


async def test_an_acknowledged_alarm_that_ended_before_is_not_there() -> None:
    past = [one for one in await Past().events(T + 7) if "id: " not in one]
    assert not any("event: alarm" in one for one in past)


@pytest.mark.parametrize("has_seen", range(8))
async def test_a_client_resumes_after_each_event_without_gap_or_duplicate(has_seen: int) -> None:
    past = Past()
    past.named(23, 6.2, "event", severity="info")  # two of one time
    whole = [one for one in await past.events(T + 4) if "id: " in one]
    event_id = whole[has_seen].split("id: ")[1].split("\n")[0]
    position = Position.parse(event_id, "Last-Event-ID")
    resumed = await past.events(*position, has_past=False)
    ids = [one.split("id: ")[1].split("\n")[0] for one in whole]
    assert [one.split("data: ")[1].split("\n")[0] for one in resumed] == [
        one.split("data: ")[1].split("\n")[0] for one in whole[has_seen + 1 :]
    ]
    assert len(set(ids)) == len(whole)
    assert [one.split("id: ")[1].split("\n")[0] for one in resumed] == ids[has_seen + 1 :]


@pytest.mark.parametrize("t", [T + 1 / 3, 37 + 1 / 7, -62135596800.0, 253402300799.5])
def test_a_position_of_any_clock_is_read_back(t: float) -> None:
    assert Position.parse(str(Position(t, 3)), "after") == (t, 3)


async def test_the_offset_before_a_time_is_found_among_many() -> None:
    past = Past()
    for t, kind, offset in [
        (T + 1.2, "alarm", 0),
        (T + 1.3, "alarm", 21),
        (T + 99, "alarm", 22),
        (T + 99, "state", 20),
        (T + 99, "event", 0),
    ]:
        assert await offset_before(past.log, STREAM, t, kind, WHOLE) == offset
    recording = recording_of(past.history, past.log)
    assert (await recording.beginning())[0] == T


async def test_a_record_ends_with_its_newest_sample_or_event() -> None:
    past = Past()
    assert await recording_of(past.history, past.log).last() == T + 9
    past.named(23, 9.5, "event", severity="info")
    assert await recording_of(past.history, past.log).last() == T + 9.5
    assert await recording_of(past.history, MemoryLog()).last() == T + 9
    assert await recording_of(History(), MemoryLog()).last() == -inf


async def test_images_share_the_clock_of_the_samples() -> None:
    past = Past()
    past.log.begin("images", "e3")
    for offset, (after_s, image_id, state) in enumerate(
        [
            (1.5, "a", "arriving"),
            (1.7, "b", "complete"),
            (2.5, "a", "complete"),
            (4.5, "c", "arriving"),
            (5.2, "unreadable", "arriving"),
            (6.4, "c", "broken"),
        ],
        1,
    ):
        data = dumps({"camera": "mast", "id": image_id, "state": state})
        past.log.append("images", Record(offset, T + after_s, "image", data))
    events = [one for one in await past.events(T + 4) if "event: image" in one]
    before, after = [one for one in events if "id: " not in one], [e for e in events if "id: " in e]
    shown = [json.loads(one.split("data: ")[1].split("\n")[0]) for one in before + after]
    assert [(one["id"], one["state"]) for one in shown] == [
        ("b", "complete"),
        ("a", "complete"),
        ("c", "arriving"),
        ("c", "broken"),
    ]
    assert [float(one.split("id: ")[1].split("-")[0]) for one in after] == [T + 4.5, T + 6.4]


@pytest.mark.parametrize(
    ("is_closed", "end"), [(True, T + 9), (False, T + 10)], ids=["recorded", "running"]
)
async def test_a_replay_ends_at_the_end_of_the_record(is_closed: bool, end: float) -> None:
    past = Past()
    recording = Recording(past.history, past.log, lambda: T + 11, is_closed=is_closed)
    replay = Replay(recording, Position(T + 8), 1000, None, has_past=False, stopping=Event())
    body = b"".join([batch.body async for batch in replay]).decode()
    assert replay.reached == end
    clocks = [e for e in body.replace("\r\n", "\n").split("\n\n") if "event: clock" in e]
    assert all(json.loads(one.split("data: ")[1])["t"] <= iso(end) for one in clocks)


async def test_a_replay_ends_early_if_the_record_cannot_be_read(tmp_path: Path) -> None:
    (damaged := tmp_path / "mission.db").write_bytes(b"no database" * 1000)
    recording = recording_of(History(path=damaged), Past().log)
    replay = Replay(recording, Position(T), 1000, None, has_past=False, stopping=Event())
    assert [batch async for batch in replay] == []
    assert isinstance(replay.failure, LogDamaged)


async def replay_of(url: str, **headers: str) -> list[ServerSentEvent]:
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "GET", url, headers=headers) as source,
    ):
        assert source.response.status_code == 200, await source.response.aread()
        return [event async for event in source.aiter_sse()]


async def test_a_recorded_mission_is_replayed_over_http(serve: Serve, tmp_path: Path) -> None:
    now = time()
    async with running(tmp_path) as (mission, _), serve(mission.app, lifespan="off") as url:
        for n in range(30):
            mission.telemetry.history.add(Sample(now - 60 + n, {"speed": float(n)}))
        stream = f"{url}/stream/rover-telemetry"
        events = await replay_of(f"{stream}?at={now - 55}&speed=1000&fields=speed")
        samples = [json.loads(e.data)["speed"] for e in events if e.event == "message" and e.id]
        assert samples == [float(n) for n in range(5, 30)]
        assert events[-1].event == "end"
        seen = [e.id for e in events if e.event == "message" and e.id]  # `clock` has none
        resumed = await replay_of(
            f"{stream}?at={now - 55}&speed=1000&fields=speed", **{"Last-Event-ID": seen[9]}
        )
        assert [e.id for e in resumed if e.event == "message"] == [
            e.id for e in events if e.event == "message" and e.id in seen[10:]
        ]
        for query, status in [
            (f"at={now - 90}", 400),
            (f"at={now + 60}", 400),
            (f"at={now}&speed=0", 400),
            (f"at={now - 50}&speed=1001", 400),
        ]:
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"{stream}?{query}")).status_code == status
        async with httpx.AsyncClient() as client:
            refused = await client.get(f"{stream}?at={now - 50}", headers={"Last-Event-ID": "e-1"})
            assert refused.status_code == 400
        async with httpx.AsyncClient() as client:
            first = (await client.get(f"{url}/telemetry/span")).json()["first"]
        whole = await replay_of(f"{stream}?at={first}&speed=1000&fields=speed")
        samples = [json.loads(e.data)["speed"] for e in whole if e.event == "message" and e.id]
        assert samples == [float(n) for n in range(30)]  # though `first` is rounded down
        assert len(mission.serving.replay_pool) == 0


@pytest.mark.parametrize("event_at", [None, 3.0])
async def test_the_record_begins_with_what_can_be_replayed_after_old_samples_are_deleted(
    event_at: float | None,
) -> None:
    past = Past()
    past.log.put(DELETED, "yes")
    past.history = History()
    for n in range(4, 10):
        past.history.add(Sample(T + n, {"speed": n}))
    if event_at is not None:
        past.named(23, event_at, "event", name="fault")
    past.log.trim(STREAM, 22, ("alarm",))
    recording = recording_of(past.history, past.log)
    first, gap = await recording.beginning()
    if event_at is None:
        assert (first, gap) == (T + 4, None)
    else:
        assert first == T + event_at
        assert gap is not None
        assert (gap.since, gap.until) == (T + event_at, T + 4)
    assert await past.events(first, speed=1000)


async def test_the_span_begins_later_when_old_samples_are_deleted(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        running(tmp_path, keep_bytes=2**20) as (mission, device),
        serve(mission.app, lifespan="off") as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        history, noise = mission.telemetry.history, Random(1)
        with fail_after(20):
            while not mission.log.values(DELETED):
                texts = [noise.randbytes(1000).hex() for _ in range(100)]
                await publish(mission, device, *(Sample(time(), {"mode": text}) for text in texts))
        span = (await client.get("/telemetry/span")).json()
        assert span["first"] == iso(history.ends()[0])
        assert span["gaps"] == []


async def test_a_replay_shows_samples_of_wrong_clocks_when_they_arrived(
    serve: Serve, tmp_path: Path
) -> None:
    now = time()
    ahead, behind = 30 * 365.25 * 86_400, -now + 1000
    async with running(tmp_path) as (mission, _), serve(mission.app, lifespan="off") as url:
        history = mission.telemetry.history
        for n in range(30):
            at = now - 60 + n
            history.add(Sample(at - 0.2, {"speed": n}), at=at)
            history.add(Sample(at + ahead, {"ahead": n}), at=at + 0.1)
            history.add(Sample(at + behind, {"behind": n}), at=at + 0.2)
            history.add(Sample(at + (-1) ** n * 3600, {"jumping": n}), late=n % 2 == 1, at=at + 0.3)
        names = ["speed", "ahead", "behind", "jumping"]

        async def shown(at: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            stream = f"{url}/stream/rover-telemetry?at={at}&speed=1000&fields={','.join(names)}"
            events = [one for one in await replay_of(stream) if one.event == "message"]
            before = [json.loads(one.data) for one in events if not one.id]
            return before, [json.loads(one.data) for one in events if one.id]

        async with httpx.AsyncClient() as client:
            span = (await client.get(f"{url}/telemetry/span")).json()
            beyond = f"{url}/stream/rover-telemetry?at={now + 3600}"
            assert (await client.get(beyond)).status_code == 400
        assert (span["first"], span["last"] <= span["now"]) == (iso(now - 60.2), True)

        _, samples = await shown(now - 61)
        assert [(name, one[name]) for one in samples for name in names if name in one] == [
            (name, n) for n in range(30) for name in names
        ]
        assert samples[1] == {"t": iso(now - 60 + ahead), "ahead": 0}
        assert samples[7] == {"t": iso(now - 59 - 3600), "late": True, "jumping": 1}

        before, samples = await shown(now - 49.75)
        values = {name: one for one in before for name in names if name in one}
        assert {name: one[name] for name, one in values.items()} == {
            "speed": 10, "ahead": 10, "behind": 10, "jumping": 8
        }  # fmt: skip
        assert values["behind"]["t"] == iso(now - 50 + behind)
        assert samples[0]["jumping"] == 10


async def test_a_record_of_a_clock_that_was_set_back_is_replayed_in_the_future() -> None:
    history, log = History(), MemoryLog()
    for n in range(3):
        history.add(Sample(T + 3600 + n, {"speed": n}))
    recording = Recording(history, log, lambda: T)
    assert await recording.last() == T + 3602
    replay = Replay(recording, Position(T + 3601), 1000, None, has_past=False, stopping=Event())
    body = b"".join([batch.body async for batch in replay]).decode()
    assert [n for n in range(3) if f'"speed":{n}' in body] == [1, 2]
    assert replay.reached == T + 3602


async def test_events_of_a_server_whose_clock_was_set_back_are_replayed_at_their_times() -> None:
    past = Past()
    ahead = 3600.0
    for offset, after_s in enumerate([ahead, ahead + 1, ahead + 2], 31):
        past.named(offset, after_s, "event", n=offset)
    for offset, after_s in enumerate([6.0, 7.0, 8.0], 34):
        past.named(offset, after_s, "event", n=offset)

    def numbers(events: list[str]) -> list[int]:
        found = [json.loads(one.split("data: ")[1].split("\n")[0]) for one in events]
        return [one["n"] for one in found if "n" in one]

    events = await past.events(T + 6.5)
    assert numbers([one for one in events if "id: " in one]) == [35, 36]
    assert numbers([one for one in events if "id: " not in one]) == [31, 32, 33, 34]
    recording = Recording(past.history, past.log, lambda: T + 2 * ahead, is_closed=True)
    at_once = [json.loads(one.data) async for one in moments_of(recording, T + 7, None)]
    assert [one["n"] for one in at_once if "n" in one] == [35, 36, 31, 32, 33]
    newest = [one.offset async for one in newest_before(past.log, STREAM, T + ahead + 1.5, "event")]
    assert newest == [32, 31]


async def test_replays_have_a_share_for_each_client_and_end_with_a_shutdown(
    serve: Serve, tmp_path: Path
) -> None:
    now = time()
    async with (
        running(tmp_path, client_share=1 / 24) as (mission, _),
        serve(mission.app, lifespan="off") as url,
        httpx.AsyncClient(timeout=10) as client,
    ):
        for n in range(60):
            mission.telemetry.history.add(Sample(now - 60 + n, {"speed": float(n)}))
        stream = f"{url}/stream/rover-telemetry?at={now - 50}"
        async with aconnect_sse(client, "GET", stream) as source:
            events = source.aiter_sse()
            assert (await anext(events)).event != "bye"
            assert (await client.get(stream)).status_code == 503
            await mission.drain()
            with fail_after(5):
                assert [event.event async for event in events][-1] == "bye"
    assert mission.serving.replay_pool.refused == {"share": 1}
    assert len(mission.serving.replays) == 0
