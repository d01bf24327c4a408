"""What `schemathesis.toml` cannot say: bodies of some media types, and what a query has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemathesis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemathesis import HookContext, SerializationContext

MEDIA_TYPES = (
    "application/offset+octet-stream",
    "application/partial-upload",
    "application/x-ndjson",
)


@schemathesis.serializer(*MEDIA_TYPES)
def as_text(_: SerializationContext, value: object) -> bytes:
    """The body of a request."""
    return str(value).encode()


@schemathesis.hook
def filter_query(_: HookContext, query: Mapping[str, object] | None) -> bool:
    """Whether each parameter is in the URL: an object is there by its properties, if it has any."""
    values = (query or {}).values()
    return not any(isinstance(value, dict) or value == [] for value in values)
