"""The images of a span as a video."""

from __future__ import annotations

import importlib.util
import io
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import av
import httpx
import numpy as np
import pytest
from anyio import fail_after
from PIL import Image as Pillow

from rover.images import Cameras, Images
from rover.routes import video
from rover.settings import Settings
from sources.directory import DirectoryCamera
from tests.one_stream import OneStream
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import Process

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
SHADES = (40, 90, 140, 190)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that encode."""
    found: list[Process] = []

    async def noted(*args: Any, **options: Any) -> Process:
        found.append(await anyio.open_process(*args, **options))
        return found[-1]

    monkeypatch.setattr("sources.values.child.open_process", noted)
    return found


@asynccontextmanager
async def site(serve: Serve, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server of a folder with an image of each shade, and one that cannot be decoded."""
    for n, shade in enumerate(SHADES):
        Pillow.new("L", (320, 161 + n), shade).save(folder / f"{n}.png")
        os.utime(folder / f"{n}.png", (T + n, T + n))
    whole = (folder / "0.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[:50] + whole[-20:])
    os.utime(folder / "broken.png", (T + 1.5, T + 1.5))
    mission = OneStream()
    async with DirectoryCamera(folder, poll_s=3600) as camera:
        mission.cameras = Cameras({"camera": Images(camera, Settings())})
        async with (
            serve(mission.app(video.routes(mission))) as url,
            httpx.AsyncClient(base_url=f"{url}/stream", timeout=60) as client,
        ):
            yield client


def shades_in(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data), "r") as container:
        assert container.streams.video[0].width == 320
        frames = [one.to_ndarray(format="gray") for one in container.decode(video=0)]
    return [min(SHADES, key=lambda shade: abs(shade - int(np.mean(one)))) for one in frames]


async def test_a_time_lapse_has_a_fragment_for_each_image_that_can_be_decoded(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as client:
        with fail_after(60):
            whole = await client.get("/rover-time-lapse")
            thinned = await client.head(
                "/rover-time-lapse", params={"frames": 2, "since": T, "until": T + 4}
            )
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["x-frames"] == "5"
    assert whole.content.count(b"moof") == len(SHADES)
    assert shades_in(whole.content) == [*SHADES]
    assert thinned.headers["x-frames"] == "2"


async def test_a_time_lapse_goes_from_one_image_to_another(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as client:
        part = await client.get("/rover-time-lapse?first=3.png&last=2.png")
        assert shades_in(part.content) == [*SHADES[2:]]
        for ends, count in (("first=0.png&last=1.png", 2), ("first=3.png", 1), ("last=0.png", 1)):
            answer = await client.head(f"/rover-time-lapse?{ends}")
            assert answer.headers["x-frames"] == str(count)
        assert (await client.get("/rover-time-lapse?first=no.png")).status_code == 404


async def test_a_client_has_one_time_lapse_which_ends_when_it_disconnects(
    serve: Serve, tmp_path: Path, started: list[Process]
) -> None:
    async with site(serve, tmp_path) as client:
        with fail_after(60):
            async with client.stream("GET", "/rover-time-lapse"):
                assert (await client.get("/rover-time-lapse")).status_code == 503
                await until(lambda: bool(started))
            await until(lambda: started[0].returncode is not None)
            assert (await client.head("/rover-time-lapse")).status_code == 200
    assert len(started) == 1


async def test_a_client_notices_that_no_image_can_be_decoded(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as client:
        with fail_after(60), pytest.raises(httpx.RemoteProtocolError):
            await client.get("/rover-time-lapse?first=broken.png&last=broken.png")


async def test_spans_without_images_and_servers_without_the_encoder_answer_at_once(
    serve: Serve, tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(serve, tmp_path) as client:
        assert (await client.get(f"/rover-time-lapse?until={T}")).status_code == 404
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        assert (await client.get("/rover-time-lapse")).status_code == 501
    assert not started
