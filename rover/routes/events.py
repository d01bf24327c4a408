"""The events of the telemetry sources over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.api import Answer, Operation
from rover.api.schema import ref
from rover.asgi.query import Moment, Names, Text, WholeNumber
from rover.asgi.responses import json_response
from rover.telemetry.event_log import MAX_EVENTS
from sources.base import Severity

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.routes.telemetry import HasTelemetry

SEVERITIES = tuple(str(one) for one in Severity)

LIMIT = WholeNumber(
    name="limit", summary="maximum number of events", at_most=MAX_EVENTS, default=100
)
SINCE = Moment(name="since", summary="time of the first event")
UNTIL = Moment(name="until", summary="time before which the last event is")
SEVERITY = Names(name="severity", summary="severities", known=lambda: SEVERITIES, listed=True)
NAME = Text(name="name", summary="name of the events")
SOURCE = Text(name="source", summary="name of the source")


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`GET /events`."""

    async def source_events(request: Request) -> Response:
        log = mission.telemetry.events
        found = log.select(
            limit=LIMIT.of(request),
            since=SINCE.of(request),
            until=UNTIL.of(request),
            severities=SEVERITY.of(request),
            name=NAME.of(request),
            source=SOURCE.of(request),
        )
        return json_response(
            {
                "events": [event.as_json() for event in found],
                "kept": len(log),
                "dropped": log.dropped,
            }
        )

    return [
        Operation(
            "/events",
            source_events,
            "Events of the telemetry sources",
            query=[LIMIT, SINCE, UNTIL, SEVERITY, NAME, SOURCE],
            answers={200: Answer("the newest first", ref("Events"))},
        )
    ]
