"""Live video over HTTP: the newest images of a camera, or the newest one."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from starlette.responses import Response

from rover.api import Answer, Operation
from rover.api.schemas import BINARY
from rover.asgi.query import Choice, Number, WholeNumber
from rover.asgi.video_response import VideoResponse
from rover.errors import NoDataYet, PoolFull
from rover.routes.images import FIRST_IMAGE_TIMEOUT_S
from sources.base import SourceError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.images import Images
    from rover.routes.images import HasImages

HZ = Number(name="hz", summary="maximum images per second, 10 by default", at_least=0.1, at_most=30)

DEFAULT_HZ = 10.0

WIDTH = WholeNumber(
    name="width", summary="maximum width in pixels", at_least=16, at_most=4096, default=None
)


def routes(
    mission: HasImages, first_image_timeout_s: float = FIRST_IMAGE_TIMEOUT_S
) -> list[BaseRoute]:
    """`GET /stream/rover-video` and `/stream/rover-snapshot`, each with `?camera=`."""
    camera: Choice[str] = Choice(
        name="camera", summary="name of the camera", choices=lambda: mission.cameras.images
    )

    async def chosen(request: Request) -> Images:
        cameras = mission.cameras
        if (name := camera.of(request)) is None:
            name = (await cameras.latest(None, first_image_timeout_s)).camera
        return cameras.images[name]

    async def video(request: Request) -> VideoResponse:
        client = mission.serving.clients.name_of(request.scope, request.receive)
        return VideoResponse(
            await chosen(request),
            mission.cameras.frames,
            mission.serving.connections,
            mission.serving.viewers,
            client,
            HZ.of(request) or DEFAULT_HZ,
            WIDTH.of(request),
        )

    async def snapshot(request: Request) -> Response:
        frame = await mission.cameras.frames.newest(await chosen(request), WIDTH.of(request))
        if frame is None:
            raise NoDataYet("no complete image has arrived yet that can be shown")
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if (t := frame.image.received_at) is not None:
            headers |= {"X-Timestamp": f"{t:.3f}", "X-Image-Age": f"{max(time() - t, 0):.3f}"}
        return Response(frame.data, headers=headers, media_type="image/jpeg")

    return [
        Operation(
            "/stream/rover-video",
            video,
            "The newest images of a camera, as a video",
            description="Each part has `Content-Length` and `X-Timestamp`, the time of its arrival "
            "in POSIX seconds. A slow viewer skips to the newest image.",
            query=[camera, HZ, WIDTH],
            answers={200: Answer("JPEG images", BINARY, ["multipart/x-mixed-replace"])},
            errors=[NoDataYet, PoolFull, SourceError],
        ),
        Operation(
            "/stream/rover-snapshot",
            snapshot,
            "The newest complete image of a camera, as JPEG",
            description="`X-Image-Age` has the seconds since it arrived.",
            query=[camera, WIDTH],
            answers={200: Answer("JPEG", BINARY, ["image/jpeg"])},
            errors=[NoDataYet, SourceError],
        ),
    ]
