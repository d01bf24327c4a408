"""Telemetry from a WebSocket, over real sockets, from a server like ROS's rosbridge."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import pytest
from anyio import Event, create_task_group, fail_after
from websockets.asyncio.server import Server, ServerConnection, serve

from rover.flush import Flusher
from rover.settings import Settings
from rover.supervise import State
from rover.telemetry import Telemetry
from rover.topic import Batch, Gap
from sources.base import Paced, Sample, SourceError
from sources.registry import open_source
from sources.websocket import MAX_MESSAGE_BYTES, WebSocketTelemetry
from tests.recorder import Recorder
from tests.samples import next_sample
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request, Response

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Robot:
    """A server that sends some messages, and records paths and messages that it receives."""

    def __init__(self, *messages: str | bytes) -> None:
        self.messages = messages
        self.received: list[str | bytes] = []
        self.paths: list[str] = []
        self.closed = Event()

    async def answer(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        for message in self.messages:
            await connection.send(message)
        try:
            async for message in connection:
                self.received.append(message)
        finally:
            self.closed.set()


class Rosbridge(Robot):
    """Publishes the subscribed topics, in the envelope of the rosbridge protocol 2."""

    topics: ClassVar[dict[str, dict[str, Any]]] = {
        "/imu": {"header": {"stamp": {"sec": 1_790_000_000, "nanosec": 500_000_000}}}
        | {"orientation": {"x": 0.0, "y": 0.0, "z": 0.1, "w": 0.9}, "covariance": [0.1, 0.2]},
        "/battery/main": {"percentage": 0.87, "charging": False, "temperature": None},
    }

    async def answer(self, connection: ServerConnection) -> None:
        async for text in connection:
            self.received.append(text)
            request = json.loads(text)
            topic = request["topic"]
            if request["op"] != "subscribe" or topic not in self.topics:
                message: dict[str, Any] = {"op": "status", "level": "error", "msg": f"no {topic}"}
            else:
                message = {"op": "publish", "topic": topic, "msg": self.topics[topic]}
            for _ in range(2):
                await connection.send(json.dumps(message))


def port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


@asynccontextmanager
async def serving(
    answer: Callable[[ServerConnection], Awaitable[None]], port: int = 0
) -> AsyncIterator[str]:
    """A server on the loopback; yields its URL."""
    async with serve(answer, "127.0.0.1", port) as server:
        yield f"ws://127.0.0.1:{port_of(server)}"


async def some(url: str, count: int) -> list[Sample]:
    samples = open_source("telemetry", url).samples()
    with fail_after(5):
        found = [await next_sample(samples) for _ in range(count)]
        await samples.aclose()  # type: ignore[attr-defined] # a generator, as the contract allows
    return found


async def test_each_object_in_a_message_is_a_sample() -> None:
    async with serving(
        Robot('{"speed": 0.1}', b'{"speed": 0.2}', '[{"a": 1}, {"a": 2}]').answer
    ) as url:
        found = await some(url, 4)
    assert [sample.values for sample in found] == [
        {"speed": 0.1},
        {"speed": 0.2},
        {"a": 1},
        {"a": 2},
    ]


async def test_the_messages_of_a_rosbridge_are_read_without_their_envelope() -> None:
    wanted = [{"op": "subscribe", "topic": topic} for topic in ("/imu", "/battery/main")]
    robot = Rosbridge()
    async with serving(robot.answer) as url:
        query = f"subscribe={quote(json.dumps(wanted))}&path=msg&prefix=topic"
        found = await some(f"{url}/?{query}", 4)
    assert [json.loads(message) for message in robot.received] == wanted
    assert (
        found[0]
        == found[1]
        == Sample(
            1_790_000_000.5,
            {
                "imu.orientation": {"x": 0.0, "y": 0.0, "z": 0.1, "w": 0.9},
                "imu.covariance.0": 0.1,
                "imu.covariance.1": 0.2,
            },
        )
    )
    assert found[2].values == {
        "battery.main.percentage": 0.87,
        "battery.main.charging": False,
        "battery.main.temperature": None,
    }


async def test_a_subscribe_message_is_sent_unchanged() -> None:
    robot = Robot('{"a": 1}')
    async with serving(robot.answer) as url:
        await some(f"{url}?subscribe=%5B1,%20%22join%22%5D", 1)
    assert robot.received == ['[1, "join"]']


async def test_only_the_servers_own_query_is_sent() -> None:
    robot = Robot('{"x": {"a": 1}}')
    async with serving(robot.answer) as url:
        await some(f"{url}/feed?token=a%26b&path=x&url=u%20v", 1)
    assert robot.paths == ["/feed?token=a%26b&url=u%20v"]


async def test_a_message_without_a_sample_is_counted_and_the_next_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages = ("text", '{"op": "status", "msg": "no such topic"}', b"\xff", '{"msg": {"a": 1}}')
    async with serving(Robot(*messages).answer) as url:
        source = WebSocketTelemetry(url, path="msg")
        samples = source.samples()
        with fail_after(5):
            assert (await anext(samples)).values == {"a": 1}
    assert source.losses.count == 3
    assert "'no such topic'" in caplog.text


async def test_cancelling_the_reader_closes_the_connection() -> None:
    robot = Robot('{"a": 1}')
    found: Recorder[Sample] = Recorder()

    async def read() -> None:
        async for sample in WebSocketTelemetry(url).samples():
            found.append(sample)

    async with serving(robot.answer) as url:
        async with create_task_group() as tasks:
            tasks.start_soon(read)
            await found.until(lambda found: len(found) > 0)
            tasks.cancel_scope.cancel()
        with fail_after(5):
            await robot.closed.wait()


async def test_streams_stay_open_while_the_server_restarts() -> None:
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    published: Recorder[bytes] = Recorder()

    async def read() -> None:
        with telemetry.topic.subscribe() as reader:
            async for news in reader:
                assert not isinstance(news, Gap)
                if isinstance(news, Batch):
                    published.append(news.body)

    def holds(fragment: bytes) -> Callable[[Recorder[bytes]], bool]:
        return lambda bodies: any(fragment in body for body in bodies)

    async with create_task_group() as tasks:
        async with serving(Robot('{"n": 1}').answer) as url:
            telemetry = Telemetry(WebSocketTelemetry(url), settings, flusher)
            for run in (flusher.run, telemetry.run, read):
                tasks.start_soon(run)
            await published.until(holds(b'"n":1'))
        await published.until(holds(b'"state":"down"'))
        assert telemetry.health.state is State.DOWN
        assert url in telemetry.health.detail
        async with serving(Robot('{"n": 2}').answer, int(url.rpartition(":")[2])):
            await published.until(holds(b'"n":2'))
        tasks.cancel_scope.cancel()


async def test_a_source_of_which_no_message_can_be_read_is_degraded() -> None:
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    async with serving(Robot("text").answer) as url, create_task_group() as tasks:
        telemetry = Telemetry(WebSocketTelemetry(url), settings, flusher)
        tasks.start_soon(telemetry.run)
        await until(lambda: telemetry.health.state is State.DEGRADED)
        assert "not JSON" in telemetry.health.detail
        tasks.cancel_scope.cancel()


async def test_a_server_that_does_not_answer_is_an_error_with_its_url() -> None:
    async with serving(Robot().answer) as url:
        pass
    with pytest.raises(SourceError, match=url):
        await some(url, 1)


async def test_another_http_status_is_an_error_with_that_status() -> None:
    async def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(403, "not you")

    async with serve(Robot().answer, "127.0.0.1", process_request=refuse) as server:
        with pytest.raises(SourceError, match="403"):
            await some(f"ws://127.0.0.1:{port_of(server)}/x", 1)


async def test_a_close_by_the_server_is_an_error_with_its_reason() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(1001, "going to sleep")

    async with serving(close) as url:
        with pytest.raises(SourceError, match="going to sleep"):
            await some(url, 1)


async def test_a_message_over_the_limit_closes_the_connection() -> None:
    async with serving(Robot('{"a": "' + "x" * MAX_MESSAGE_BYTES + '"}').answer) as url:
        with pytest.raises(SourceError, match="1009"):
            await some(url, 1)


async def test_secrets_in_the_url_are_not_in_errors() -> None:
    async with serving(Robot().answer) as url:
        pass
    address = url.replace("ws://", "ws://bob:hunter2@")
    with pytest.raises(SourceError) as caught:
        await some(f"{address}?token=hunter2", 1)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("ws:x", "ws://host:port/path"),
        ("ws://", "ws://host:port/path"),
        ("ws://host:port/", "ws://host:port/path"),
        ("ws://host?period_s=0", "period_s=0: "),
        ("ws://host?clock=1", "clock=1: "),
    ],
)
def test_an_invalid_url_or_option_is_refused(url: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", url)
    assert fact in str(caught.value)


def test_it_is_paced_only_with_a_period() -> None:
    assert not isinstance(open_source("telemetry", "wss://host/x"), Paced)
    assert isinstance(open_source("telemetry", "wss://host/x?period_s=1"), Paced)
