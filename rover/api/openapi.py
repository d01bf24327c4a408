"""The OpenAPI document of the operations that an app serves.

Source: OpenAPI 3.1.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rover import __version__, errors
from rover.api.schema import TEXT, ref
from rover.api.schemas import SCHEMAS
from rover.asgi.problems import PROBLEM, status_of
from rover.asgi.query import ResumePoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rover.api.operation import Operation
    from rover.asgi.query import QueryParameter, Schema

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an access token"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rover_session_8000",
        "description": "of a browser that signed in; its name has the port of the server",
    },
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "an access token, for clients that cannot set headers",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "for one `EventSource` or WebSocket of a page; `POST /tickets` makes it",
    },
}
"""The ways to get access, by name."""

COMMON_ERRORS = (
    errors.NotStarted,
    errors.Draining,
    errors.AccessRefused,
    errors.TokenRequired,
    errors.TooManyFailures,
)
"""The errors of each operation that does not serve every client."""

BODY_ERRORS = (
    errors.UploadInterrupted,
    errors.UploadStalled,
    errors.UploadTooSlow,
    errors.UploadTimedOut,
)
"""The errors of each operation that has a body."""


def openapi_document(operations: Iterable[Operation], *, open_to_local: bool) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        operations: of the app.
        open_to_local: whether clients of this machine need no token.
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = re.sub(r":\w+}", "}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _described(operation, open_to_local)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Cosmic Rover",
            "version": __version__,
            "description": "Images, telemetry, comms and command files of a remote machine. "
            "`asyncapi.json` describes the events of its streams.",
        },
        "servers": [{"url": "./", "description": "the folder of this document"}],
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": SECURITY_SCHEMES},
    }


def _described(operation: Operation, open_to_local: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation),
        "security": _security(operation, open_to_local),
    }
    if body := operation.body:
        content = {kind: {"schema": schema} for kind, schema in body.schemas.items()}
        described["requestBody"] = {"content": content, "required": body.required}
    return {name: value for name, value in described.items() if value or name == "security"}


def _security(operation: Operation, open_to_local: bool) -> list[dict[str, list[str]]]:
    if not (scope := operation.required_scope):
        return []
    return [*({name: [scope]} for name in SECURITY_SCHEMES), *([{}] if open_to_local else [])]


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in operation.param_convertors:
        schema = operation.path_parameters.get(name, TEXT)
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for parameter in operation.query:
        yield query_parameter(parameter)
        if isinstance(parameter, ResumePoint):
            summary = f"takes precedence over `{parameter.name}`"
            yield _header(parameter.header, summary, parameter.header_schema)
    for name, description in operation.headers.items():
        yield _header(name, description, TEXT)


def query_parameter(parameter: QueryParameter) -> dict[str, Any]:
    """A query parameter as OpenAPI describes it."""
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.summary,
        "schema": parameter.schema,
    }
    if parameter.schema.get("type") == "array":
        described |= {"style": "form", "explode": False}  # separated by commas
    return described


def _header(name: str, description: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        described: dict[str, Any] = {"description": answer.description}
        if answer.schema is not None:
            schema = {"schema": answer.schema}
            described["content"] = dict.fromkeys(answer.media_types, schema)
        if answer.headers:
            described["headers"] = {
                name: {"description": text, "schema": TEXT} for name, text in answer.headers.items()
            }
        responses[str(status)] = described
    for status, kinds in _errors_by_status(operation).items():
        sentences = dict.fromkeys(_first_line(kind) for kind in kinds)
        problem = {"schema": ref("Problem")}
        responses.setdefault(str(status), {"description": " ".join(sentences)}).setdefault(
            "content", {}
        )[PROBLEM] = problem
    return dict(sorted(responses.items()))


def _errors_by_status(operation: Operation) -> dict[int, list[type[Exception]]]:
    """The errors of an operation by status, which `rover.asgi.problems.STATUS` has."""
    found: dict[int, list[type[Exception]]] = {}
    common = COMMON_ERRORS if operation.required_scope else ()
    query = (errors.BadQuery,) if operation.query else ()
    body = BODY_ERRORS if operation.body else ()
    for kind in (*common, *query, *body, *operation.errors):
        found.setdefault(status_of(kind), []).append(kind)
    return found


def _first_line(kind: type[Exception]) -> str:
    return (kind.__doc__ or kind.__name__).partition("\n")[0]
