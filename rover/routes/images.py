"""Images over HTTP: the list, one image, and the latest image."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from rover.api import Answer, Operation
from rover.api.schema import BINARY, ref
from rover.asgi.image_response import ImageResponse
from rover.asgi.preconditions import check_preconditions
from rover.asgi.problems import PROBLEM
from rover.asgi.query import Choice, Moment, Names, Text, WholeNumber
from rover.errors import BadQuery, NoDataYet, NoThumbnail, RevisionGone
from rover.images.arrivals import STATES
from rover.images.gallery import ANY, Cursor, ImageFilter
from rover.images.thumbnails import WIDTHS
from rover.routes.image_json import image_url, images_json
from sources.base import ImageBroken, SourceError, UnknownImage

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Scope

    from rover.images import Cameras
    from rover.images.cameras import Shot
    from rover.serving import Serving

FIRST_IMAGE_TIMEOUT_S = 10.0
"""Seconds that a request for the latest image waits while the camera is still starting."""

LIMIT = WholeNumber(
    name="limit", summary="maximum number of images", at_least=1, at_most=1000, default=100
)

AT = Moment(name="at", summary="time in the past, for the images known before it")

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

SINCE = Moment(name="since", summary="time of the earliest arrival")
UNTIL = Moment(name="until", summary="time before which the image arrived")
TAKEN_SINCE = Moment(name="taken_since", summary="time at which the earliest image was taken")
TAKEN_UNTIL = Moment(name="taken_until", summary="time before which the image was taken")
STATE = Names(name="state", summary="states", known=lambda: STATES, listed=True)
SEARCH = Text(name="q", summary="part of the id or of a metadata value, in any case")
CURSOR = Text(name="cursor", summary="`next` of the page before; none for the newest images")

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
    304: Answer("the client has it"),
    412: Answer("it is not the image that the client asks for", ref("Problem"), [PROBLEM]),
    416: Answer("the range begins after the last byte", ref("Problem"), [PROBLEM]),
}

ERRORS = (UnknownImage, ImageBroken, RevisionGone, SourceError)


class HasImages(Protocol):
    """The parts of a mission that these routes use."""

    cameras: Cameras
    serving: Serving


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
        chosen, after = _filter(request), _cursor(request)
        if at is None:
            shots, more = await cameras.page(limit, chosen, after, camera.of(request))
        elif chosen != ANY or after is not None:
            reason = "`at` is not combined with a cursor or a filter; leave out one of them"
            raise BadQuery("at", request.query_params["at"], reason)
        else:
            known = await cameras.known_at(at, limit + 1, camera.of(request))
            shots, more = known[:limit], len(known) > limit
        encode = partial(images_json, shots, more=more, several=len(cameras.images) > 1)
        return mission.serving.large_responses.respond(encode, tagged=True)

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
            "can still be requested. `next` is the `cursor` of the next page.",
            query=[
                LIMIT,
                camera,
                SINCE,
                UNTIL,
                TAKEN_SINCE,
                TAKEN_UNTIL,
                STATE,
                SEARCH,
                CURSOR,
                AT,
            ],
            headers={"If-None-Match": CONDITIONS["If-None-Match"]},
            answers={
                200: Answer("the newest first", ref("Images"), headers={"ETag": "of the list"}),
                304: ANSWERS[304],
            },
            errors=[SourceError],
        ),
        small,
        by_id,
    ]


def _filter(request: Request) -> ImageFilter:
    return ImageFilter(
        SINCE.of(request),
        UNTIL.of(request),
        TAKEN_SINCE.of(request),
        TAKEN_UNTIL.of(request),
        STATE.of(request),
        SEARCH.of(request),
    )


def _cursor(request: Request) -> Cursor | None:
    if (text := CURSOR.of(request)) is None:
        return None
    try:
        return Cursor.parse(text)
    except ValueError as exc:
        raise BadQuery("cursor", text, "must be the `next` of an earlier page") from exc


def path_to_top(scope: Scope) -> str:
    """The app's mount point, relative to the URL of a request."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    prefix: str = scope.get("root_path", "")
    depth = path.count(b"/") - prefix.rstrip("/").count("/")
    return "../" * (depth - 1)
