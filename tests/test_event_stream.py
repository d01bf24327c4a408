"""Event streams over real sockets: what one reader does never reaches another."""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpx
import pytest
from anyio import create_task_group, fail_after, sleep
from httpx_sse import ServerSentEvent, aconnect_sse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from rover.asgi.connections import Connections
from rover.asgi.event_stream import EventStream, EventStreams
from rover.asgi.problems import Problems
from rover.asgi.query import resume_point, whole_number
from rover.flush import Flusher
from rover.settings import Settings
from rover.topic import Topic
from rover.wire import sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


class Feed:
    """One topic behind one route, as an app."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.flusher = Flusher(self.settings.heartbeat_s)
        connections = Connections(self.settings.send_timeout_s)
        self.streams = EventStreams(self.settings, connections, self.settings.max_readers)
        self.topic: Topic[str, bytes] = Topic(
            lambda event_id, text: sse(text, event_id=event_id),
            size=len,
            max_events=self.settings.telemetry_events,
            max_bytes=self.settings.telemetry_bytes,
            notify=self.flusher.mark,
        )
        self.flusher.mark(self.topic)
        self.app = Starlette(
            routes=[Route("/stream", self.respond)],
            middleware=[Middleware(Problems)],
            lifespan=self.lifespan,
        )

    async def respond(self, request: Request) -> EventStream:
        last = whole_number(request, "last", at_most=1000) or 0
        return self.streams.respond(self.topic.subscribe(resume_point(request), last=last))

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with create_task_group() as tasks:
            tasks.start_soon(self.flusher.run)
            tasks.start_soon(self.streams.run)
            yield
            tasks.cancel_scope.cancel()


async def read(url: str, count: int, **headers: str) -> list[ServerSentEvent]:
    """The first events that a client gets."""
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "GET", url, headers=headers) as source,
    ):
        assert source.response.status_code == 200
        events: list[ServerSentEvent] = []
        async for event in source.aiter_sse():
            events.append(event)
            if len(events) == count:
                break
        return events


def connect(url: str, path: str = "/stream", *, receive_bytes: int | None = None) -> socket.socket:
    """A raw reader, which reads only when told to."""
    host, port = url.removeprefix("http://").split(":")
    reader = socket.socket()
    if receive_bytes:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    reader.connect((host, int(port)))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return reader


def is_cut(reader: socket.socket) -> bool:
    """Whether the server has ended the connection; reads what is left."""
    reader.setblocking(False)
    try:
        return not reader.recv(1 << 20)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    with fail_after(seconds):
        while not condition():
            await sleep(0.005)


async def test_a_reader_resumes_by_id_without_a_hole_and_without_a_double(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url:
        for n in range(50):
            feed.topic.publish(str(n))
        first = await read(f"{url}/stream?last=50", 20)
        rest = await read(f"{url}/stream", 30, **{"Last-Event-ID": first[-1].id})
    assert [event.data for event in first + rest] == [str(n) for n in range(50)]


async def test_last_event_id_outranks_after(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url:
        ids = [feed.topic.publish(str(n)) for n in range(9)]
        [event] = await read(f"{url}/stream?after={ids[0]}", 1, **{"Last-Event-ID": str(ids[5])})
    assert event.data == "6"


async def test_what_is_no_longer_retained_is_told_as_a_gap_first(serve: Serve) -> None:
    feed = Feed(telemetry_events=10)
    async with serve(feed.app) as url:
        ids = [feed.topic.publish(str(n)) for n in range(100)]
        gap, event = await read(f"{url}/stream?after={ids[9]}", 2)
    assert gap.event == "gap"
    assert json.loads(gap.data) == {
        "after": str(ids[9]),
        "resumed": str(ids[90]),
        "lost": 80,
        "reason": "expired",
    }
    assert event.data == "90"


@pytest.mark.parametrize("bad", ["7", "abc-", "-3", "a-b", "a b-3", "x" * 100 + "-1", "a-٣"])
async def test_a_malformed_id_is_refused_with_a_reason(serve: Serve, bad: str) -> None:
    feed = Feed()
    async with serve(feed.app) as url, httpx.AsyncClient() as client:
        response = await client.get(f"{url}/stream", params={"after": bad})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert "epoch-offset" in response.json()["detail"]


@pytest.mark.parametrize("bad", ["-1", "x", "1.5", "1001", "9" * 40])
async def test_a_bad_last_is_refused_with_the_range(serve: Serve, bad: str) -> None:
    feed = Feed()
    async with serve(feed.app) as url, httpx.AsyncClient() as client:
        response = await client.get(f"{url}/stream", params={"last": bad})
    assert response.status_code == 400
    assert "from 0 to 1,000" in response.json()["detail"]


async def test_the_first_bytes_come_at_once_and_a_silent_stream_shows_life(serve: Serve) -> None:
    feed = Feed(heartbeat_s=0.1)
    async with serve(feed.app) as url, httpx.AsyncClient(timeout=5) as client:
        async with client.stream("GET", f"{url}/stream") as response:
            chunks = response.aiter_text()
            assert await anext(chunks) == ":\n\n"
            assert await anext(chunks) == ":\n\n"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["cache-control"] == "no-store"


async def test_head_has_the_headers_and_no_body(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url, httpx.AsyncClient(timeout=5) as client:
        response = await client.head(f"{url}/stream")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert not feed.streams


async def test_a_reader_that_goes_is_forgotten(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url:
        reader = connect(url)
        await until(lambda: len(feed.streams) == 1 and feed.topic.subscribers == 1)
        reader.close()
        await until(lambda: len(feed.streams) == 0 and feed.topic.subscribers == 0)


async def test_a_stalled_reader_delays_nobody_and_is_closed(serve: Serve) -> None:
    feed = Feed(send_timeout_s=1)
    async with serve(feed.app) as url:
        stalled = connect(url, receive_bytes=4096)
        await until(lambda: len(feed.streams) == 1)
        async with (
            httpx.AsyncClient(timeout=10) as client,
            aconnect_sse(client, "GET", f"{url}/stream") as source,
        ):
            await until(lambda: len(feed.streams) == 2)
            events = source.aiter_sse()
            for n in range(300):  # 6 MB: more than any buffer on the stalled reader's way
                feed.topic.publish(f"{n} " + "x" * 20_000)
                with fail_after(1):
                    assert (await anext(events)).data.startswith(f"{n} ")
            await until(lambda: len(feed.streams) == 1)
        await until(lambda: is_cut(stalled))
        stalled.close()


async def test_a_slow_reader_is_told_what_it_lost(serve: Serve) -> None:
    feed = Feed(telemetry_events=10)
    async with serve(feed.app) as url:
        slow = connect(url, receive_bytes=4096)
        await until(lambda: len(feed.streams) == 1)
        for n in range(400):
            feed.topic.publish(f"{n} " + "x" * 20_000)
            await anyio.lowlevel.checkpoint()
        with fail_after(10):
            feed.topic.close()
            data = b""
            slow.setblocking(False)
            while b"event: bye" not in data:
                try:
                    data += slow.recv(1 << 20)
                except BlockingIOError:
                    await sleep(0.005)
        slow.close()
    numbers = [int(line[6:].split()[0]) for line in data.split(b"\n") if line.startswith(b"data: ")
               and line[6:7].isdigit()]  # fmt: skip
    gaps = [
        json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b'data: {"after"')
    ]
    assert gaps
    assert {gap["reason"] for gap in gaps} == {"slow"}
    assert len(numbers) + sum(gap["lost"] for gap in gaps) == 400
    assert numbers == sorted(set(numbers))


async def test_readers_are_told_when_the_topic_ends_and_when_to_come_back(serve: Serve) -> None:
    feed = Feed(retry_ms=1000)
    async with serve(feed.app) as url, create_task_group() as tasks:
        retries: set[int] = set()

        async def follow() -> None:
            event = (await read(f"{url}/stream", 1))[0]
            assert event.event == "bye"
            retries.add(event.retry or 0)

        for _ in range(8):
            tasks.start_soon(follow)
        await until(lambda: len(feed.streams) == 8)
        feed.topic.close()
    assert len(retries) > 1  # spread, or they would all come back at once
    assert all(1000 <= retry < 5000 for retry in retries)


async def test_one_reader_too_many_is_refused(serve: Serve) -> None:
    feed = Feed(max_readers=1)
    async with serve(feed.app) as url, httpx.AsyncClient() as client:
        reader = connect(url)
        await until(lambda: len(feed.streams) == 1)
        response = await client.get(f"{url}/stream")
        reader.close()
    assert response.status_code == 503
    assert "ROVER_MAX_READERS" in response.json()["detail"]
    assert response.headers["retry-after"]


async def test_a_thousand_joins_and_leaves_leave_nothing(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url:
        for _ in range(20):
            readers = [connect(url) for _ in range(50)]
            await until(lambda: len(feed.streams) == 50)
            feed.topic.publish("x")
            for reader in readers:
                reader.close()
            await until(lambda: not feed.streams)
        assert feed.topic.subscribers == 0
