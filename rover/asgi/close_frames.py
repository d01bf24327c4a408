"""The reason in a WebSocket's close frame."""

from __future__ import annotations

MAX_REASON_BYTES = 123
"""Maximum size of the reason in a close frame (RFC 6455, 5.5)."""


def close_reason(text: str) -> str:
    """The text, truncated to the size of a close frame."""
    if len(text.encode()) <= MAX_REASON_BYTES:
        return text
    return text.encode()[: MAX_REASON_BYTES - 3].decode(errors="ignore") + "…"
