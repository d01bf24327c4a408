"""Telemetry from a WebSocket, over real sockets, from a server shaped like ROS's rosbridge."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import pytest
from anyio import Event, create_task_group, fail_after, sleep
from websockets.asyncio.server import Server, ServerConnection, serve

from rover.flush import Flusher
from rover.settings import Settings
from rover.supervise import State
from rover.telemetry import Telemetry
from rover.topic import Batch, Gap
from sources.base import Paced, Sample, SourceError
from sources.registry import open_source
from sources.websocket import MAX_MESSAGE_BYTES, WebSocketTelemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request, Response

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Robot:
    """A server that says what it is told to, and notes what it hears."""

    def __init__(self, *said: str | bytes) -> None:
        self.said = said
        self.heard: list[str | bytes] = []
        self.paths: list[str] = []
        self.gone = Event()

    async def answer(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        for message in self.said:
            await connection.send(message)
        try:
            async for message in connection:
                self.heard.append(message)
        finally:
            self.gone.set()


class Rosbridge(Robot):
    """Publishes what is subscribed to, in the envelope of the rosbridge protocol 2."""

    topics: ClassVar[dict[str, dict[str, Any]]] = {
        "/imu": {"header": {"stamp": {"sec": 1_790_000_000, "nanosec": 500_000_000}}}
        | {"orientation": {"x": 0.0, "y": 0.0, "z": 0.1, "w": 0.9}, "covariance": [0.1, 0.2]},
        "/battery/main": {"percentage": 0.87, "charging": False, "temperature": None},
    }

    async def answer(self, connection: ServerConnection) -> None:
        async for text in connection:
            self.heard.append(text)
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
    """A server on the loopback; gives its URL."""
    async with serve(answer, "127.0.0.1", port) as server:
        yield f"ws://127.0.0.1:{port_of(server)}"


async def some(url: str, count: int) -> list[Sample]:
    samples = open_source("telemetry", url).samples()
    with fail_after(5):
        found = [await anext(samples) for _ in range(count)]
        await samples.aclose()  # type: ignore[attr-defined] # a generator, as the contract allows
    return found


async def test_each_message_is_a_sample() -> None:
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


async def test_a_rosbridge_is_subscribed_to_and_its_envelope_taken_off() -> None:
    wanted = [{"op": "subscribe", "topic": topic} for topic in ("/imu", "/battery/main")]
    robot = Rosbridge()
    async with serving(robot.answer) as url:
        query = f"subscribe={quote(json.dumps(wanted))}&path=msg&prefix=topic"
        found = await some(f"{url}/?{query}", 4)
    assert [json.loads(message) for message in robot.heard] == wanted
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


async def test_a_subscribe_message_is_sent_as_it_is() -> None:
    robot = Robot('{"a": 1}')
    async with serving(robot.answer) as url:
        await some(f"{url}?subscribe=%5B1,%20%22join%22%5D", 1)
    assert robot.heard == ['[1, "join"]']


async def test_the_servers_own_query_stays_in_the_url_and_our_options_do_not() -> None:
    robot = Robot('{"x": {"a": 1}}')
    async with serving(robot.answer) as url:
        await some(f"{url}/feed?token=a%26b&path=x&url=u%20v", 1)
    assert robot.paths == ["/feed?token=a%26b&url=u%20v"]


async def test_a_message_that_holds_no_sample_is_counted_and_the_next_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = ("no JSON", '{"op": "status", "msg": "no such topic"}', b"\xff", '{"msg": {"a": 1}}')
    async with serving(Robot(*said).answer) as url:
        source = WebSocketTelemetry(url, path="msg")
        samples = source.samples()
        with fail_after(5):
            assert (await anext(samples)).values == {"a": 1}
    assert source.losses.count == 3
    assert "no object at 'msg', but the text 'no such topic'" in caplog.text


async def test_it_leaves_the_server_when_it_is_cancelled() -> None:
    robot = Robot('{"a": 1}')
    seen = Event()

    async def read() -> None:
        async for _ in WebSocketTelemetry(url).samples():
            seen.set()

    async with serving(robot.answer) as url:
        with fail_after(5):
            async with create_task_group() as tasks:
                tasks.start_soon(read)
                await seen.wait()
                tasks.cancel_scope.cancel()
            await robot.gone.wait()


async def test_a_server_that_goes_and_comes_back_is_followed_and_readers_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rover.supervise.FIRST_PAUSE_S", 0.01)
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    told = bytearray()

    async def read() -> None:
        with telemetry.topic.subscribe() as reader:
            async for news in reader:
                assert not isinstance(news, Gap)
                if isinstance(news, Batch):
                    told.extend(news.body)

    async with create_task_group() as tasks:
        async with serving(Robot('{"n": 1}').answer) as url:
            telemetry = Telemetry(WebSocketTelemetry(url), settings, flusher)
            for run in (flusher.run, telemetry.run, read):
                tasks.start_soon(run)
            await until(lambda: b'"n":1' in told)
        await until(lambda: telemetry.health.state is State.DOWN)
        assert "closed the connection" in telemetry.health.detail
        async with serving(Robot('{"n": 2}').answer, int(url.rpartition(":")[2])):
            await until(lambda: b'"n":2' in told)
        tasks.cancel_scope.cancel()
    assert b'"state":"down"' in told


async def until(condition: Callable[[], bool]) -> None:
    with fail_after(10):
        while not condition():
            await sleep(0.005)


async def test_a_server_that_is_not_there_is_told() -> None:
    async with serving(Robot().answer) as url:
        pass
    with pytest.raises(SourceError, match=r"ws://127\.0\.0\.1:\d+ cannot be reached .*; is it run"):
        await some(url, 1)


async def test_a_server_that_is_no_websocket_is_told() -> None:
    async def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(403, "not you")

    async with serve(Robot().answer, "127.0.0.1", process_request=refuse) as server:
        with pytest.raises(SourceError, match="answers 403 instead of a WebSocket"):
            await some(f"ws://127.0.0.1:{port_of(server)}/x", 1)


async def test_a_server_that_says_goodbye_is_told_with_its_reason() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.close(1001, "going to sleep")

    async with serving(leave) as url:
        with pytest.raises(SourceError, match=r"closed the connection .*going to sleep"):
            await some(url, 1)


async def test_a_message_without_end_is_not_read() -> None:
    async with serving(Robot('{"a": "' + "x" * MAX_MESSAGE_BYTES + '"}').answer) as url:
        with pytest.raises(SourceError, match=r"closed the connection .*1009"):
            await some(url, 1)


async def test_secrets_in_the_url_are_not_told() -> None:
    async with serving(Robot().answer) as url:
        pass
    address = url.replace("ws://", "ws://bob:hunter2@")
    with pytest.raises(SourceError) as caught:
        await some(f"{address}?token=hunter2", 1)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ws:x", "it is no URL of a WebSocket"),
        ("ws://", "it is no URL of a WebSocket"),
        ("ws://host:port/", "it is no URL of a WebSocket"),
        ("ws://host?period_s=0", "period_s=0: "),
        ("ws://host?clock=1", "clock=1: "),
    ],
)
def test_a_mistake_is_told(url: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", url)
    assert told in str(caught.value)


def test_it_is_paced_only_if_somebody_says_how() -> None:
    assert not isinstance(open_source("telemetry", "wss://host/x"), Paced)
    assert isinstance(open_source("telemetry", "wss://host/x?period_s=1"), Paced)
