"""Telemetry over HTTP: the stream, the dictionary, the newest sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rover.routes.query import resume_point, whole_number
from rover.routes.responses import json_response
from rover.telemetry import Telemetry, state_json
from rover.wire import sse

if TYPE_CHECKING:
    from starlette.requests import Request

    from rover.routes.eventstream import EventStream, EventStreams
    from rover.settings import Settings
    from sources.base import Parameter


def routes(telemetry: Telemetry, settings: Settings, streams: EventStreams) -> list[BaseRoute]:
    """The routes of one telemetry feed."""

    async def stream(request: Request) -> EventStream:
        after = resume_point(request)
        last = whole_number(request, "last", at_most=settings.telemetry_events)
        now = sse(state_json(telemetry.health), event="state", retry_ms=settings.retry_ms)
        return streams.respond(telemetry.topic.subscribe(after, last=last), preamble=now)

    async def parameters(_: Request) -> Response:
        return json_response({"parameters": [parameter_json(p) for p in telemetry.parameters]})

    async def latest(_: Request) -> Response:
        return Response(
            telemetry.latest, headers={"Cache-Control": "no-store"}, media_type="application/json"
        )

    return [
        Route("/stream/rover-telemetry", stream),
        Route("/telemetry/parameters", parameters),
        Route("/telemetry/latest", latest),
    ]


def parameter_json(parameter: Parameter) -> dict[str, object]:
    """One entry of the telemetry dictionary, as clients see it."""
    return {
        "name": parameter.name,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "description": parameter.description,
        "limits": {"yellow": parameter.limits.yellow, "red": parameter.limits.red},
    }
