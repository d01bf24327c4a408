"""Telemetry and images of a ROS robot, from a server that behaves as rosbridge."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group

from sources.base import Sample, SourceError, UnknownImage
from sources.registry import open_source
from sources.websocket import RosbridgeCamera, WebSocketTelemetry
from sources.websocket.camera import MAX_INLINE_BYTES
from tests.recorder import Recorder
from tests.rosbridge import Rosbridge, compressed_image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

TOPIC = "/camera/image_raw/compressed"
STAMP = {"sec": 1_790_000_000, "nanosec": 500_000_000}
FIX = {
    "header": {"stamp": STAMP, "frame_id": "gps"},
    "status": {"status": 0, "service": 1},
    "latitude": 18.44,
    "longitude": 77.45,
    "altitude": -2560.5,
}


TWO_TOPICS = '[{"op": "subscribe", "topic": "/a"}, {"op": "subscribe", "topic": "/b"}]'


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@asynccontextmanager
async def followed(iterator: AsyncIterator[Any]) -> AsyncIterator[Recorder[Any]]:
    """Read the iterator during the block; yields its items as they arrive."""
    found: Recorder[Any] = Recorder()

    async def read() -> None:
        async for item in iterator:
            found.append(item)

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        yield found
        tasks.cancel_scope.cancel()


async def test_names_start_with_the_topic_if_there_are_several() -> None:
    robot = Rosbridge("/gps/fix", "/arm/temperature")
    async with robot.serving() as url:
        source = open_source("telemetry", f"{url}?topics=/gps/fix,/arm/temperature&throttle_ms=50")
        async with followed(source.samples()) as found:
            await robot.subscribed("/arm/temperature")
            await robot.publish("/gps/fix", FIX)
            await robot.publish("/arm/temperature", {"temperature": 41.5, "variance": 0})
            await found.until(lambda found: len(found) == 2)
    assert found[0] == Sample(
        1_790_000_000.5,
        {"gps.fix.location": {"lat": 18.44, "lon": 77.45, "alt": -2560.5}, "gps.fix.fix": 0},
    )
    assert found[1].values == {"arm.temperature.temperature": 41.5, "arm.temperature.variance": 0}
    assert [request["throttle_rate"] for request in robot.requests] == [50, 50]


@pytest.mark.parametrize(
    "query",
    ["topics=/joints", 'subscribe={"op": "subscribe", "topic": "/joints", "type": "x"}'],
    ids=["topics", "subscribe"],
)
async def test_the_names_of_a_single_topic_do_not_start_with_it(query: str) -> None:
    robot = Rosbridge("/joints")
    async with robot.serving() as url:
        source = open_source("telemetry", f"{url}?{query}")
        async with followed(source.samples()) as found:
            await robot.subscribed("/joints")
            await robot.publish("/joints", {"name": ["elbow"], "position": [0.5], "velocity": []})
            await found.until(lambda found: len(found) == 1)
    assert found[0].values == {"joint.elbow.position": 0.5}


async def test_a_topic_that_is_advertised_later_is_subscribed_again() -> None:
    robot = Rosbridge("/here")
    async with robot.serving() as url:
        source = WebSocketTelemetry(url, "/here,/later", retry_s=0.05)
        async with followed(source.samples()) as found:
            await robot.requested(4)  # two of them again and again
            await robot.publish("/here", {"data": 1})
            robot.advertise("/later")
            await robot.subscribed("/later")
            await robot.publish("/later", {"data": 2})
            await found.until(lambda found: len(found) == 2)
    assert [sample.values for sample in found] == [{"here.data": 1}, {"later.data": 2}]
    assert {request["topic"] for request in robot.requests[2:]} == {"/later"}
    assert source.losses.count >= 2


@asynccontextmanager
async def camera(**options: Any) -> AsyncIterator[tuple[Rosbridge, RosbridgeCamera, Recorder[str]]]:
    """A camera that is subscribed to a robot, and the ids of its images as they arrive."""
    robot = Rosbridge(TOPIC)
    async with (
        robot.serving() as url,
        RosbridgeCamera(url, TOPIC, **options) as made,
        followed(made.new()) as found,
    ):
        await robot.subscribed(TOPIC)
        yield robot, made, found


async def read(source: RosbridgeCamera, image_id: str, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in source.open(image_id, start)])


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
async def test_a_compressed_image_becomes_an_image(form: str) -> None:
    message = compressed_image(form, sec=1_790_000_000, nanosec=250_000_000)
    data = b64decode(message["data"])
    async with camera() as (robot, source, found):
        await robot.publish(TOPIC, message)
        await found.until(lambda found: len(found) == 1)
        [image] = await source.images()
        assert image == await source.image(found[0])
        assert found == [f"20260921T141320.250000Z.{'jpg' if form == 'JPEG' else 'png'}"]
        assert (image.taken_at, image.size, image.complete) == (1_790_000_000.25, len(data), True)
        assert (image.width, image.height) == (64, 48)
        assert image.content_type == f"image/{form.lower()}"
        assert image.metadata["frame"] == "mast"
        assert await read(source, image.id) == data
        assert await read(source, image.id, 100) == data[100:]
        assert robot.requests[0]["queue_length"] == 1


async def test_only_the_newest_images_are_held() -> None:
    async with camera(keep=3) as (robot, source, found):
        for n in range(5):
            await robot.publish(TOPIC, compressed_image(shade=n, sec=1_790_000_000 + n))
            await found.until(lambda found: len(found) > n)  # noqa: B023 # called in this turn
        assert [image.id for image in await source.images()] == list(reversed(found[2:]))
        assert await source.image(found[0]) is None
        with pytest.raises(UnknownImage):
            await read(source, found[0])


async def test_the_memory_of_all_images_is_limited() -> None:
    large = {"form": "PNG", "size": (512, 512)}  # 0.7 MiB of noise
    async with camera(memory_mib=1) as (robot, source, found):
        for n in range(3):
            message = compressed_image(**large, shade=n, sec=1_790_000_000 + n)  # type: ignore[arg-type]
            assert len(message["data"]) > MAX_INLINE_BYTES
            await robot.publish(TOPIC, message)
        await found.until(lambda found: len(found) == 3)
        images = await source.images()
        assert sum(image.size or 0 for image in images) <= 2**20
        assert images[0].id == found[-1]


async def test_two_images_of_one_time_have_two_ids_and_a_repeated_image_has_one() -> None:
    messages = [compressed_image(shade=n, sec=1_790_000_000) for n in range(2)]
    async with camera() as (robot, source, found):
        for message in (messages[0], messages[0], messages[1]):
            await robot.publish(TOPIC, message)
        await found.until(lambda found: len(found) == 2)
        assert len(await source.images()) == len(set(found)) == 2


async def test_an_image_without_a_time_has_that_of_its_arrival_in_its_id() -> None:
    async with camera(clock=lambda: 1_790_000_000.0) as (robot, source, found):
        await robot.publish(TOPIC, compressed_image())
        await found.until(lambda found: len(found) == 1)
        [image] = await source.images()
        assert (image.id, image.taken_at) == ("20260921T141320.000000Z.jpg", None)


@pytest.mark.parametrize(
    "message",
    [
        {"op": "publish", "topic": TOPIC, "msg": {"format": "jpeg", "data": "§"}},
        {"op": "publish", "topic": TOPIC, "msg": {"format": "jpeg", "data": "aGVsbG8="}},
        {"op": "publish", "topic": TOPIC, "msg": {"format": "jpeg"}},
        {"op": "publish", "topic": TOPIC, "msg": compressed_image() | {"data": "/9j/4AAQ"}},
        {"op": "status", "level": "warning", "msg": "slow"},
        ["x"],
    ],
    ids=["not base64", "no image", "no data", "truncated", "warning", "list"],
)
async def test_a_message_without_a_whole_image_is_counted(message: Any) -> None:
    async with camera() as (robot, source, found):
        await robot.send(TOPIC, json.dumps(message))
        await robot.send(TOPIC, "{")
        await robot.publish(TOPIC, compressed_image())
        await found.until(lambda found: len(found) == 1)
        assert source.losses.count == 2


async def test_a_refused_topic_is_an_error_with_the_reason() -> None:
    robot = Rosbridge()
    async with robot.serving() as url, RosbridgeCamera(url, TOPIC) as source:
        with pytest.raises(SourceError, match="not yet advertised"):
            await anext(source.new())
        robot.advertise(TOPIC)
        async with followed(source.new()) as found:  # as after a restart
            await robot.subscribed(TOPIC)
            await robot.publish(TOPIC, compressed_image())
            await found.until(lambda found: len(found) == 1)


async def test_a_lost_connection_is_an_error_and_images_stay_in_memory() -> None:
    robot = Rosbridge(TOPIC)
    async with robot.serving() as url, RosbridgeCamera(url, TOPIC) as source:
        new = source.new()
        await robot.subscribed(TOPIC)
        await robot.publish(TOPIC, compressed_image())
        image_id = await anext(new)
        await robot.close()
        with pytest.raises(SourceError, match=url):
            await anext(new)
        assert await source.image(image_id) is not None


async def test_a_camera_that_nobody_reads_is_not_connected() -> None:
    robot = Rosbridge(TOPIC)
    async with robot.serving() as url, RosbridgeCamera(url, TOPIC) as source:
        async with followed(source.new()):
            await robot.subscribed(TOPIC)
        await robot.unsubscribed(TOPIC)


@pytest.mark.parametrize(
    ("kind", "url", "fact"),
    [
        ("camera", "ws://robot:9090", "topic: "),
        ("camera", "ws://robot:9090?topic=/a&keep=0", "keep=0: "),
        ("camera", "ws://robot:9090?topic=/a&memory_mib=0", "memory_mib=0: "),
        ("camera", "ws://robot:9090?topic=/a&throttle_ms=-1", "throttle_ms=-1: "),
        ("telemetry", "ws://robot:9090?topics=/a&throttle_ms=-1", "throttle_ms=-1: "),
        ("telemetry", "ws://robot:9090?topics=/a&path=msg", "path"),
        ("telemetry", "ws://robot:9090?topics=/a&format=ttn", "format"),
        ("telemetry", f"ws://robot:9090?path=msg&subscribe={TWO_TOPICS}", "prefix=topic"),
    ],
)
def test_an_invalid_option_is_refused(kind: Any, url: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(kind, url)
    assert fact in str(caught.value)
