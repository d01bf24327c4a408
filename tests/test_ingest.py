"""Samples over HTTP: either all samples of a body enter the stream, or none and an error."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from anyio import create_task_group

from rover.flush import Flusher
from rover.routes import ingest
from rover.settings import Settings
from rover.telemetry import Telemetry
from sources.push import PushTelemetry
from tests.one_stream import OneStream
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PATH = "/ingest/telemetry"


class Source:
    """A `Telemetry` with a source and nothing else."""

    def __init__(self, source: object) -> None:
        self.source = source


def app_of(source: object, **settings: Any) -> Starlette:
    mission = OneStream(**settings)
    mission.telemetry = cast("Telemetry", Source(source))
    return mission.app(ingest.routes(mission))


@asynccontextmanager
async def sender(serve: Serve, source: object, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with the ingest route."""
    async with (
        serve(app_of(source, **settings)) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield client


def lines(*values: object) -> str:
    return "\n".join(map(json.dumps, values))


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
    ],
)
async def test_an_object_a_list_and_json_lines_are_accepted(
    serve: Serve, body: str, media_type: str | None, count: int
) -> None:
    source = PushTelemetry()
    headers = {"Content-Type": media_type} if media_type else {}
    async with sender(serve, source) as client:
        response = await client.post(PATH, content=body, headers=headers)
    assert (response.status_code, response.json()) == (202, {"accepted": count})
    assert source.waiting == count


async def test_a_chunked_body_is_accepted(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"speed":'
        yield b" 0.1}\n{"
        yield b'"speed": 0.2}'

    source = PushTelemetry()
    async with sender(serve, source) as client:
        response = await client.post(PATH, content=chunks())
    assert response.json() == {"accepted": 2}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "empty"),
        ("speed=0.1", "Expecting value, column 1"),
        (
            lines({"a": 1}, {"a": 2}) + "\n{broken",
            "line 3: not JSON (Expecting property name enclosed in double quotes, column 2)",
        ),
        (lines({"a": 1}, 7), "line 2: expected an object, found 7"),
        (lines({"a": 1}, {"a": "x" * 300}), "line 2: it has 3"),
        ('[{"a": 1}, {"t": [' + "1," * 70 + "1]}]", "item 2: the list 't' has 71 items"),
        ('{"a": 1, "a": 2}', "the name 'a'"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
async def test_a_body_with_an_error_is_refused_completely_and_the_error_has_its_place(
    serve: Serve, body: str | bytes, detail: str
) -> None:
    source = PushTelemetry()
    async with sender(serve, source, max_sample_bytes=300) as client:
        response = await client.post(PATH, content=body)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert detail in response.json()["detail"]
    assert source.waiting == 0


async def test_a_full_inbox_refuses_the_batch_with_retry_after(serve: Serve) -> None:
    source = PushTelemetry(max_queue=3)
    async with sender(serve, source) as client:
        assert (await client.post(PATH, content=lines({"a": 1}, {"a": 2}))).status_code == 202
        response = await client.post(PATH, content=lines({"a": 3}, {"a": 4}))
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "none of the 2 samples" in response.json()["detail"]
        assert source.waiting == 2
        await anext(source.samples())
        assert (await client.post(PATH, content=lines({"a": 3}, {"a": 4}))).status_code == 202


async def test_a_body_over_the_limit_is_refused(serve: Serve) -> None:
    source = PushTelemetry(max_queue=3)
    async with sender(serve, source, max_ingest_bytes=1000) as client:
        many = await client.post(PATH, content=lines(*[{"a": 1}] * 4))
        big = await client.post(PATH, content=b" " * 1001)

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b" " * 100

        chunked = await client.post(PATH, content=chunks())
    assert [response.status_code for response in (many, big, chunked)] == [413] * 3
    assert "3 samples" in many.json()["detail"]
    assert "ROVER_MAX_INGEST_BYTES" in big.json()["detail"]
    assert source.waiting == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "image/png"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_media_type_other_than_json_is_refused(
    serve: Serve, headers: dict[str, str]
) -> None:
    async with sender(serve, PushTelemetry()) as client:
        response = await client.post(PATH, content=b"{}", headers=headers)
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]


async def test_without_a_push_source_the_error_names_the_setting(serve: Serve) -> None:
    class SerialTelemetry:
        """Any other source."""

    async with sender(serve, SerialTelemetry()) as client:
        response = await client.post(PATH, content=b'{"a": 1}')
    assert response.status_code == 409
    assert "SerialTelemetry" in response.json()["detail"]
    assert "ROVER_TELEMETRY=push:" in response.json()["detail"]


async def test_accepted_samples_reach_the_stream_in_order(serve: Serve) -> None:
    source = PushTelemetry()
    settings = Settings()
    telemetry = Telemetry(source, settings, Flusher(settings.heartbeat_s))
    async with sender(serve, source) as client, create_task_group() as tasks:
        tasks.start_soon(telemetry.run)
        accepted = 0
        for start in range(0, 100, 20):
            t = 1_790_000_000
            body = lines(*({"t": t + n, "n": n, "late": "x"} for n in range(start, start + 20)))
            accepted += (await client.post(PATH, content=body)).json()["accepted"]
        await until(lambda: len(samples_of(telemetry)) == accepted)
        tasks.cancel_scope.cancel()
    found = samples_of(telemetry)
    assert [sample["n"] for sample in found] == list(range(100))
    assert found[0] == {"t": "2026-09-21T14:13:20.000Z", "n": 0, "late_sent": "x"}


def samples_of(telemetry: Telemetry) -> list[dict[str, Any]]:
    """The samples in the topic."""
    frames = [frame.decode() for frame in telemetry.topic.retained()]
    return [json.loads(f.split("data: ", 1)[1]) for f in frames if "\nevent:" not in f]
