"""Alarms over HTTP: the list, and what people do with them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from rover.api import Answer, Body, Operation
from rover.api.operation import JSON
from rover.api.schema import ref
from rover.asgi.author import author
from rover.asgi.json_body import json_object, text_field
from rover.asgi.query import WholeNumber
from rover.asgi.responses import json_response
from rover.errors import BadBody, UnknownAlarm
from rover.telemetry.alarms import MAX_ENDED, MAX_SHELF_MINUTES, MAX_UNACKNOWLEDGED

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.routes.telemetry import HasTelemetry
    from rover.telemetry.alarm import Alarm

LIMIT = WholeNumber(
    name="limit",
    summary="maximum number of alarms in each list",
    at_most=MAX_UNACKNOWLEDGED + MAX_ENDED,
    default=1_000,
)


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`GET /alarms`, and `POST /alarms/{id}/acknowledge` and `/shelve`."""

    async def alarms(request: Request) -> Response:
        log = mission.telemetry.alarms
        limit, latched = LIMIT.of(request), log.latched
        return json_response(
            {
                "active": sum(alarm.is_active for alarm in latched),
                "latched": len(latched),
                "dropped": log.dropped,
                "alarms": [log.as_json(alarm) for alarm in latched[:limit]],
                "ended": [log.as_json(alarm) for alarm in islice(reversed(log.ended), limit)],
            }
        )

    def note(request: Request, body: dict[str, Any]) -> tuple[str, str]:
        """The name of the person, of the token or else the stated one, and the comment."""
        return author(request, body, mission.tokens.has_name), text_field(body, "comment")

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
        with mission.serving.receiving(request):
            body = await json_object(request, mission.serving.bodies)
        by, comment = note(request, body)
        alarm = mission.telemetry.alarms.acknowledge(request.path_params["alarm_id"], by, comment)
        await mission.telemetry.synced()
        record("alarm.acknowledge", alarm, by, comment)
        return json_response(mission.telemetry.alarms.as_json(alarm))

    async def shelve(request: Request) -> Response:
        with mission.serving.receiving(request):
            body = await json_object(request, mission.serving.bodies)
        by, comment = note(request, body)
        minutes = body.get("minutes")
        if isinstance(minutes, float) and minutes.is_integer():
            minutes = int(minutes)  # JSON has one type of number: 5.0 is 5
        if type(minutes) is not int or not 0 <= minutes <= MAX_SHELF_MINUTES:
            raise BadBody(
                f"`minutes` must be a whole number of at least 0 and at most {MAX_SHELF_MINUTES:,}"
            )
        alarm_id = request.path_params["alarm_id"]
        alarm = mission.telemetry.alarms.shelve(alarm_id, by, comment, minutes)
        await mission.telemetry.synced()
        record("alarm.shelve", alarm, by, comment, minutes=minutes)
        return json_response(mission.telemetry.alarms.as_json(alarm))

    return [
        Operation(
            "/alarms",
            alarms,
            "Alarms that are active or unacknowledged, and those that have ended",
            query=[LIMIT],
            answers={200: Answer("the most important and the newest first", ref("Alarms"))},
        ),
        Operation(
            "/alarms/{alarm_id}/acknowledge",
            acknowledge,
            "Acknowledge an alarm",
            method="POST",
            body=Body({JSON: ref("Acknowledgement")}),
            answers={200: Answer("the alarm", ref("Alarm"))},
            errors=[BadBody, UnknownAlarm],
            required_scope="say",
        ),
        Operation(
            "/alarms/{alarm_id}/shelve",
            shelve,
            "Shelve an alarm for some minutes, or end that with 0",
            method="POST",
            body=Body({JSON: ref("Shelving")}),
            answers={200: Answer("the alarm", ref("Alarm"))},
            errors=[BadBody, UnknownAlarm],
            required_scope="say",
        ),
    ]
