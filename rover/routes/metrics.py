"""The metrics of the mission for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from anyio import CapacityLimiter, to_thread
from starlette.responses import Response

from rover.api import Answer, Operation
from rover.api.schema import TEXT
from rover.metrics import encode
from rover.metrics.encode import OPEN_METRICS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.metrics import MissionMetrics


class HasMetrics(Protocol):
    """The part of a mission that this route uses."""

    metrics: MissionMetrics


def routes(mission: HasMetrics) -> list[BaseRoute]:
    """`GET /metrics`. One response is encoded at a time; more requests wait."""
    encoders = CapacityLimiter(1)

    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        async with encoders:
            families = list(mission.metrics.collect())
            body, content_type = await to_thread.run_sync(encode, families, accept)
        return Response(body, headers={"Content-Type": content_type})

    return [
        Operation(
            "/metrics",
            metrics,
            "Numbers for Prometheus",
            answers={200: Answer("all metrics", TEXT, ["text/plain", OPEN_METRICS])},
        )
    ]
