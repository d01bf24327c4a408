"""Event streams over real sockets: resuming, gaps, heartbeats, stalled clients and limits."""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpx
import pytest
from anyio import create_task_group, fail_after, to_thread
from httpx_sse import ServerSentEvent, aconnect_sse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from rover.asgi.connections import Connections
from rover.asgi.event_stream import EventStream, EventStreams
from rover.asgi.problems import Problems
from rover.asgi.query import RESUME_POINT, WholeNumber
from rover.errors import AccessEnded
from rover.flush import Flusher
from rover.identity import EVERYONE, IDENTITY
from rover.settings import Settings
from rover.shares import Pool
from rover.tokens.grants import Grants
from rover.topic import Topic
from rover.wire import sse
from tests.slow_client import read_slowly, slow_socket
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

LAST = WholeNumber(name="last", summary="", at_most=1000, default=0)


class Feed:
    """An app of one topic with one route. The access of its clients ends with `ended`."""

    def __init__(self, **settings: Any) -> None:
        self.ended: AccessEnded | None = None
        self.grants = Grants(lambda _: self.ended)
        self.settings = Settings(**settings)
        self.flusher = Flusher(self.settings.heartbeat_s)
        connections = Connections(self.settings.send_timeout_s, grants=self.grants)
        pool = Pool("readers", "ROVER_MAX_READERS", self.settings.max_readers)
        self.streams = EventStreams(self.settings, connections, pool)
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
        request.scope[IDENTITY] = EVERYONE
        topic = self.topic.subscribe(RESUME_POINT.of(request), last=LAST.of(request))
        return self.streams.respond(topic)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with create_task_group() as tasks:
            tasks.start_soon(self.flusher.run)
            tasks.start_soon(self.streams.run)
            yield
            tasks.cancel_scope.cancel()


def opaque(app: ASGIApp) -> ASGIApp:
    """The app behind middleware that wraps `send`, as compression does."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_message(message: Message) -> None:
            await send(message)

        await app(scope, receive, send_message)

    return wrapped


@pytest.fixture(params=["written", "sent"])
def serve_both(request: pytest.FixtureRequest, serve: Serve) -> Serve:
    """Serves an app so that the topic writes to the connections, and so that it cannot."""
    return serve if request.param == "written" else lambda app: serve(opaque(app))


async def read(url: str, count: int, **headers: str) -> list[ServerSentEvent]:
    """The first `count` events of a client."""
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
    """A client's socket. It reads only when the test reads it."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.socket()
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.connect((host, int(port)))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return client


