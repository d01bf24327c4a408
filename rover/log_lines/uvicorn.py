"""uvicorn: its messages about connections, several of which it logs for one connection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

ACCESS_LOGGER = "uvicorn.access"

ERROR_LOGGER = "uvicorn.error"
"""The logger of everything else, errors or not."""

ACCESS_FIELDS = ("method", "path", "http_version", "status")
"""The arguments of its access records, in order, after the address and port of the client."""

ADDRESS = re.compile(r"(.*):([0-9]+)")

CONNECTION_MESSAGES = frozenset(
    {
        '%s - "%s %s HTTP/%s" %d',
        '%s - "WebSocket %s" [accepted]',
        '%s - "WebSocket %s" 403',
        '%s - "WebSocket %s" %d',
    }
)
"""Messages whose first argument is the address and port of a client."""

REDUNDANT = frozenset(
    {
        # websockets logs these to uvicorn's logger; uvicorn has logged the same connection
        *("connection open", "connection closed", "connection rejected (%d %s)"),
        # logged for each WebSocket that is refused with an HTTP response: uvicorn 0.52 sets
        # `handshake_complete` only when it accepts one
        "Application startup failed. Exiting.",  # the reason is in the line before
        "ASGI callable returned without completing handshake.",
    }
)
"""Messages about a connection that has another line."""

CLIENT_MISTAKES = frozenset({"Invalid UTF-8 sequence received from client."})
"""Messages whose traceback shows only what the client sent."""


def client_of(record: logging.LogRecord) -> str:
    """The address and port of the client in a record about a connection; else empty."""
    if record.msg in CONNECTION_MESSAGES and isinstance(record.args, tuple) and record.args:
        return str(record.args[0])
    return ""


def access_fields(record: logging.LogRecord) -> Mapping[str, object]:
    """The members of a JSON line about a request: `client`, `port` and `ACCESS_FIELDS`.

    A line about a WebSocket has only `client` and `port`.
    """
    match = ADDRESS.fullmatch(client_of(record))
    fields: dict[str, object] = {} if match is None else {"client": match[1], "port": int(match[2])}
    args = record.args
    if record.name == ACCESS_LOGGER and isinstance(args, tuple) and len(args) > len(ACCESS_FIELDS):
        fields |= zip(ACCESS_FIELDS, args[1:], strict=True)
    return fields
