"""`GET /metrics`: what it counts, its formats, and its bounds."""

from __future__ import annotations

import re
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import sleep_forever
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from rover.asgi.event_stream import gap_event
from rover.comms import Comms
from rover.counts import Histogram
from rover.events import EventId, Gap, GapReason
from rover.metrics.collector import MAX_CHANNELS, OTHER
from rover.mission import MissionControl
from rover.settings import Settings
from rover.topic import Topic
from sources.base import Limits, Parameter, Sample, Step, Value, Verdict
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prometheus_client import Metric

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

TOKEN = "open-sesame-4f1c"  # noqa: S105 # of this test only
MONITORING = Path(__file__).parents[1] / "docs" / "monitoring.md"


class Many:
    """Yields one sample with values of every kind."""

    parameters = (
        Parameter("celsius", "°C", limits=Limits(red=(None, 40.0))),
        *(Parameter(f"n{number}") for number in range(20)),
    )

    async def samples(self) -> AsyncIterator[Sample]:
        values = {f"n{number}": number for number in range(20)}
        others: dict[str, Value] = {
            "mode": 'a "quoted"\n\\ text',
            "on": True,
            "huge": 10**400,
            "nothing": None,
        }
        place = {"lat": 18.44, "lon": 77.45}
        yield Sample(time(), {"celsius": 99.5, **others, "place": place, **values})
        await sleep_forever()


class Strict:
    """Rejects every file."""

    steps = (Step("check", "Check"),)

    async def validate(self, _: Path) -> AsyncIterator[Verdict]:
        yield Verdict(accepted=False, errors=1, warnings=0, detail="rejected")


def mission(folder: Path, **settings: object) -> MissionControl:
    return MissionControl(
        Settings(data_dir=folder, **settings),  # type: ignore[arg-type] # values of any setting
        telemetry=Many(),
        camera="none:",
        commands=Strict(),
    )


