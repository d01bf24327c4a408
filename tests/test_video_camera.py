"""A camera whose video FFmpeg reads, and the video of a folder."""

from __future__ import annotations

import io
import os
import signal
import socket
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import numpy as np
import pytest
from anyio import fail_after
from PIL import Image as Pillow

from rover.guard import closing
from rover.images import Cameras, Images
from rover.routes import video
from rover.settings import Settings
from rover.supervise import State
from sources.base import SourceError
from sources.directory import DirectoryCamera
from sources.directory.film import natural_key
from sources.registry import open_source
from sources.video import VideoCamera, decoder
from sources.video.decode import Player, write_frames
from tests.fake_camera import receiving
from tests.image_site import app_of
from tests.one_stream import OneStream
from tests.recorded_video import SHADES, record
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


def shade_of(data: bytes) -> int:
    image = Pillow.open(io.BytesIO(data)).convert("L")
    return min(SHADES, key=lambda shade: abs(shade - int(np.asarray(image).mean())))


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "mpeg4"), ("a.avi", "mjpeg")]
)
@pytest.mark.parametrize("width", [160, 1920])
async def test_a_recording_is_played_again_and_again(
    name: str, codec: str, width: int, tmp_path: Path
) -> None:
    player = Player(str(record(tmp_path / name, codec)), 1000.0, width, "", 5.0)
    frames = list(islice(player.frames(), 3 * len(SHADES)))
    assert [shade_of(frame.data) for frame in frames] == [*SHADES] * 3
    assert {(one.width, one.height) for one in frames} == {(min(320, width), min(160, width // 2))}
    assert all(Pillow.open(io.BytesIO(one.data)).size == one[1:3] for one in frames)


@asynccontextmanager
async def playing(camera: VideoCamera) -> AsyncIterator[str]:
    """The id of the first image; meanwhile the camera plays."""
    with fail_after(10):
        async with camera, closing(camera.new()) as new:
            yield await anext(new)


async def test_the_newest_frame_is_shown_and_one_now_and_then_is_an_image(tmp_path: Path) -> None:
    path = record(tmp_path / "a.avi", "mjpeg")
    camera = VideoCamera(str(path), fps=30, still_s=3600)
    async with playing(camera) as image_id:
        image = await camera.image(image_id)
        assert image is not None
        assert (image.complete, image.width, image.height) == (True, 320, 160)
        seen: set[str] = set()
        while len(seen) < 3:
            frame = await camera.frame()
            assert frame is not None
            seen.add(frame.revision)
            assert len(b"".join([part async for part in camera.open(frame.id)])) == frame.size
            await until(is_newer(camera, frame.revision))
        assert [one.id for one in await camera.images()] == [image_id]


async def test_a_video_without_images_is_live_once_it_has_a_frame(tmp_path: Path) -> None:
    video = record(tmp_path / "a.avi", "mjpeg")
    async with VideoCamera(str(video), still_s=0) as camera, receiving(camera, tmp_path) as images:
        await until(lambda: images.health.state is State.LIVE)
        assert await images.frame() is not None
        assert list(await images.listed()) == []


def is_newer(camera: VideoCamera, revision: str) -> Callable[[], bool]:
    return lambda: camera._shown[-1].image.revision != revision


async def test_a_decoder_that_is_killed_is_reported_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    async def noted(*args: Any, **options: Any) -> Any:
        process = await anyio.open_process(*args, **options)
        started.append(process.pid)
        return process

    monkeypatch.setattr("sources.values.child.open_process", noted)
    path = record(tmp_path / "a.avi", "mjpeg")
    async with VideoCamera(str(path), still_s=3600) as camera:
        with fail_after(10):
            for _ in range(2):
                async with closing(camera.new()) as new:
                    await anext(new)
                    os.kill(started[-1], signal.SIGKILL)
                    with pytest.raises(SourceError, match="-9"):
                        await anext(new)
    assert len(started) == 2


@pytest.mark.parametrize(
    "place",
    ["nothing.mp4", __file__, "/dev/zero", "rtsp://me:hunter2@127.0.0.1:1/live?key=hunter2"],
)
async def test_what_cannot_be_read_has_a_reason_without_secrets(place: str) -> None:
    request = {"url": place, "fps": 30, "width": 640, "size": "", "timeout_s": 2}
    reason = write_frames(request, io.BytesIO())
    assert reason
    assert "hunter2" not in reason
    assert "hunter2" not in VideoCamera(place)._place


async def test_a_server_that_does_not_answer_is_reported_as_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/live"
        request = {"url": url, "fps": 30, "width": 640, "size": "", "timeout_s": 0.25}
        assert "0.25 s" in write_frames(request, io.BytesIO())


async def test_a_video_without_frames_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "START_TIMEOUT_S", 0.0)
    async with VideoCamera("udp://127.0.0.1:9", timeout_s=0.01) as camera:
        with fail_after(5), pytest.raises(SourceError, match=r"0\.01"):
            await anext(camera.new())


async def test_mjpeg_over_http_from_the_video_of_a_folder(serve: Serve, tmp_path: Path) -> None:
    for n, shade in enumerate(SHADES, 8):
        Pillow.new("L", (320, 160), shade).save(tmp_path / f"frame{n}.jpg")
    async with DirectoryCamera(tmp_path, poll_s=3600, fps=30) as folder:
        images = Images(folder, Settings())
        mission = OneStream()
        mission.cameras = Cameras({"camera": images})
        app = mission.app(video.routes(mission))
        async with serve(app) as url:
            place = f"av:{url}/stream/rover-video?hz=30&width=160&still_s=0.001"
            camera = open_source("camera", place)
            assert isinstance(camera, VideoCamera)
            async with playing(camera):
                seen: list[int] = []
                while len(set(seen)) < len(SHADES):
                    frame = await camera.frame()
                    assert frame is not None
                    assert (frame.width, frame.height) == (160, 80)
                    data = b"".join([part async for part in camera.open(frame.id)])
                    seen.append(shade_of(data))
                    await until(is_newer(camera, frame.revision))


async def test_a_video_without_images_is_shown(serve: Serve, tmp_path: Path) -> None:
    place = str(record(tmp_path / "a.avi", "mjpeg"))
    async with (
        VideoCamera(place, still_s=0) as camera,
        receiving(camera, tmp_path) as images,
        serve(app_of(images)) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        await until(lambda: camera._shown)
        snapshot = await client.get("/stream/rover-snapshot")
        assert shade_of(snapshot.content) in SHADES
        async with client.stream("GET", "/stream/rover-video") as response:
            assert response.status_code == 200
            data = b""
            with fail_after(10):
                async for part in response.aiter_raw():
                    data += part
                    if data.count(b"image/jpeg") == 3:
                        break


async def test_the_images_of_a_folder_take_turns_in_the_order_of_their_names(
    tmp_path: Path,
) -> None:
    for name in ("frame10.png", "frame9.png", "b/frame1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Pillow.new("L", (8, 8)).save(tmp_path / name)
    camera = DirectoryCamera(tmp_path, settle_s=0, fps=10)
    assert await camera.frame() is None
    await camera.refresh()
    film, scan = camera._film, camera._last
    turns = [film.frame(scan, 10, 1_790_000_000.15 + n / 10) for n in range(6)]
    assert [one.id for one in turns if one] == ["b/frame1.png", "frame9.png", "frame10.png"] * 2
    assert [one.received_at for one in turns[:2] if one] == [1_790_000_000.1, 1_790_000_000.2]
    assert natural_key("a2b10") < natural_key("a10b2")
