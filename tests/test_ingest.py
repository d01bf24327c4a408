"""Samples over HTTP: either every sample of a body enters the stream, or the body is refused."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import fail_after, sleep_forever

from rover.routes import ingest
from rover.telemetry import Telemetry
from rover.telemetry.events import SampleEvent
from rover.topic import Batch
from sources.base import Sample
from sources.push import PushTelemetry
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sources.base import Parameter, TelemetrySource
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PATH = "/ingest/telemetry"

T = 1_790_000_000


@asynccontextmanager
async def client_of(
    serve: Serve, telemetry_source: TelemetrySource, *, run: bool = False, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Telemetry]]:
    """A client of a server that accepts samples.

    Args:
        serve: the fixture.
        telemetry_source: the mission's.
        run: whether telemetry reads the source; if not, accepted samples remain in it.
        settings: the mission's.
    """
    mission = OneStream(**settings)
    mission.telemetry = Telemetry(telemetry_source, mission.settings, mission.serving.flusher)
    app = mission.app(ingest.routes(mission), *([mission.telemetry.run] if run else []))
    async with (
        serve(app) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield client, mission.telemetry


def lines(*values: object) -> str:
    return "\n".join(map(json.dumps, values))


async def test_the_device_of_a_body_starts_the_names_of_its_values(serve: Serve) -> None:
    source = PushTelemetry()
    async with client_of(serve, source) as (client, _):
        for device in ("esp/1", "esp,1", "esp 1"):
            body = lines({"t": T, "temperature": 21}, {"t": T, "at": {"x": 1, "y": 2}})
            await client.post(PATH, params={"device": device}, content=body)
    found = [name for sample in source._queue for name in sample.values]
    assert found == [
        *("esp/1.temperature", "esp/1.at"),
        *("esp 1.temperature", "esp 1.at"),
        *("esp 1.temperature_2", "esp 1.at_2"),
    ]


@pytest.mark.parametrize(
    ("body", "media_type", "count"),
    [
        ('{"speed": 0.1}', "application/json", 1),
        ('[{"speed": 0.1}, {"speed": 0.2}]', "application/json; charset=utf-8", 2),
        (lines({"speed": 0.1}, {"speed": 0.2}, {"speed": 0.3}), "application/x-ndjson", 3),
        ('{"speed": 0.1}', "application/x-www-form-urlencoded", 1),
        ('{"speed": 0.1}', "application/senml+json", 1),
        ('{"speed": 0.1}', None, 1),
        (lines(*[{"speed": 0.1, "pad": "x" * 100}] * 1000), "application/jsonl", 1000),
        ("weather,station=dock temp=21.5\n", "text/plain; charset=utf-8", 1),
        ("# telegraf\nm f=1i\nm f=2i\n", "application/x-www-form-urlencoded", 2),
        ("\n".join(["m f=1"] * 5000), None, 5000),
        (' \n{"speed": 0.1}', "text/plain", 1),
    ],
)
async def test_an_object_a_list_and_json_lines_are_accepted(
    serve: Serve, body: str, media_type: str | None, count: int
) -> None:
    source = PushTelemetry()
    headers = {"Content-Type": media_type} if media_type else {}
    async with client_of(serve, source) as (client, _):
        response = await client.post(PATH, content=body, headers=headers)
    assert (response.status_code, response.json()) == (202, {"accepted": count})
    assert source.waiting == count


async def test_a_chunked_body_is_accepted(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"speed":'
        yield b" 0.1}\n{"
        yield b'"speed": 0.2}'

    source = PushTelemetry()
    async with client_of(serve, source) as (client, _):
        response = await client.post(PATH, content=chunks())
    assert response.json() == {"accepted": 2}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("", ""),
        ("speed=0.1", "line 1: "),
        ("m f=1\n# comment\n\nm f=", "line 4: "),
        ("m f=1 1790000000", "line 1: "),
        ('m f=1\nm f="' + "x" * 300 + '"', "line 2: "),
        (lines({"a": 1}, {"a": 2}) + "\n{broken", "line 3: "),
        (lines({"a": 1}, 7), "line 2: "),
        (lines({"a": 1}, {"a": "x" * 300}), "line 2: "),
        ('{"a": 1, "a": 2}', "'a'"),
        (b"\xff\xfe", ""),
    ],
    ids=[
        "empty",
        "neither JSON nor line protocol",
        "no value",
        "wrong precision",
        "large point",
        "truncated line",
        "not an object",
        "too large",
        "duplicate name",
        "not UTF-8",
    ],
)
async def test_a_body_with_a_mistake_is_refused_and_the_detail_names_its_place(
    serve: Serve, body: str | bytes, place: str
) -> None:
    source = PushTelemetry()
    async with client_of(serve, source, max_sample_bytes=300) as (client, _):
        response = await client.post(PATH, content=body)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert place in response.json()["detail"]
    assert source.waiting == 0


async def test_a_batch_that_does_not_fit_in_the_queue_is_refused_until_there_is_room(
    serve: Serve,
) -> None:
    source = PushTelemetry(max_queue=3)
    async with client_of(serve, source) as (client, _):
        assert (await client.post(PATH, content=lines({"a": 1}, {"a": 2}))).status_code == 202
        response = await client.post(PATH, content=lines({"a": 3}, {"a": 4}))
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert source.waiting == 2
        await anext(source.samples())
        assert (await client.post(PATH, content=lines({"a": 3}, {"a": 4}))).status_code == 202


async def test_a_batch_above_the_limits_gets_413_and_the_setting(serve: Serve) -> None:
    source = PushTelemetry(max_queue=3)
    async with client_of(serve, source, max_ingest_bytes=1000) as (client, _):
        many = await client.post(PATH, content=lines(*[{"a": 1}] * 4))
        large = await client.post(PATH, content=b" " * 1001)

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b" " * 100

        chunked = await client.post(PATH, content=chunks())
    assert [response.status_code for response in (many, large, chunked)] == [413] * 3
    assert "max_queue" in many.json()["detail"]
    for response in (large, chunked):
        assert "1,000 bytes" in response.json()["detail"]
        assert "ROVER_MAX_INGEST_BYTES" in response.json()["detail"]
    assert source.waiting == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "image/png"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_of_another_media_type_or_compressed_gets_415(
    serve: Serve, headers: dict[str, str]
) -> None:
    async with client_of(serve, PushTelemetry()) as (client, _):
        response = await client.post(PATH, content=b"{}", headers=headers)
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]


async def test_line_protocol_has_its_precision_and_tags_in_the_query(serve: Serve) -> None:
    body = "cpu,cpu=cpu0,host=rover usage=3.5 1790000000500"
    source = PushTelemetry()
    async with client_of(serve, source) as (client, _):
        response = await client.post(f"{PATH}?precision=ms&tags=cpu", content=body)
        assert response.status_code == 202
        refused = await client.post(f"{PATH}?precision=minutes", content=body)
        assert refused.status_code == 400
    sample = await anext(source.samples())
    assert (sample.t, sample.values) == (T + 0.5, {"cpu.cpu0.usage": 3.5})


async def test_clients_of_influxdb_2_write_to_its_path(serve: Serve) -> None:
    source = PushTelemetry()
    async with client_of(serve, source) as (client, _):
        response = await client.post(
            "/api/v2/write",
            params={"org": "lab", "bucket": "rover", "precision": "ms"},
            content="weather,station=dock temp=21.5 1790000000500",
            headers={"Content-Type": "text/plain; charset=utf-8"},
        )
        assert (response.status_code, response.content) == (204, b"")
        refused = await client.post("/api/v2/write", content="weather temp=")
        assert refused.status_code == 400
    sample = await anext(source.samples())
    assert (sample.t, sample.values) == (T + 0.5, {"weather.dock.temp": 21.5})


async def test_a_body_of_a_json_type_is_never_line_protocol(serve: Serve) -> None:
    source = PushTelemetry()
    async with client_of(serve, source) as (client, _):
        headers = {"Content-Type": "application/json"}
        response = await client.post(PATH, content="m f=1", headers=headers)
    assert response.status_code == 400
    assert source.waiting == 0


async def test_without_a_push_source_the_response_is_409_and_names_the_setting(
    serve: Serve,
) -> None:
    class SerialTelemetry:
        parameters: Sequence[Parameter] = ()

        async def samples(self) -> AsyncIterator[Sample]:
            await sleep_forever()
            yield Sample(T, {})

    async with client_of(serve, SerialTelemetry()) as (client, _):
        response = await client.post(PATH, content=b'{"a": 1}')
    assert response.status_code == 409
    assert "SerialTelemetry" in response.json()["detail"]
    assert "ROVER_TELEMETRY=push:" in response.json()["detail"]


async def test_accepted_samples_enter_the_stream_in_order(serve: Serve) -> None:
    accepted = 0
    published: list[Sample] = []
    async with client_of(serve, PushTelemetry(), run=True) as (client, telemetry):
        for start in range(0, 100, 20):
            numbers = range(start, start + 20)
            body = lines(*({"t": T + n, "n": n, "late": "x"} for n in numbers))
            accepted += (await client.post(PATH, content=body)).json()["accepted"]
        with telemetry.topic.subscribe(last=1000) as subscriber, fail_after(5):
            while len(published) < accepted:
                news = await anext(subscriber)
                if isinstance(news, Batch):
                    published += [e.sample for e in news.items if isinstance(e, SampleEvent)]
    assert [sample.values["n"] for sample in published] == list(range(100))
    assert published[0] == Sample(T, {"n": 0, "late_sent": "x"})
