"""Live video over HTTP: the newest images of a camera, or the newest one."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from starlette.responses import Response

from rover.api import Answer, Operation
from rover.api.schema import BINARY
from rover.asgi.query import Choice, Moment, Number, Text, WholeNumber
from rover.asgi.time_lapse_response import TimeLapseResponse
from rover.asgi.video_response import VideoResponse
from rover.errors import FormatMissing, NoDataYet, PoolFull
from rover.images.time_lapse import MAX_FRAMES, TimeLapse
from rover.routes.images import FIRST_IMAGE_TIMEOUT_S
from sources.base import SourceError, UnknownImage

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

FPS = WholeNumber(name="fps", summary="images per second", at_least=1, at_most=60, default=10)

FRAMES = WholeNumber(
    name="frames",
    summary="maximum number of images; of more, some are left out evenly",
    at_least=1,
    at_most=MAX_FRAMES,
    default=1000,
)

LAPSE_WIDTH = WholeNumber(
    name="width", summary="maximum width in pixels", at_least=16, at_most=3840, default=1280
)

SINCE = Moment(name="since", summary="time of the earliest arrival")
UNTIL = Moment(name="until", summary="time before which the images arrived")
FIRST = Text(name="first", summary="id of the first image")
LAST = Text(name="last", summary="id of the last image")


def routes(
    mission: HasImages, first_image_timeout_s: float = FIRST_IMAGE_TIMEOUT_S
) -> list[BaseRoute]:
    """`/stream/rover-video`, `rover-snapshot` and `rover-time-lapse`, each with `?camera=`."""
    camera: Choice[str] = Choice(
        name="camera", summary="name of the camera", choices=lambda: mission.cameras.images
    )

    async def chosen(request: Request) -> Images:
        cameras = mission.cameras
        return cameras.images[camera.of(request) or await cameras.shown(first_image_timeout_s)]

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

    async def time_lapse(request: Request) -> TimeLapseResponse:
        images, serving = await chosen(request), mission.serving
        client = serving.clients.name_of(request.scope, request.receive)
        serving.time_lapses.check(client)
        lapse = await TimeLapse.of(
            mission.cameras,
            images.name,
            SINCE.of(request),
            UNTIL.of(request),
            FRAMES.of(request),
            FPS.of(request),
            LAPSE_WIDTH.of(request),
            first=FIRST.of(request),
            last=LAST.of(request),
        )
        frames = mission.cameras.frames
        return TimeLapseResponse(lapse, frames, serving.connections, serving.time_lapses, client)

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
        Operation(
            "/stream/rover-time-lapse",
            time_lapse,
            "The images of a span as a video",
            description="The video is encoded while it is sent, with one fragment (`moof`) per "
            "image, so that a client can show its progress. A client may read one at a time.",
            query=[camera, SINCE, UNTIL, FIRST, LAST, FRAMES, FPS, LAPSE_WIDTH],
            answers={
                200: Answer(
                    "MP4 (H.264)",
                    BINARY,
                    ["video/mp4"],
                    {"X-Frames": "maximum number of images; some may be left out"},
                )
            },
            errors=[FormatMissing, NoDataYet, PoolFull, UnknownImage, SourceError],
        ),
    ]
