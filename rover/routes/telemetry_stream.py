"""`GET /stream/rover-telemetry`: the live telemetry, a view of it, or a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from rover.asgi.query import RESUME_POINT, Moment, Names, Number, WholeNumber
from rover.errors import BadQuery
from rover.routes.replay import AT, SPEED, open_replay
from rover.telemetry.events import BEAT
from rover.telemetry.views import Selection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from starlette.types import Receive, Scope, Send

    from rover.asgi.event_stream import EventStream
    from rover.routes.replay import HasRecord
    from rover.telemetry.events import TelemetryEvent
    from rover.topic import EventId, Topic

RATE = Number(name="hz", summary="maximum samples per second", at_least=0.01, at_most=1000)

SINCE = Moment(name="since", summary="time of the oldest retained event to begin with")


def fields_of(mission: HasRecord) -> Names:
    """The query parameter `fields`."""
    return Names(
        name="fields",
        summary="names of parameters, all by default",
        known=lambda: mission.telemetry.fields,
    )


class TelemetryStream:
    """The event stream, as an ASGI app.

    A function endpoint would cost 2 kB per client: Starlette keeps its wrapper as long as the
    response.
    """

    def __init__(self, mission: HasRecord) -> None:
        self._mission = mission
        self._fields = fields_of(mission)
        self._last = WholeNumber(
            name="last",
            summary="number of retained events to begin with",
            at_most=mission.serving.settings.telemetry_events,
            default=None,
        )
        self.query = (self._fields, RATE, RESUME_POINT, self._last, SINCE, AT, SPEED)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Respond with the events that the query selects.

        The response's coroutine is returned, if nothing must be opened first.
        """
        request = Request(scope, receive)
        at, fields, hz = AT.of(request), self._fields.of(request), RATE.of(request)
        if at is not None:
            return self._replay(request, at, fields, send)
        if SPEED.of(request) is not None:
            reason = "is for replays; send `at` too"
            raise BadQuery("speed", request.query_params["speed"], reason)
        if (selection := Selection(fields, hz)) != Selection():
            return self._view(request, selection, send)
        return self._follow(request, self._mission.telemetry.topic)(scope, receive, send)

    async def _replay(
        self, request: Request, at: float, fields: Collection[str] | None, send: Send
    ) -> None:
        stream = await open_replay(self._mission, request, at, fields)
        await stream(request.scope, request.receive, send)

    async def _view(self, request: Request, selection: Selection, send: Send) -> None:
        serving = self._mission.serving
        client = serving.clients.name_of(request.scope, request.receive)
        self._check_start(request)
        serving.streams.check_capacity(client)  # before a view is opened for it
        topic = await self._mission.telemetry.views.topic(selection, client)
        await self._follow(request, topic)(request.scope, request.receive, send)

    def _check_start(self, request: Request) -> tuple[EventId | None, int | None, float | None]:
        after, last = RESUME_POINT.of(request), self._last.of(request)
        since = SINCE.of(request)
        if since is not None and last is not None:
            reason = "`last` and `since` exclude each other; send only one of them"
            raise BadQuery("since", request.query_params["since"], reason)
        return after, last, since

    def _follow(self, request: Request, topic: Topic[TelemetryEvent, bytes]) -> EventStream:
        telemetry, serving = self._mission.telemetry, self._mission.serving
        after, last, since = self._check_start(request)
        client = serving.clients.name_of(request.scope, request.receive)
        subscriber = topic.subscribe(after, last=last or 0, since=since)
        preamble = telemetry.state_events(serving.settings.retry_ms)
        if subscriber.position != after:  # else the client has the alarms' events
            preamble += telemetry.alarms.latched_events()
        return serving.streams.respond(subscriber, preamble, BEAT, client)
