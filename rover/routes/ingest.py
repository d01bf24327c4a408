"""Telemetry over HTTP the other way: a device sends samples, one or many at a time.

A body is read and checked whole before any of it is taken, so an answer is about all of it: 202 and
every sample will be in the stream, or an error and none will.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.routing import BaseRoute, Route

from rover.asgi.responses import json_response
from rover.errors import BatchRefused, IngestTooBig, NotIngesting, UnknownMediaType
from rover.routes.commands import Body
from rover.telemetry.events import sample_json
from sources.payload import PayloadRefused
from sources.push import PushTelemetry

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rover.settings import Settings
    from sources.base import Sample

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
        "application/x-www-form-urlencoded",  # what curl says of any --data
        "text/plain",
    }
)
"""All are read alike: what a body is, is seen from the body."""

INLINE_BYTES = 16 * 2**10
"""A larger body is read in a worker thread: the other streams must not wait for it."""


def routes(source: object, settings: Settings) -> list[BaseRoute]:
    """The route that samples are sent to; without a `push:` source, it says what is wrong."""

    async def ingest(request: Request) -> Response:
        if not isinstance(source, PushTelemetry):
            raise NotIngesting(type(source).__name__)
        body = await _receive(request, settings)
        if len(body) > INLINE_BYTES:
            samples = await run_sync(_read, source, body, settings.max_sample_bytes)
        else:
            samples = _read(source, body, settings.max_sample_bytes)
        source.take(samples)
        return json_response({"accepted": len(samples)}, 202)

    return [Route("/ingest/telemetry", ingest, methods=["POST"])]


async def _receive(request: Request, settings: Settings) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES and not media_type.endswith("+json"):
        raise UnknownMediaType(media_type)
    if encoding := request.headers.get("content-encoding"):
        raise UnknownMediaType(f"{media_type} in {encoding}")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > settings.max_ingest_bytes:
        raise IngestTooBig("body", "bytes", settings.max_ingest_bytes, "ROVER_MAX_INGEST_BYTES")
    body = bytearray()
    async for chunk in Body(request.receive, settings.upload_timeout_s):
        body += chunk
        if len(body) > settings.max_ingest_bytes:
            raise IngestTooBig("body", "bytes", settings.max_ingest_bytes, "ROVER_MAX_INGEST_BYTES")
    return bytes(body)


def _read(source: PushTelemetry, body: bytes, max_sample_bytes: int) -> list[Sample]:
    """Every sample of a body, each one that the telemetry will publish."""
    samples: list[Sample] = []
    try:
        for place, sample in source.reader.batch(body):
            size = len(sample_json(sample, late=True))
            if size > max_sample_bytes:
                reason = f"it has {size:,} bytes, more than ROVER_MAX_SAMPLE_BYTES allows"
                raise PayloadRefused(reason, place)
            samples.append(sample)
    except PayloadRefused as exc:
        raise BatchRefused(exc.place, exc.reason, len(samples)) from exc
    if len(samples) > source.max_queue:
        raise IngestTooBig("batch", "samples", source.max_queue, "max_queue in ROVER_TELEMETRY")
    return samples
