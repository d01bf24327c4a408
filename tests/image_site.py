"""A camera and the routes of its images under a real server, with a client."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
)

from rover.images import Cameras
from rover.routes import images as image_routes
from rover.routes import video
from rover.routes.images import FIRST_IMAGE_TIMEOUT_S
from tests.fake_camera import FakeCamera, FakeImage, receiving
from tests.one_stream import OneStream
from tests.server_log import no_errors_logged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import SocketStream
    from starlette.applications import Starlette

    from rover.images import Images
    from tests.conftest import Serve

DATA = random.Random(2).randbytes(2_000_000)
SIZE = len(DATA)


def app_of(images: Images) -> Starlette:
    mission = OneStream()
    mission.cameras = Cameras({images.name: images})
    return mission.app([*image_routes.routes(mission), *video.routes(mission)])


class Site:
    """A camera, its images, and a client of their server."""

    def __init__(
        self, camera: FakeCamera, images: Images, cameras: Cameras, client: httpx.AsyncClient
    ) -> None:
        self.camera = camera
        self.images = images
        self.cameras = cameras
        self.client = client
        self.port = client.base_url.port or 0

    def complete(self, image_id: str = "a.png", data: bytes = DATA) -> FakeImage:
        arriving = self.camera.begin(image_id)
        self.camera.send(arriving, data)
        self.camera.finish(arriving)
        return arriving

    async def raw(self, target: str) -> SocketStream:
        """A connection that has requested `target`, unescaped, and has read nothing."""
        stream = await connect_tcp("127.0.0.1", self.port)
        await stream.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return stream


@asynccontextmanager
async def site(
    serve: Serve,
    spool_dir: Path,
    http: str = "httptools",
    *,
    first_image_timeout_s: float = FIRST_IMAGE_TIMEOUT_S,
    **settings: Any,
) -> AsyncIterator[Site]:
    """A running server; asserts at the end that it has logged no errors."""
    mission = OneStream(**settings)
    camera = FakeCamera()
    async with AsyncExitStack() as stack:
        images = await stack.enter_async_context(receiving(camera, spool_dir, mission.settings))
        mission.cameras = Cameras({images.name: images})
        app = mission.app(
            [
                *image_routes.routes(mission, first_image_timeout_s),
                *video.routes(mission, first_image_timeout_s),
            ]
        )
        url = await stack.enter_async_context(serve(app, http=http))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
        stack.enter_context(no_errors_logged())
        yield Site(camera, images, mission.cameras, client)


async def read_to_end(stream: SocketStream) -> bytes:
    """Everything that the server sends until the connection is closed or reset."""
    got = bytearray()
    try:
        while True:
            got += await stream.receive(2**18)
    except (EndOfStream, BrokenResourceError):
        return bytes(got)