def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed the connection. Reads the remaining data."""
    client.setblocking(False)
    try:
        return not client.recv(1 << 20)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def test_a_client_that_resumes_receives_each_event_once(serve_both: Serve) -> None:
    feed = Feed()
    async with serve_both(feed.app) as url:
        for n in range(50):
            feed.topic.publish(str(n))
        first = await read(f"{url}/stream?last=50", 20)
        rest = await read(f"{url}/stream", 30, **{"Last-Event-ID": first[-1].id})
    assert [event.data for event in first + rest] == [str(n) for n in range(50)]


async def test_last_event_id_takes_precedence_over_after(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url:
        ids = [feed.topic.publish(str(n)) for n in range(9)]
        [event] = await read(f"{url}/stream?after={ids[0]}", 1, **{"Last-Event-ID": str(ids[5])})
    assert event.data == "6"


async def test_expired_events_are_a_gap(serve_both: Serve) -> None:
    feed = Feed(telemetry_events=10)
    async with serve_both(feed.app) as url:
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
    assert "at least 0 and at most 1,000" in response.json()["detail"]


async def test_the_first_bytes_come_at_once_and_a_silent_stream_has_heartbeats(
    serve_both: Serve,
) -> None:
    feed = Feed(heartbeat_s=0.1)
    async with serve_both(feed.app) as url, httpx.AsyncClient(timeout=5) as client:
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


async def test_a_client_that_disconnects_is_removed(serve_both: Serve) -> None:
    feed = Feed()
    async with serve_both(feed.app) as url:
        client = connect(url)
        await until(lambda: len(feed.streams) == 1 and feed.topic.subscribers == 1)
        client.close()
        await until(lambda: len(feed.streams) == 0 and feed.topic.subscribers == 0)


async def test_a_stalled_client_is_aborted_and_delays_no_other_client(serve_both: Serve) -> None:
    feed = Feed(send_timeout_s=1)
    async with serve_both(feed.app) as url:
        stalled = connect(url, receive_bytes=4096)
        await until(lambda: len(feed.streams) == 1)
        async with (
            httpx.AsyncClient(timeout=10) as client,
            aconnect_sse(client, "GET", f"{url}/stream") as source,
        ):
            await until(lambda: len(feed.streams) == 2)
            events = source.aiter_sse()
            for n in range(300):  # 6 MB: more than all buffers of the stalled client
                feed.topic.publish(f"{n} " + "x" * 20_000)
                with fail_after(10):
                    assert (await anext(events)).data.startswith(f"{n} ")
            await until(lambda: len(feed.streams) == 1)
        await until(lambda: is_closed(stalled))
        stalled.close()


async def test_a_client_that_reads_slowly_is_not_aborted(serve_both: Serve) -> None:
    feed = Feed(send_timeout_s=1)
    async with serve_both(feed.app) as url:
        slow = slow_socket(url, 16_384)
        slow.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(feed.streams) == 1)
        (stream,) = feed.streams.open
        while stream.sending_since == inf:
            feed.topic.publish("x" * 100_000)
            feed.topic.release()
            await anyio.lowlevel.checkpoint()
        first = stream.backlog.unsent_bytes
        await read_slowly(slow, 4, 50_000)
        assert stream.sending_since < inf  # one send, longer than the timeout
        assert first > stream.backlog.unsent_bytes > 0
        assert len(feed.streams) == 1
        slow.close()


async def test_the_end_of_access_ends_streams_also_of_stalled_clients(serve_both: Serve) -> None:
    feed = Feed()
    async with serve_both(feed.app) as url, httpx.AsyncClient(timeout=10) as client:
        stalled = connect(url, receive_bytes=4096)
        async with aconnect_sse(client, "GET", f"{url}/stream") as source:
            await until(lambda: len(feed.streams) == 2)
            events = source.aiter_sse()
            while all(stream.sending_since == inf for stream in feed.streams.open):
                feed.topic.publish("x" * 100_000)
                await anext(events)
            feed.ended = AccessEnded("expired")
            feed.grants.end_due()
            with fail_after(20):
                last = [event async for event in events][-1]
                await until(lambda: len(feed.streams) == 0)
        assert (last.event, last.json()["reason"]) == ("bye", "expired")
        assert (await client.get(f"{url}/stream")).status_code == 401
        await until(lambda: is_closed(stalled))
        stalled.close()


async def test_a_slow_client_receives_gaps_that_count_the_lost_events(serve_both: Serve) -> None:
    feed = Feed(telemetry_events=10)
    async with serve_both(feed.app) as url:
        slow = connect(url, receive_bytes=4096)
        await until(lambda: len(feed.streams) == 1)
        for n in range(400):
            feed.topic.publish(f"{n} " + "x" * 20_000)
            await anyio.lowlevel.checkpoint()
        feed.topic.close()
        data = b""
        slow.settimeout(10)
        while b"event: bye" not in data:
            data += await to_thread.run_sync(slow.recv, 1 << 20)
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


async def test_a_closed_topic_sends_bye_with_different_retry_times(serve_both: Serve) -> None:
    feed = Feed(retry_ms=1000)
    async with serve_both(feed.app) as url, create_task_group() as tasks:
        retries: set[int] = set()

        async def follow() -> None:
            event = (await read(f"{url}/stream", 1))[0]
            assert event.event == "bye"
            retries.add(event.retry or 0)

        for _ in range(8):
            tasks.start_soon(follow)
        await until(lambda: len(feed.streams) == 8)
        feed.topic.close()
    assert len(retries) > 1  # spread, so that clients do not reconnect all at once
    assert all(1000 <= retry < 5000 for retry in retries)


async def test_a_client_over_the_limit_is_refused(serve: Serve) -> None:
    feed = Feed(max_readers=1)
    async with serve(feed.app) as url, httpx.AsyncClient() as client:
        other = connect(url)
        await until(lambda: len(feed.streams) == 1)
        response = await client.get(f"{url}/stream")
        other.close()
    assert response.status_code == 503
    assert "ROVER_MAX_READERS" in response.json()["detail"]
    assert response.headers["retry-after"]


async def test_a_thousand_clients_that_disconnect_leave_no_subscriber(serve: Serve) -> None:
    feed = Feed()
    async with serve(feed.app) as url:
        for _ in range(20):
            clients = [connect(url) for _ in range(50)]
            await until(lambda: len(feed.streams) == 50)
            feed.topic.publish("x")
            for client in clients:
                client.close()
            await until(lambda: not feed.streams)
        assert feed.topic.subscribers == 0
