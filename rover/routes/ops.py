"""Health checks: whether the process runs, and whether the mission can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rover import __version__
from rover.api import Answer, Operation
from rover.api.schema import ref
from rover.asgi.access import STRANGER
from rover.asgi.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.audit import AuditLog
    from rover.logs import Log
    from rover.tokens import Tokens

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Paths that are served in any phase and to any client. Only clients with access get details."""


class HasSources(Protocol):
    """The parts of a mission that these routes use."""

    tokens: Tokens
    audit: AuditLog
    log: Log
    access_of_others: str

    @property
    def phase(self) -> str:
        """`not started`, `running`, `draining` or `ended`."""
        ...

    def sources(self) -> Mapping[str, Mapping[str, object]]:
        """Each source and its state, as JSON."""
        ...

    def notifications(self) -> Sequence[Mapping[str, object]]:
        """The state of each receiver of notifications, as JSON."""
        ...


def routes(mission: HasSources) -> list[BaseRoute]:
    """`GET /healthz` and `GET /readyz`."""

    async def healthz(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__})

    async def readyz(request: Request) -> Response:
        # this server can serve even if the machine is unreachable
        ready = mission.phase == "running"
        body: dict[str, object] = {"ready": ready}
        if not request.scope.get(STRANGER):
            others = mission.access_of_others
            body |= {
                "phase": mission.phase,
                "sources": mission.sources(),
                "notifications": mission.notifications(),
                "audit": mission.audit.as_json(),
                "recording": mission.log.as_json(),
                "tokens": {
                    "usable": mission.tokens.failure is None,
                    "detail": mission.tokens.failure,
                },
                "data_folder": {"private": not others, "detail": others or None},
            }
        return json_response(body, 200 if ready else 503)

    readiness = ref("Readiness")
    return [
        Operation(
            "/healthz",
            healthz,
            "Whether the process runs",
            answers={200: Answer("it runs", ref("Health"))},
            required_scope="",
        ),
        Operation(
            "/readyz",
            readyz,
            "Whether the mission can serve, and the state of its sources",
            answers={200: Answer("it can serve", readiness), 503: Answer("not yet", readiness)},
            required_scope="",
        ),
    ]
