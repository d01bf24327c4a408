"""The messages of a channel that have a `ref`, so that a repeated one is sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rover.comms.events import MessageEvent


class Refs:
    """Finds an earlier message with the same requested name, `ref` and text.

    Args:
        limit: maximum number of messages that are remembered, the newest ones.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._offsets: dict[tuple[str, str | None, int], int] = {}

    def find(self, message: MessageEvent) -> int | None:
        """The offset of the earlier message."""
        return None if message.ref is None else self._offsets.get(_key_of(message))

    def add(self, message: MessageEvent, offset: int) -> None:
        """Remember a message, if it has a `ref`."""
        if message.ref is None:
            return
        self._offsets[_key_of(message)] = offset
        if len(self._offsets) > self._limit:
            del self._offsets[next(iter(self._offsets))]


def _key_of(message: MessageEvent) -> tuple[str, str | None, int]:
    return message.requested_name, message.ref, hash(message.text)
