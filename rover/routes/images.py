"""Images over HTTP: the list, one image, and the latest image."""

from __future__ import annotations

import re
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from starlette.responses import Response

from rover.api import Answer, Operation
from rover.api.schemas import BINARY, ref
from rover.asgi.image_response import ImageResponse
from rover.asgi.large_response import MAX_BYTES
from rover.asgi.preconditions import check_preconditions
from rover.asgi.problems import PROBLEM
from rover.asgi.query import Choice, Moment, Number, Text, WholeNumber
from rover.asgi.video_response import VideoResponse
from rover.errors import BadQuery, NoDataYet, NoThumbnail, PoolFull, RevisionGone
from rover.images.arrivals import arrival_of
from rover.images.thumbnails import WIDTHS
from rover.wire import dumps, iso_or_none
from sources.base import ImageBroken, SourceError, UnknownImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Scope

    from rover.images import Cameras, Images
    from rover.images.cameras import Shot
    from rover.logs.base import Record
    from rover.serving import Serving

FIRST_IMAGE_TIMEOUT_S = 10.0
"""Seconds that a request for the latest image waits while the camera is still starting."""

LIMIT = WholeNumber(
    name="limit", summary="maximum number of images", at_least=1, at_most=1000, default=100
)

AT = Moment(name="at", summary="time in the past, for what was known before it")

IMAGE_ID = Text(name="id", summary="id of an image, instead of the latest")

REVISION = Text(
    name="revision", summary="of the image; the answer is 412 if the image has another one now"
)

WIDTH = WholeNumber(
    name="width",
    summary="maximum width in pixels; rounded up to 160, 320, 640, 1280 or 2560",
    at_least=1,
    at_most=WIDTHS[-1],
    default=WIDTHS[1],
)

HZ = Number(name="hz", summary="maximum images per second, 10 by default", at_least=0.1, at_most=30)

DEFAULT_HZ = 10.0

VIDEO_WIDTH = WholeNumber(
    name="width", summary="maximum width in pixels", at_least=16, at_most=4096, default=None
)

CONDITIONS = {
    "Range": "one range of bytes. If the URL does not stand for one revision of an image, it is "
    "used only with `If-Range` or `If-Match`",
    "If-Range": "the entity tag for which `Range` applies",
    "If-Match": "entity tags; the answer is 412 if the image has another one",
    "If-Unmodified-Since": "a date; the answer is 412 if the image has changed since then",
    "If-None-Match": "entity tags that the client has",
    "If-Modified-Since": "the date of the image that the client has",
}

ANSWERS = {
    200: Answer(
        "the image, while it arrives",
        BINARY,
        ["image/*"],
        {"ETag": "of its bytes", "Content-Location": "the URL of this revision"},
    ),
    206: Answer("a range of its bytes", BINARY, ["image/*"], {"Content-Range": "the range"}),
    304: Answer("the client has this image"),
    412: Answer("it is not the image that the client asks for", ref("Problem"), [PROBLEM]),
    416: Answer("the range begins after the last byte", ref("Problem"), [PROBLEM]),
}

ERRORS = (UnknownImage, ImageBroken, RevisionGone, SourceError)


class HasImages(Protocol):
    """The parts of a mission that these routes use."""

    @property
    def cameras(self) -> Cameras:
        """The images."""
        ...

    @property
    def serving(self) -> Serving:
        """The connections."""
        ...


