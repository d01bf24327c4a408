"""Ingest of telemetry: a device POSTs samples, one or many at a time.

A body is read and checked completely before any sample is used. Either the status is 202 and all
samples enter the stream, or it is an error and none does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.responses import Response

from rover.api import Answer, Body, Operation
from rover.api.operation import JSON
from rover.api.schema import TEXT, ref
from rover.asgi.query import Choice, Text
from rover.asgi.responses import json_response
from rover.errors import (
    BadQuery,
    BatchRefused,
    IngestTooBig,
    NotIngesting,
    PoolFull,
    UnknownMediaType,
)
from rover.identity import IDENTITY
from rover.telemetry.events import sample_json
from rover.telemetry.values import usable_values
from sources.base import Sample
from sources.lines.influx import PER_SECOND, Precision
from sources.push import InboxFull, PushTelemetry
from sources.values.bulk import Bulk
from sources.values.payload import PayloadRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.asgi.body import Bodies
    from rover.routes.telemetry import HasTelemetry
    from rover.settings import Settings

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


PRECISION: Choice[Precision] = Choice(
    name="precision", summary="unit of the times in line protocol", choices=lambda: PER_SECOND
)

TAGS = Text(name="tags", summary="tags of line protocol that are part of a name")

DEVICE = Text(name="device", summary="name of the device, a prefix of the names")

ERRORS = (NotIngesting, UnknownMediaType, IngestTooBig, BatchRefused, InboxFull, PoolFull)

WHITE_SPACE = b" \t\r\n\xef\xbb\xbf"
"""Bytes that may precede JSON; the last three are a byte order mark."""


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`POST /ingest/telemetry`, and `POST /api/v2/write` for clients of InfluxDB 2.

    Without a `push:` source, the status is 409. If there are several, `?source=` names one of them.
    """
    source: Choice[str] = Choice(
        name="source",
        summary="name of the source, if there are several",
        choices=lambda: _push_sources(mission),
    )

    async def ingest(request: Request) -> Response:
        with mission.serving.receiving(request):
            return await receive(request)

    async def receive(request: Request) -> Response:
        push, settings = _find(request, source, mission), mission.serving.settings
        media_type = _media_type(request)
        precision = PRECISION.of(request) or "ns"
        tags, device = TAGS.of(request), DEVICE.of(request) or ""
        body = await _receive(request, mission.serving.bodies, settings)
        if "json" in media_type or body.lstrip(WHITE_SPACE).startswith((b"{", b"[")):
            found = push.reader.batch(body, device or None)
        else:
            found = push.line_protocol.samples(body, precision, tags, device)
        if len(body) > MAX_INLINE_BYTES:
            samples = await run_sync(_check, push, found, settings.max_sample_bytes)
        else:
            samples = _check(push, found, settings.max_sample_bytes)
        push.take(samples)
        return json_response({"accepted": len(samples)}, 202)

    async def write(request: Request) -> Response:
        await ingest(request)
        return Response(status_code=204)  # as InfluxDB answers

    return [
        Operation(
            "/ingest/telemetry",
            ingest,
            "Send samples",
            description="The server detects the format from the body, unless the type is of JSON.",
            method="POST",
            query=[source, PRECISION, TAGS, DEVICE],
            body=Body(
                {JSON: ref("Samples"), "application/x-ndjson": TEXT, "text/plain": TEXT},
            ),
            answers={202: Answer("all samples enter the stream", ref("Accepted"))},
            errors=ERRORS,
            required_scope="ingest",
        ),
        Operation(
            "/api/v2/write",
            write,
            "Send samples as clients of InfluxDB 2 do",
            method="POST",
            query=[source, PRECISION, TAGS, DEVICE],
            body=Body({"text/plain": TEXT}),
            answers={204: Answer("all samples enter the stream")},
            errors=ERRORS,
            required_scope="ingest",
        ),
    ]


def _find(request: Request, source: Choice[str], mission: HasTelemetry) -> PushTelemetry:
    """The source that a request names, or the only one."""
    found = _push_sources(mission)
    if not found:
        names = (type(feed.source).__name__ for feed in mission.telemetry.feeds.values())
        raise NotIngesting(", ".join(names))
    name = source.of(request)
    if name is None and len(found) > 1:
        raise BadQuery("source", "", f"must be one of {', '.join(found)}")
    return found[name or next(iter(found))]


def _push_sources(mission: HasTelemetry) -> dict[str, PushTelemetry]:
    return {
        name: feed.source
        for name, feed in mission.telemetry.feeds.items()
        if isinstance(feed.source, PushTelemetry)
    }


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
    async for chunk in bodies.read(request.receive, request.scope.get(IDENTITY)):
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
