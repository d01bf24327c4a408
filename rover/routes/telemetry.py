"""Telemetry over HTTP: the stream, the dictionary, the newest sample, the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rover.asgi.query import moment, names, number, resume_point, whole_number
from rover.asgi.responses import json_response
from rover.errors import BadQuery
from rover.telemetry.events import state_json
from rover.telemetry.views import Look
from rover.wire import iso, sse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from rover.asgi.event_stream import EventStream, EventStreams
    from rover.settings import Settings
    from rover.telemetry import Telemetry
    from rover.telemetry.span import Span
    from sources.base import Parameter


MOST_POINTS = 20_000
"""A history longer than this is thinned also for those who do not ask."""


def routes(telemetry: Telemetry, settings: Settings, streams: EventStreams) -> list[BaseRoute]:
    """The routes of one telemetry feed."""

    async def history(request: Request) -> Response:
        fields = names(request, "fields", telemetry.fields)
        most = whole_number(request, "max_points", at_least=1, at_most=MOST_POINTS) or MOST_POINTS
        span = telemetry.history.between(moment(request, "since"), moment(request, "until"), fields)
        return await to_thread.run_sync(_history_response, span, most)

    async def parameters(_: Request) -> Response:
        return json_response({"parameters": [parameter_json(p) for p in telemetry.parameters]})

    async def latest(_: Request) -> Response:
        return Response(
            telemetry.latest, headers={"Cache-Control": "no-store"}, media_type="application/json"
        )

    return [
        Route("/stream/rover-telemetry", Stream(telemetry, settings, streams), methods=["GET"]),
        Route("/telemetry/parameters", parameters),
        Route("/telemetry/latest", latest),
        Route("/telemetry/history", history),
    ]


class Stream:
    """The stream, as an ASGI app.

    What Starlette wraps around a function endpoint stays for as long as its response; here that
    would be 2 kB for each of ten thousand readers.
    """

    def __init__(self, telemetry: Telemetry, settings: Settings, streams: EventStreams) -> None:
        self._telemetry = telemetry
        self._settings = settings
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what the query asks for."""
        stream = await self._open(Request(scope))
        await stream(scope, receive, send)

    async def _open(self, request: Request) -> EventStream:
        after = resume_point(request)
        last = whole_number(request, "last", at_most=self._settings.telemetry_events) or 0
        since = moment(request, "since")
        if since is not None and "last" in request.query_params:
            reason = "`last` and `since` exclude each other; leave out one of them"
            raise BadQuery("since", request.query_params["since"], reason)
        fields = names(request, "fields", self._telemetry.fields)
        hz = number(request, "hz", at_least=0.01, at_most=1000)
        topic = await self._telemetry.views.topic(Look(fields, hz))
        subscription = topic.subscribe(after, last=last, since=since)
        state = state_json(self._telemetry.health)
        preamble = sse(state, event="state", retry_ms=self._settings.retry_ms)
        if subscription.position != after:  # it was not here when the active alarms rang
            preamble += b"".join(self._telemetry.alarms.values())
        return self._streams.respond(subscription, preamble)


def _history_response(span: Span, max_points: int) -> Response:
    columns = span.thinned(max_points).told()
    columns["t"] = [iso(t) for t in columns["t"]]
    return json_response(columns)


def parameter_json(parameter: Parameter) -> dict[str, object]:
    """One entry of the telemetry dictionary, as clients see it."""
    return {
        "name": parameter.name,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "description": parameter.description,
        "limits": {"yellow": parameter.limits.yellow, "red": parameter.limits.red},
    }