def routes(
    mission: HasImages, first_image_timeout_s: float = FIRST_IMAGE_TIMEOUT_S
) -> list[BaseRoute]:
    """`GET /stream/rover-image`, `/images` and `/images/{image_id}`, each with `?camera=`."""
    camera: Choice[str] = Choice(
        name="camera", summary="name of the camera", choices=lambda: mission.cameras.images
    )

    def respond(request: Request, shot: Shot, *, by_id: bool) -> ImageResponse:
        revision = REVISION.of(request) if by_id else None
        if revision not in (None, shot.image.revision):
            raise RevisionGone(shot.image.id)
        cameras = mission.cameras.images
        return ImageResponse(
            cameras[shot.camera],
            shot.image,
            mission.serving.connections,
            path_to_top(request.scope) + image_url(shot, several=len(cameras) > 1),
            url_is_stable=None if by_id and revision is None else by_id,
        )

    async def latest_image(request: Request) -> ImageResponse:
        cameras, at = mission.cameras, AT.of(request)
        if (image_id := IMAGE_ID.of(request)) is not None:
            if at is not None:
                reason = "`at` and `id` exclude each other; send only one of them"
                raise BadQuery("at", request.query_params["at"], reason)
            found = await cameras.find(image_id, camera.of(request))
            return respond(request, found, by_id=True)
        if at is not None:
            found = await cameras.latest_at(at, camera.of(request))
        else:
            found = await cameras.latest(camera.of(request), first_image_timeout_s)
        return respond(request, found, by_id=False)

    async def image(request: Request) -> ImageResponse:
        found = await mission.cameras.find(request.path_params["image_id"], camera.of(request))
        return respond(request, found, by_id=True)

    async def images(request: Request) -> Response:
        cameras, limit, at = mission.cameras, LIMIT.of(request), AT.of(request)
        if at is None:
            shots = await cameras.newest(limit + 1, camera.of(request))
        else:
            shots = await cameras.known_at(at, limit + 1, camera.of(request))
        several = len(cameras.images) > 1
        encode = partial(images_json, shots, limit, several=several)
        return mission.serving.large_responses.respond(encode)

    async def thumbnail(request: Request) -> Response:
        cameras, image_id = mission.cameras, request.path_params["image_id"]
        shot = await cameras.find(image_id, camera.of(request))
        if REVISION.of(request) not in (None, shot.image.revision):
            raise RevisionGone(shot.image.id)
        found = await cameras.thumbnails.get(
            cameras.images[shot.camera], shot.image, WIDTH.of(request)
        )
        headers = {
            "ETag": f'"{found.etag}"',
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        if check_preconditions(request, headers["ETag"], None):
            return Response(status_code=304, headers=headers)
        return Response(found.data, headers=headers, media_type="image/webp")

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
            VIDEO_WIDTH.of(request),
        )

    async def snapshot(request: Request) -> Response:
        frame = await mission.cameras.frames.newest(await chosen(request), VIDEO_WIDTH.of(request))
        if frame is None:
            raise NoDataYet("no complete image has arrived yet that can be shown")
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if (t := frame.image.received_at) is not None:
            headers |= {"X-Timestamp": f"{t:.3f}", "X-Image-Age": f"{max(time() - t, 0):.3f}"}
        return Response(frame.data, headers=headers, media_type="image/jpeg")

    small = Operation(
        "/images/{image_id:path}/thumbnail",
        thumbnail,
        "A smaller copy of an image",
        query=[WIDTH, REVISION, camera],
        headers={"If-None-Match": CONDITIONS["If-None-Match"]},
        answers={
            200: Answer("WebP", BINARY, ["image/webp"], {"ETag": "of its bytes"}),
            304: ANSWERS[304],
            412: ANSWERS[412],
        },
        errors=[*ERRORS, NoThumbnail],
    )
    small.path_regex = re.compile(small.path_regex.pattern, re.DOTALL)
    by_id = Operation(
        "/images/{image_id:path}",
        image,
        "One image",
        query=[REVISION, camera],
        headers=CONDITIONS,
        answers=ANSWERS,
        errors=ERRORS,
    )
    # Starlette's `path` ends at a line break; a file name may contain one
    by_id.path_regex = re.compile(by_id.path_regex.pattern, re.DOTALL)
    return [
        Operation(
            "/stream/rover-image",
            latest_image,
            "The latest image, streamed while it arrives",
            query=[IMAGE_ID, REVISION, camera, AT],
            headers=CONDITIONS,
            answers=ANSWERS,
            errors=[*ERRORS, NoDataYet],
        ),
        Operation(
            "/images",
            images,
            "The newest images",
            description="With `at`, each image as it was then. `available` says whether its bytes "
            "can still be requested.",
            query=[LIMIT, camera, AT],
            answers={200: Answer("the newest first", ref("Images"))},
            errors=[SourceError],
        ),
        Operation(
            "/stream/rover-video",
            video,
            "The newest images of a camera, as a video",
            description="Each part has `Content-Length` and `X-Timestamp`, the time of its arrival "
            "in POSIX seconds. A slow viewer skips to the newest image.",
            query=[camera, HZ, VIDEO_WIDTH],
            answers={200: Answer("JPEG images", BINARY, ["multipart/x-mixed-replace"])},
            errors=[NoDataYet, PoolFull, SourceError],
        ),
        Operation(
            "/stream/rover-snapshot",
            snapshot,
            "The newest complete image of a camera, as JPEG",
            description="`X-Image-Age` has the seconds since it arrived.",
            query=[camera, VIDEO_WIDTH],
            answers={200: Answer("JPEG", BINARY, ["image/jpeg"])},
            errors=[NoDataYet, SourceError],
        ),
        small,
        by_id,
    ]


