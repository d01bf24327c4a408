"""Alarms over HTTP: the list, and what people do with them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Route

from rover.asgi.json_body import json_object, text_field
from rover.asgi.query import whole_number
from rover.asgi.responses import json_response
from rover.errors import BadBody
from rover.telemetry.alarms import MAX_ENDED, MAX_UNACKNOWLEDGED

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rover.routes.telemetry import HasTelemetry
    from rover.telemetry.alarms import Alarm

MAX_SHELF_MINUTES = 24 * 60

MAX_NAME_CHARACTERS = 100

MAX_LISTED = 1_000
"""Maximum number of alarms in each list of a response, by default."""


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`GET /alarms`, and `POST /alarms/{id}/acknowledge` and `/shelve`."""

    async def listing(request: Request) -> Response:
        log = mission.telemetry.alarms
        most = MAX_UNACKNOWLEDGED + MAX_ENDED
        limit = whole_number(request, "limit", at_least=0, at_most=most)
        limit = MAX_LISTED if limit is None else limit
        latched = log.latched
        return json_response(
            {
                "active": sum(alarm.is_active for alarm in latched),
                "latched": len(latched),
                "dropped": log.dropped,
                "alarms": [log.as_json(alarm) for alarm in latched[:limit]],
                "ended": [log.as_json(alarm) for alarm in islice(reversed(log.ended), limit)],
            }
        )

    def note(body: dict[str, Any]) -> tuple[str, str]:
        name = text_field(
            body, "by", required=True, max_characters=MAX_NAME_CHARACTERS, one_line=True
        )
        return name, text_field(body, "comment")

    def record(action: str, alarm: Alarm, by: str, comment: str, **more: object) -> None:
        mission.audit.record(
            action,
            alarm=alarm.id,
            parameter=alarm.parameter,
            level=alarm.level,
            stated_name=by,
            comment=comment,
            **more,
        )

    async def acknowledge(request: Request) -> Response:
        body = await json_object(request, mission.serving.bodies)
        by, comment = note(body)
        alarm = mission.telemetry.acknowledge(request.path_params["alarm_id"], by, comment)
        record("alarm.acknowledge", alarm, by, comment)
        return json_response(mission.telemetry.alarms.as_json(alarm))

    async def shelve(request: Request) -> Response:
        body = await json_object(request, mission.serving.bodies)
        by, comment = note(body)
        minutes = body.get("minutes")
        if type(minutes) is not int or not 0 <= minutes <= MAX_SHELF_MINUTES:
            raise BadBody(
                f"`minutes` must be a whole number of at least 0 and at most {MAX_SHELF_MINUTES:,}"
            )
        alarm_id = request.path_params["alarm_id"]
        alarm = mission.telemetry.shelve(alarm_id, by, comment, minutes)
        record("alarm.shelve", alarm, by, comment, minutes=minutes)
        return json_response(mission.telemetry.alarms.as_json(alarm))

    return [
        Route("/alarms", listing),
        Route("/alarms/{alarm_id}/acknowledge", acknowledge, methods=["POST"]),
        Route("/alarms/{alarm_id}/shelve", shelve, methods=["POST"]),
    ]