def values(text: str) -> dict[str, float]:
    """Values by name and labels as `/metrics` writes them: `rover_readers{stream="images"}`."""
    found = {}
    for family in prometheus_text(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_what_happened_is_counted(serve: Serve, tmp_path: Path) -> None:
    one = mission(tmp_path)
    async with serve(one.app) as url, httpx.AsyncClient(base_url=url) as client:
        await until(lambda: len(one.telemetry.latest) > 0)
        await client.get("/images/none")
        await client.get("/images", headers={"Host": "evil.example"})
        await client.post("/upload/rover-commands", files={"file": ("a.txt", b"0123456789")})
        async with client.stream("GET", "/stream/rover-telemetry?after=abc-1") as stream:
            async for line in stream.aiter_lines():
                if line == "event: gap":
                    break
            found = values((await client.get("/metrics")).text)
    assert found['rover_refused_requests_total{reason="UnknownImage",status="404"}'] == 1
    assert found['rover_refused_requests_total{reason="AccessRefused",status="403"}'] == 1
    assert found['rover_responses_total{status="404"}'] == 1
    assert found['rover_uploads_total{result="rejected"}'] == 1
    assert found["rover_upload_bytes_total"] == 10
    assert found['rover_gaps_total{reason="epoch",stream="telemetry"}'] == 1
    assert found['rover_readers{stream="telemetry"}'] == 1
    assert found['rover_events_total{stream="telemetry"}'] > 0
    assert found['rover_alarms_active{level="red"}'] == 1
    assert found['rover_unusable_values_total{source="telemetry"}'] == 0
    states = {key: value for key, value in found.items() if key.startswith("rover_source_state")}
    assert [key for key, value in states.items() if value and 'source="camera"' in key] == [
        'rover_source_state{source="camera",state="off"}'
    ]
    assert sum(states.values()) == 4  # one state of each source
    assert found["process_open_fds"] > 3
    assert found["rover_loop_lag_seconds_count"] >= 0


async def test_values_of_parameters_are_numbers_and_booleans_up_to_the_limit(
    serve: Serve, tmp_path: Path
) -> None:
    for limit, expected in ((0, 0), (3, 3), (1000, 22)):
        one = mission(tmp_path, metrics_parameters=limit)
        async with serve(one.app) as url, httpx.AsyncClient(base_url=url) as client:
            await until(lambda one=one: len(one.telemetry.latest) > 0)  # type: ignore[misc] # mypy cannot infer it
            found = values((await client.get("/metrics")).text)
        shown = {key: value for key, value in found.items() if "rover_parameter_value" in key}
        assert len(shown) == expected
        assert found["rover_parameters"] == 26
        assert shown.get('rover_parameter_value{parameter="on",source="telemetry"}', 1) == 1


async def test_a_stale_value_is_not_shown(tmp_path: Path) -> None:
    async with mission(tmp_path) as one:
        await until(lambda: len(one.telemetry.latest) > 0)
        shown = list(one.telemetry.live_numbers())
        assert len(shown) == 22
        one.telemetry.feeds["telemetry"].supervisor._change("down", "")  # type: ignore[arg-type] # its text
        assert list(one.telemetry.live_numbers()) == []


@pytest.mark.parametrize(
    ("accept", "is_open_metrics"),
    [
        ("", False),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1", False),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*", True),
        ("application/openmetrics-text; version=x; escaping=\xff, text/plain; version=-", True),
        ("application/openmetrics-text;version=99999999999999999999", True),
    ],
)
async def test_both_formats_are_valid_whatever_the_client_accepts(
    serve: Serve, tmp_path: Path, accept: str, *, is_open_metrics: bool
) -> None:
    one = mission(tmp_path)
    async with serve(one.app) as url, httpx.AsyncClient(base_url=url) as client:
        await until(lambda: len(one.telemetry.latest) > 0)
        response = await client.get("/metrics", headers=[(b"Accept", accept.encode("latin-1"))])
    assert response.status_code == 200
    parse = open_metrics if is_open_metrics else prometheus_text
    assert ("openmetrics" in response.headers["content-type"]) is is_open_metrics
    families: list[Metric] = list(parse(response.text))
    assert len(families) > 30
    for family in families:
        assert re.fullmatch(r"(rover|process)_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        counts = family.type == "counter"
        assert all(s.name.endswith("_total") is counts for s in family.samples) or not counts
    assert len({family.name for family in families}) == len(families)


async def test_it_needs_the_scope_view_by_a_bearer_token(serve: Serve, tmp_path: Path) -> None:
    one = mission(tmp_path, tokens=TOKEN)
    async with serve(one.app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/metrics")).status_code == 401
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        found = values((await client.get("/metrics", headers=bearer)).text)
        assert found["rover_authentication_failures_total"] == 1
        assert TOKEN not in str(found)


async def test_clients_cannot_add_label_values_without_end(tmp_path: Path) -> None:
    async with mission(tmp_path, max_channels=10) as one:
        labels = set()
        for number in range(3 * MAX_CHANNELS):
            with one.comms.join(f"channel-{number}"), one.comms.join("always"):
                for family in one.metrics.collect():
                    if family.name == "rover_channel_members":
                        labels |= {sample.labels["channel"] for sample in family.samples}
                        assert sum(sample.value for sample in family.samples) == 2
        assert len(labels) == MAX_CHANNELS + 1
        assert {"always", OTHER} < labels
        assert one.comms.channels.events == 4 * 3 * MAX_CHANNELS  # deleted channels count


async def test_an_app_with_a_registry_of_its_own_can_register_several_missions(
    tmp_path: Path,
) -> None:
    first, second = mission(tmp_path / "a"), mission(tmp_path / "b")
    async with first, second:
        first.counts.responses[200] += 1
        for one, expected in ((first, 1), (second, 0)):
            registry = CollectorRegistry()
            registry.register(one.metrics)
            text = generate_latest(registry).decode()
            assert text.count('rover_responses_total{status="200"}') == expected


async def test_gaps_of_slow_members_and_delivered_bytes_are_counted() -> None:
    topic: Topic[bytes, bytes] = Topic(
        lambda _, item: item, size=len, max_events=2, max_bytes=100, notify=lambda _: None
    )
    with topic.subscribe() as subscriber:
        for _ in range(5):
            topic.publish(b"0123456789")
        assert subscriber.lag == 5
        topic.release()
        assert topic.delivered_bytes == 0  # nobody waited: the subscriber catches up
        gap = await anext(subscriber)
        assert isinstance(gap, Gap)
        assert gap_event(gap)
    comms = Comms(Settings())
    comms.gaps.add(gap)
    comms.gaps.add(Gap(EventId("a", 1), EventId("b", 1), None, GapReason.EPOCH))
    assert comms.gaps.gaps == {GapReason.SLOW: 1, GapReason.EPOCH: 1}
    assert comms.gaps.lost == {GapReason.SLOW: 3, GapReason.EPOCH: 0}


def test_a_histogram_counts_a_value_in_the_class_that_includes_it() -> None:
    lag = Histogram([0.1, 1.0])
    for value in (0.0, 0.1, 0.2, 1.0, 7.0):
        lag.observe(value)
    assert (lag.counts, lag.total) == ([2, 2, 1], 8.3)


async def test_the_documentation_lists_all_metrics(tmp_path: Path) -> None:
    async with mission(tmp_path, log="sqlite:") as one:
        families = list(one.metrics.collect())
    rows = [
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} "
        f"| {family.documentation} |"
        for family in families
    ]
    assert "\n".join(rows) in MONITORING.read_text(encoding="utf-8")
