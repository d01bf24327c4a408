"""Lets schemathesis send the media types that it does not know, as `schemathesis.toml` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemathesis

if TYPE_CHECKING:
    from schemathesis import SerializationContext

MEDIA_TYPES = (
    "application/offset+octet-stream",
    "application/partial-upload",
    "application/x-ndjson",
)


@schemathesis.serializer(*MEDIA_TYPES)
def as_text(_: SerializationContext, value: object) -> bytes:
    """The body of a request."""
    return str(value).encode()
