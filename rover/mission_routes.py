"""The routes of a mission: each checks access, and responds to its own errors, in any app."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from starlette.routing import Route, WebSocketRoute

from rover.api import Described, Operation
from rover.asgi.access import Access
from rover.asgi.authentication import Authentication
from rover.asgi.headers import ResponseHeaders
from rover.asgi.origins import Origins
from rover.asgi.problems import Problems
from rover.asgi.upgrades import WholeBodies
from rover.errors import MissionRecorded
from rover.identity import ANY
from rover.routes import (
    alarms,
    api,
    commands,
    comms,
    comms_export,
    comms_messages,
    dashboard,
    events,
    images,
    ingest,
    metrics,
    ops,
    queue,
    resumable,
    session,
    telemetry,
    uploads,
    video,
)

if TYPE_CHECKING:
    from starlette.authentication import AuthenticationBackend
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.mission import MissionControl

Part = Literal["telemetry", "images", "comms", "commands", "ops", "access", "dashboard"]
"""A part of the mission that another app can include."""

OPEN_PATHS = ops.OPEN_PATHS | session.OPEN_PATHS

AUDITED_REFUSALS = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
"""Statuses of refused requests that the audit log counts."""


def make_routes(
    mission: MissionControl, authentication: AuthenticationBackend | None
) -> dict[Part, list[BaseRoute]]:
    """The routes of each part.

    Args:
        mission: to serve.
        authentication: gives access to the users of the app that contains the mission.
    """
    routes: dict[Part, list[BaseRoute]] = {
        "telemetry": [
            *telemetry.routes(mission),
            *alarms.routes(mission),
            *events.routes(mission),
            *ingest.routes(mission),
        ],
        "images": [*images.routes(mission), *video.routes(mission)],
        "comms": [
            *comms.routes(mission),
            *comms_messages.routes(mission),
            *comms_export.routes(mission),
        ],
        "commands": [
            *commands.routes(mission),
            *resumable.routes(mission),  # its HEAD goes before the GET of the others
            *uploads.routes(mission),
            *queue.routes(mission),
        ],
        "ops": [*ops.routes(mission), *metrics.routes(mission), *api.routes(mission)],
        "access": session.routes(mission),
        "dashboard": dashboard.routes(mission),
    }
    for part, several in routes.items():
        for route in several:
            if isinstance(route, Route | WebSocketRoute):
                route.app = _protected(route, part, mission, authentication)
            if mission.settings.allowed_origins:
                _allow_preflights(route)
    return routes


def _protected(
    route: Route | WebSocketRoute,
    part: Part,
    mission: MissionControl,
    authentication: AuthenticationBackend | None,
) -> ASGIApp:
    """The app of a route with its access check, error responses and headers."""
    settings = mission.settings
    required = route.required_scope if isinstance(route, Described) else "view"
    endpoint: ASGIApp = WholeBodies(route.app)
    if mission.log.recorded is not None and _is_change(part, required):
        endpoint = _refuse_changes
    access: ASGIApp = Access(endpoint, mission, OPEN_PATHS, required)
    if authentication is not None:
        access = Authentication(access, authentication, Origins(settings.allowed_origins))

    def record_refusal(exc: Exception, status: HTTPStatus) -> None:
        mission.counts.refusals[status.value, type(exc).__name__] += 1
        if status in AUDITED_REFUSALS:
            mission.audit.refuse(type(exc).__name__)

    def count_response(status: int) -> None:
        mission.counts.responses[status] += 1

    return ResponseHeaders(
        Problems(access, record_refusal, mission.sign_in_forms.for_error),
        settings.allowed_origins,
        settings.trusted_proxies,
        count_response,
        has_options=isinstance(route, Operation) and route.method == "OPTIONS",
    )


def _is_change(part: Part, required_scope: str) -> bool:
    """Whether a route changes the mission."""
    return part != "access" and required_scope not in ("", "view", ANY)


def _allow_preflights(route: BaseRoute) -> None:
    if isinstance(route, Operation) and "OPTIONS" in route.other_methods:
        return
    if isinstance(route, Route) and route.methods:
        route.methods.add("OPTIONS")


async def _refuse_changes(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise MissionRecorded
