"""Ingest of telemetry: a device POSTs samples, one or many at a time.

A body is read and checked completely before any sample is used. Either the status is 202 and all
samples enter the stream, or it is an error and none does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rover.asgi.query import choice
from rover.asgi.responses import json_response
from rover.errors import BadQuery, BatchRefused, IngestTooBig, NotIngesting, UnknownMediaType
from rover.telemetry.events import sample_json
from rover.telemetry.values import usable_values
from sources.base import Sample
from sources.lines.influx import PER_SECOND
from sources.push import PushTelemetry
from sources.values.bulk import Bulk
from sources.values.payload import PayloadRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

    from rover.asgi.body import Bodies
    from rover.routes.telemetry import HasTelemetry
    from rover.settings import Settings
    from rover.telemetry.feed import Feed

MEDIA_TYPES = frozenset(
    {
        "",
        "application/json",
        "application/json-lines",
        "application/jsonl",
        "application/jsonlines",
        "application/ndjson",
        "application/octet-stream",
        "application/x-json-lines",
        "application/x-jsonlines",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",  # curl's default for --data
        "text/plain",
    }
)
"""Accepted types. The parser detects the format from the body: JSON begins with `{` or `[`, and any
other body is line protocol, unless its type is a JSON type."""

MAX_INLINE_BYTES = 16 * 2**10
"""Maximum size of a body that is parsed on the event loop; larger ones use a worker thread."""


WHITE_SPACE = b" \t\r\n\xef\xbb\xbf"
"""Bytes that may precede JSON; the last three are a byte order mark."""


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`POST /ingest/telemetry`, and `POST /api/v2/write` for clients of InfluxDB 2.

    Without a `push:` source, the status is 409. If there are several, `?source=` names one of them.
    """

    async def ingest(request: Request) -> Response:
        serving = mission.serving
        with serving.ingests.hold(serving.clients.name_of(request.scope, request.receive)):
            return await receive(request)

    async def receive(request: Request) -> Response:
        source, settings = _source(request, mission.telemetry.feeds), mission.serving.settings
        media_type = _media_type(request)
        precision = choice(request, "precision", PER_SECOND) or "ns"
        tags, device = request.query_params.get("tags"), request.query_params.get("device", "")
        body = await _receive(request, mission.serving.bodies, settings)
        if "json" in media_type or body.lstrip(WHITE_SPACE).startswith((b"{", b"[")):
            found = source.reader.batch(body, device or None)
        else:
            found = source.line_protocol.samples(body, precision, tags, device)
        if len(body) > MAX_INLINE_BYTES:
            samples = await run_sync(_check, source, found, settings.max_sample_bytes)
        else:
            samples = _check(source, found, settings.max_sample_bytes)
        source.take(samples)
        return json_response({"accepted": len(samples)}, 202)

    async def write(request: Request) -> Response:
        await ingest(request)
        return Response(status_code=204)  # as InfluxDB answers

    return [
        Route("/ingest/telemetry", ingest, methods=["POST"]),
        Route("/api/v2/write", write, methods=["POST"]),
    ]


def _source(request: Request, feeds: Mapping[str, Feed]) -> PushTelemetry:
    open_to_clients = {
        name: feed.source for name, feed in feeds.items() if isinstance(feed.source, PushTelemetry)
    }
    if not open_to_clients:
        raise NotIngesting(", ".join(type(feed.source).__name__ for feed in feeds.values()))
    name = choice(request, "source", open_to_clients)
    if name is None and len(open_to_clients) > 1:
        raise BadQuery("source", "", f"must be one of {', '.join(open_to_clients)}")
    return open_to_clients[name or next(iter(open_to_clients))]


def _media_type(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES and not media_type.endswith("+json"):
        raise UnknownMediaType(media_type)
    if encoding := request.headers.get("content-encoding"):
        raise UnknownMediaType(f"{media_type} in {encoding}")
    return media_type


async def _receive(request: Request, bodies: Bodies, settings: Settings) -> bytes:
    limit = settings.max_ingest_bytes
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise IngestTooBig("body", "bytes", limit, "ROVER_MAX_INGEST_BYTES")
    body = bytearray()
    async for chunk in bodies.read(request.receive):
        body += chunk
        if len(body) > limit:
            raise IngestTooBig("body", "bytes", limit, "ROVER_MAX_INGEST_BYTES")
    return bytes(body)


def _usable(sample: Sample) -> Sample:
    """The sample without the values that telemetry will leave out and count."""
    values: Mapping[str, object] = sample.values
    if not any(isinstance(one, Bulk) for one in values.values()):
        return sample
    return Sample(sample.t, usable_values(values)[0])


def _check(
    source: PushTelemetry, found: Iterator[tuple[str, Sample]], max_sample_bytes: int
) -> list[Sample]:
    """All samples of a body, checked as `Telemetry` checks them."""
    samples: list[Sample] = []
    try:
        for place, sample in found:
            size = len(sample_json(_usable(sample), late=True))
            if size > max_sample_bytes:
                limit = f"the limit is {max_sample_bytes:,} bytes (ROVER_MAX_SAMPLE_BYTES)"
                raise PayloadRefused(f"it has {size:,} bytes; {limit}", place)
            samples.append(sample)
    except PayloadRefused as exc:
        raise BatchRefused(exc.place, exc.reason, len(samples)) from exc
    if len(samples) > source.max_queue:
        raise IngestTooBig("batch", "samples", source.max_queue, "max_queue in ROVER_TELEMETRY")
    return samples
