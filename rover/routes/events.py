"""The events of the telemetry sources over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from rover.asgi.query import moment, names, whole_number
from rover.asgi.responses import json_response
from rover.telemetry.event_log import MAX_EVENTS
from sources.base import Severity

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rover.routes.telemetry import HasTelemetry

LISTED = 100
"""Number of events in a response, by default."""


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`GET /events`."""

    async def listing(request: Request) -> Response:
        limit = whole_number(request, "limit", at_most=MAX_EVENTS)
        log = mission.telemetry.events
        found = log.select(
            limit=LISTED if limit is None else limit,
            since=moment(request, "since"),
            until=moment(request, "until"),
            severities=names(request, "severity", tuple(Severity)),
            name=request.query_params.get("name"),
            source=request.query_params.get("source"),
        )
        return json_response(
            {
                "events": [event.as_json() for event in found],
                "kept": len(log),
                "dropped": log.dropped,
            }
        )

    return [Route("/events", listing)]
