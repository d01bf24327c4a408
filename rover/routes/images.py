"""Images over HTTP: the list, one image, and the latest image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from starlette.routing import BaseRoute, Route

from rover.asgi.image_response import ImageResponse
from rover.asgi.query import choice, whole_number
from rover.asgi.responses import json_response
from rover.wire import iso_or_none

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rover.images import Cameras
    from rover.images.cameras import Shot
    from rover.serving import Serving

FIRST_IMAGE_TIMEOUT_S = 10.0
"""Seconds that a request for the latest image waits while the camera is still starting."""

MAX_LISTED = 1000
DEFAULT_LISTED = 100


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

    def camera(request: Request) -> str | None:
        return choice(request, "camera", mission.cameras.images)

    def respond(shot: Shot) -> ImageResponse:
        return ImageResponse(shot.images, shot.image, mission.serving.connections)

    async def latest(request: Request) -> ImageResponse:
        cameras = mission.cameras
        if (image_id := request.query_params.get("id")) is not None:
            return respond(await cameras.find(image_id, camera(request)))
        return respond(await cameras.latest(camera(request), first_image_timeout_s))

    async def one(request: Request) -> ImageResponse:
        found = await mission.cameras.find(request.path_params["image_id"], camera(request))
        return respond(found)

    async def listing(request: Request) -> Response:
        limit = whole_number(request, "limit", at_least=1, at_most=MAX_LISTED)
        shots = await mission.cameras.newest(
            DEFAULT_LISTED if limit is None else limit, camera(request)
        )
        return json_response({"images": [image_json(shot) for shot in shots]})

    by_id = Route("/images/{image_id:path}", one)
    # Starlette's `path` ends at a line break; a file name may contain one
    by_id.path_regex = re.compile(by_id.path_regex.pattern, re.DOTALL)
    return [Route("/stream/rover-image", latest), Route("/images", listing), by_id]


def image_json(shot: Shot) -> dict[str, Any]:
    """An image as clients see it. Links are relative to the app's mount point."""
    image, quoted = shot.image, quote(shot.image.id, safe="")
    camera = "" if shot.camera is None else f"camera={shot.camera}"
    return {
        "id": image.id,
        "camera": shot.images.name,
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
        "url": f"images/{quoted}{'?' if camera else ''}{camera}",
        "stream": f"stream/rover-image?id={quoted}{'&' if camera else ''}{camera}",
    }
