"""The messages of a channel that have a `ref`, so that a repeated one is sent once."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from rover.errors import MessageConflict
from rover.wire import dumps_sorted

if TYPE_CHECKING:
    from rover.comms.events import MessageEvent


class _Known(NamedTuple):
    offset: int
    digest: str


class Refs:
    """Finds an earlier message with the same sender and `ref`.

    Args:
        limit: maximum number of messages that are remembered, the newest ones.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[tuple[str, str], _Known] = {}

    def find(self, message: MessageEvent) -> int | None:
        """The offset of the earlier message.

        Raises:
            MessageConflict: that one is a different message.
        """
        if message.ref is None:
            return None
        known = self._known.get((message.sender, message.ref))
        if known is None:
            return None
        if known.digest != digest_of(message):
            raise MessageConflict(
                "ref_reused",
                f"another message of {message.name!r} has the ref {message.ref!r}; use a "
                "new one for each message",
            )
        return known.offset

    def add(self, message: MessageEvent, offset: int) -> None:
        """Remember a message, if it has a `ref`."""
        if message.ref is None:
            return
        key = message.sender, message.ref
        self._known.pop(key, None)  # so that the newest is last
        self._known[key] = _Known(offset, digest_of(message))
        if len(self._known) > self._limit:
            del self._known[next(iter(self._known))]


def digest_of(message: MessageEvent) -> str:
    """A digest of the text, the kind and the data that the client has sent."""
    if message.sent:
        return message.sent
    sent = dumps_sorted([message.text, message.content.as_json()])
    return blake2b(sent.encode(errors="surrogatepass"), digest_size=12).hexdigest()
