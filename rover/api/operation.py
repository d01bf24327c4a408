"""Routes that describe themselves: the router, the access check and the documents read them.

    Operation(
        "/alarms", listing, "List the alarms", query=[LIMIT], answers={200: Answer("…", ALARMS)}
    )

A test fails if a mission has a route without a description.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.routing import Route, WebSocketRoute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from rover.asgi.query import QueryParameter, Schema

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of an operation.

    Attributes:
        description: for people.
        schema: of the body; `None` for a response without a body.
        media_types: of the body; `image/*` for any image.
        headers: descriptions of headers that matter to clients, by name.
    """

    description: str
    schema: Schema | None = None
    media_types: Sequence[str] = (JSON,)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request.

    Attributes:
        schemas: of the body, by media type.
        required: whether an empty body is refused.
    """

    schemas: Mapping[str, Schema]
    required: bool = True


class Operation(Route):
    """A route of one method, with its description.

    Args:
        path: as Starlette's.
        endpoint: as Starlette's: a function of a request, or an ASGI app.
        summary: in a few words.
        method: its HTTP method. A `GET` also answers `HEAD`.
        description: more about it, as Markdown.
        query: its query parameters.
        headers: descriptions of its request headers, by name.
        path_parameters: schemas of its path parameters, by name; any text by default.
        body: of its requests.
        answers: its responses by status, without errors.
        errors: the errors that it raises. `rover.asgi.problems.STATUS` has their status.
        required_scope: the scope that a client needs, one of `rover.identity.SCOPES`, or
            `rover.identity.ANY`; empty if the route serves any client.
        other_methods: those of other operations at the same path, for `Allow`.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        summary: str,
        *,
        method: str = "GET",
        description: str = "",
        query: Sequence[QueryParameter] = (),
        headers: Mapping[str, str] | None = None,
        path_parameters: Mapping[str, Schema] | None = None,
        body: Body | None = None,
        answers: Mapping[int, Answer],
        errors: Sequence[type[Exception]] = (),
        required_scope: str = "view",
        other_methods: Sequence[str] = (),
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.method = method
        self.summary = summary
        self.description = description
        self.query = query
        self.headers = headers or {}
        self.path_parameters = path_parameters or {}
        self.body = body
        self.answers = answers
        self.errors = errors
        self.required_scope = required_scope
        self.other_methods = other_methods

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override] # awaited, too
        """Run the endpoint, or raise a 405 that names the methods of all operations here.

        The endpoint's coroutine is returned: a frame would be kept as long as the response.
        """
        methods = self.methods or set()
        if scope["method"] in methods:
            return self.app(scope, receive, send)
        allowed = ", ".join(sorted({*methods, *self.other_methods}))
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": allowed})


class Channel(WebSocketRoute):
    """A WebSocket route with its description.

    Args:
        path: as Starlette's.
        endpoint: as Starlette's.
        summary: in a few words.
        query: its query parameters.
        required_scope: the scope that a client needs, one of `rover.identity.SCOPES`.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        summary: str,
        *,
        query: Sequence[QueryParameter] = (),
        required_scope: str = "view",
    ) -> None:
        super().__init__(path, endpoint)
        self.summary = summary
        self.query = query
        self.required_scope = required_scope

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override] # awaited, too
        """Run the endpoint, whose coroutine is returned."""
        return self.app(scope, receive, send)


Described = Operation | Channel
"""A route with a description."""
