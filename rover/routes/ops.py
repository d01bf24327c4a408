"""For those who keep the server running: is it alive, can it serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from rover import __version__
from rover.asgi.responses import json_response
from rover.supervise import Health, State
from rover.wire import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Answered also before the mission runs and while it drains: that is what they tell."""


def routes(
    phase: Callable[[], str], sources: Callable[[], Mapping[str, Health]]
) -> list[BaseRoute]:
    """The health routes.

    Args:
        phase: gives `running`, `draining`, `ended` or `not started`.
        sources: gives each source's health.
    """

    async def healthz(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        ready = phase() == "running"
        about = {
            name: {"state": h.state, "detail": h.detail, "since": iso(h.since)}
            for name, h in sources().items()
        }
        ready = ready and all(h.state is not State.DOWN for h in sources().values())
        body = {"ready": ready, "phase": phase(), "sources": about}
        return json_response(body, 200 if ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
