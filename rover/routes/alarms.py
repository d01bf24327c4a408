"""Alarms over HTTP: the list, and what people do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from rover.asgi.json_body import json_object, text_field
from rover.asgi.responses import json_response
from rover.errors import BadBody

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rover.routes.telemetry import HasTelemetry

MAX_SHELF_MINUTES = 24 * 60


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`GET /alarms`, and `POST /alarms/{id}/acknowledge` and `/shelve`."""

    async def listing(_: Request) -> Response:
        log = mission.telemetry.alarms
        return json_response(
            {
                "alarms": [log.as_json(alarm) for alarm in log.latched],
                "ended": [log.as_json(alarm) for alarm in reversed(log.ended)],
            }
        )

    async def acknowledge(request: Request) -> Response:
        body = await json_object(request, mission.serving.bodies)
        by, comment = text_field(body, "by", required=True), text_field(body, "comment")
        alarm = mission.telemetry.acknowledge(request.path_params["alarm_id"], by, comment)
        return json_response(mission.telemetry.alarms.as_json(alarm))

    async def shelve(request: Request) -> Response:
        body = await json_object(request, mission.serving.bodies)
        by, comment = text_field(body, "by", required=True), text_field(body, "comment")
        minutes = body.get("minutes")
        if type(minutes) is not int or not 0 <= minutes <= MAX_SHELF_MINUTES:
            raise BadBody(
                f"`minutes` must be a whole number of at least 0 and at most {MAX_SHELF_MINUTES:,}"
            )
        alarm_id = request.path_params["alarm_id"]
        alarm = mission.telemetry.shelve(alarm_id, by, comment, minutes)
        return json_response(mission.telemetry.alarms.as_json(alarm))

    return [
        Route("/alarms", listing),
        Route("/alarms/{alarm_id}/acknowledge", acknowledge, methods=["POST"]),
        Route("/alarms/{alarm_id}/shelve", shelve, methods=["POST"]),
    ]