def images_json(
    shots: Sequence[Shot], limit: int, max_bytes: int = MAX_BYTES, *, several: bool = False
) -> bytes:
    """The first `limit` images as JSON, or fewer if they exceed `max_bytes`.

    The key `more` says whether there are others.
    """
    rows: list[str] = []
    size = 0
    for shot in shots[:limit]:
        row = dumps(image_json(shot, several=several))
        size += len(row.encode())
        if rows and size > max_bytes:
            break
        rows.append(row)
    more = dumps(len(rows) < len(shots))
    return f'{{"images":[{",".join(rows)}],"more":{more}}}'.encode()


async def past_image_json(cameras: Cameras, record: Record) -> str | None:
    """A recorded image as JSON; `None` if the record cannot be read."""
    if (arrival := arrival_of(record)) is None:
        return None
    shot = await cameras.past(arrival)
    return dumps(image_json(shot, several=len(cameras.images) > 1))


def image_json(shot: Shot, *, several: bool) -> dict[str, Any]:
    """An image as clients see it. Links are relative to the app's mount point.

    Args:
        shot: the image.
        several: whether the mission has several cameras, so that links name the camera.
    """
    image, quoted = shot.image, quote(shot.image.id, safe="")
    camera = f"&camera={shot.camera}" if several else ""
    return {
        "id": image.id,
        "camera": shot.camera,
        "state": shot.state,
        "reason": shot.reason,
        "available": shot.available,
        "content_type": image.content_type,
        "size": image.size,
        "received": image.received,
        "complete": image.complete,
        "revision": image.revision,
        "taken_at": iso_or_none(image.taken_at),
        "received_at": iso_or_none(image.received_at),
        "width": image.width,
        "height": image.height,
        "sha256": image.sha256,
        "metadata": image.metadata,
        "url": (url := image_url(shot, several=several)),
        "thumbnail": _thumbnail_url(url) if shot.image.complete and shot.available else None,
        "stream": f"stream/rover-image?id={quoted}{camera}",
    }


def image_url(shot: Shot, *, several: bool) -> str:
    """The URL of this revision of an image, relative to the app's mount point."""
    query = {"revision": shot.image.revision, "camera": shot.camera if several else ""}
    known = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
    return f"images/{quote(shot.image.id, safe='')}{known and f'?{known}'}"


def _thumbnail_url(url: str) -> str:
    path, _, query = url.partition("?")
    return f"{path}/thumbnail{query and f'?{query}'}"


def path_to_top(scope: Scope) -> str:
    """The app's mount point, relative to the URL of a request."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    prefix: str = scope.get("root_path", "")
    depth = path.count(b"/") - prefix.rstrip("/").count("/")
    return "../" * (depth - 1)
