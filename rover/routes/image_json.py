"""Images as JSON, and their URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from rover.asgi.large_response import MAX_BYTES
from rover.images.arrivals import arrival_of
from rover.images.cameras import Shot
from rover.images.gallery import Cursor
from rover.wire import dumps, iso_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.images import Cameras
    from rover.images.arrivals import Arrival
    from rover.logs.base import Record


def images_json(
    shots: Sequence[Shot], *, more: bool, several: bool = False, max_bytes: int = MAX_BYTES
) -> bytes:
    """The images as JSON, or fewer if they exceed `max_bytes`.

    The key `more` says whether there are others, and `next` where their page begins.

    Args:
        shots: the images.
        more: whether there are others.
        several: whether the mission has several cameras.
        max_bytes: maximum size, except for one image.
    """
    rows: list[str] = []
    size = 0
    for shot in shots:
        row = dumps(image_json(shot, several=several))
        size += len(row.encode())
        if rows and size > max_bytes:
            more = True
            break
        rows.append(row)
    after = dumps(str(Cursor.of(shots[len(rows) - 1])) if more else None)
    return f'{{"images":[{",".join(rows)}],"more":{dumps(more)},"next":{after}}}'.encode()


async def past_image_json(cameras: Cameras, record: Record) -> str | None:
    """A recorded image as JSON; `None` if the record cannot be read."""
    if (arrival := arrival_of(record)) is None:
        return None
    shot = await cameras.past(arrival)
    return dumps(image_json(shot, several=len(cameras.images) > 1))


def image_event_json(arrival: Arrival, skipped: int, *, several: bool) -> str:
    """A change of an image as an event.

    Args:
        arrival: the change.
        skipped: number of images that changed before, and that have no event.
        several: whether the mission has several cameras.
    """
    shot = Shot(arrival.camera, arrival.image, arrival.state, arrival.reason)
    return dumps({**image_json(shot, several=several), "skipped": skipped})


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
