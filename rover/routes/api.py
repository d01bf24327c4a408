"""The description of this API: one document of its operations, one of the events of its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rover.api import Answer, Channel, Operation, asyncapi_document, openapi_document
from rover.api.schema import ref
from rover.asgi.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.settings import Settings


class HasSettings(Protocol):
    """The parts of a mission that these routes use."""

    settings: Settings


def routes(mission: HasSettings) -> list[BaseRoute]:
    """`GET /openapi.json` and `GET /asyncapi.json`, of the routes that the same app has."""

    async def openapi(request: Request) -> Response:
        operations = [one for one in _all(request.app.routes) if isinstance(one, Operation)]
        return json_response(
            openapi_document(operations, open_to_local=not mission.settings.tokens)
        )

    async def asyncapi(request: Request) -> Response:
        served = _all(request.app.routes)
        described = [one for one in served if isinstance(one, Operation | Channel)]
        return json_response(asyncapi_document(described))

    document = ref("Document")
    return [
        Operation(
            "/openapi.json",
            openapi,
            "This document",
            answers={200: Answer("OpenAPI 3.1", document)},
        ),
        Operation(
            "/asyncapi.json",
            asyncapi,
            "The events of the streams, and the messages of the channels",
            answers={200: Answer("AsyncAPI 3.0", document)},
        ),
    ]


def _all(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes, also those in a `Mount` of the app."""
    for route in routes:
        yield route
        yield from _all(getattr(route, "routes", None) or ())
