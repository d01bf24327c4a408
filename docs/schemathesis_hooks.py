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
    """Whether the URL says what the query is: not for objects, and not for lists of other values.

    An object is in the URL by its properties, if it has any. A list repeats the parameter, of which
    the last value counts.
    """
    return all(_is_in_url(value) for value in (query or {}).values())


def _is_in_url(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) for one in value)
    return not isinstance(value, dict)
