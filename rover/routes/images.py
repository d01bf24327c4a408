"""Images over HTTP: the list, one image, and the latest image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from starlette.routing import BaseRoute, Route

from rover.asgi.image_response import ImageResponse
from rover.asgi.query import whole_number
from rover.asgi.responses import json_response
from rover.supervise import State
from rover.wire import iso_or_none

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rover.images import Images
    from rover.serving import Serving
    from sources.base import Image

FIRST_IMAGE_TIMEOUT_S = 10.0
"""Seconds that a request for the latest image waits while the camera is still starting."""

MAX_LISTED = 1000
DEFAULT_LISTED = 100


class HasImages(Protocol):
    """The parts of a mission that these routes use."""

    @property
    def images(self) -> Images:
        """The images."""
        ...

    @property
    def serving(self) -> Serving:
        """The connections."""
        ...


def routes(
    mission: HasImages, first_image_timeout_s: float = FIRST_IMAGE_TIMEOUT_S
) -> list[BaseRoute]:
    """`GET /stream/rover-image`, `/images` and `/images/{image_id}`."""

    def respond(image: Image) -> ImageResponse:
        return ImageResponse(mission.images, image, mission.serving.connections)

    async def latest(request: Request) -> ImageResponse:
        if (image_id := request.query_params.get("id")) is not None:
            return respond(await mission.images.find(image_id))
        starting = mission.images.health.state is State.STARTING
        return respond(await mission.images.latest(first_image_timeout_s if starting else 0.0))

    async def one(request: Request) -> ImageResponse:
        return respond(await mission.images.find(request.path_params["image_id"]))

    async def listing(request: Request) -> Response:
        limit = whole_number(request, "limit", at_least=1, at_most=MAX_LISTED)
        newest = await mission.images.newest(DEFAULT_LISTED if limit is None else limit)
        return json_response({"images": [image_json(image) for image in newest]})

    by_id = Route("/images/{image_id:path}", one)
    # Starlette's `path` ends at a line break; a file name may contain one
    by_id.path_regex = re.compile(by_id.path_regex.pattern, re.DOTALL)
    return [Route("/stream/rover-image", latest), Route("/images", listing), by_id]


def image_json(image: Image) -> dict[str, Any]:
    """An image as clients see it. Links are relative to the app's mount point."""
    quoted = quote(image.id, safe="")
    return {
        "id": image.id,
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
        "url": f"images/{quoted}",
        "stream": f"stream/rover-image?id={quoted}",
    }
