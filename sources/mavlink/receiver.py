"""The messages of all senders of a link."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sources.links.chunk import Chunk
    from sources.values.losses import Losses

K = TypeVar("K")
V = TypeVar("V")

MAX_SENDERS = 64
"""Maximum number of senders whose unfinished messages are kept; the oldest is dropped."""

BYTES_PER_TURN = 1024
"""Bytes that are parsed before other tasks run."""

MAX_PARSED_BYTES = 2**16
"""Bytes of parsed messages that a parser may keep; pymavlink frees them only by chance."""

MAX_UNREADABLE = 100
"""Number of damaged messages after which a link is lost if none could be read."""


class Receiver:
    """The parsers of all senders, from one opening of a link to the next.

    Args:
        module: of the dialect.
        losses: counts damaged and unknown messages.
        dialect: its name.
    """

    def __init__(self, module: Any, losses: Losses, dialect: str) -> None:
        self._module = module
        self._losses = losses
        self._dialect = dialect
        self._parsers: OrderedDict[object, Any] = OrderedDict()
        self._has_read = False
        self._damaged = 0

    def messages(self, chunk: Chunk, start: int) -> Iterator[Any]:
        """Yield the messages that a part of a chunk completes.

        Raises:
            SourceError: the link carries no MAVLink.
        """
        parser = newest(self._parsers, chunk.host if chunk.whole else chunk.stream, self._parser)
        for message in parser.parse_buffer(chunk.data[start : start + BYTES_PER_TURN]) or ():
            kind = message.get_type()
            if kind == "BAD_DATA":
                self._damage(str(message.reason), bytes(message.data))
            elif kind.startswith("UNKNOWN_"):
                number = kind.removeprefix("UNKNOWN_")
                self._losses.add(
                    f"message {number} is not in dialect={self._dialect}; try dialect=all"
                )
            else:
                self._has_read = True
                yield message
        if parser.buf_index > MAX_PARSED_BYTES:
            del parser.buf[: parser.buf_index]
            parser.buf_index = 0

    @property
    def kept_bytes(self) -> int:
        """Bytes that the parsers keep."""
        return sum(len(parser.buf) for parser in self._parsers.values())

    def _parser(self) -> Any:
        parser = self._module.MAVLink(None)
        parser.robust_parsing = True
        return parser

    def _damage(self, reason: str, data: bytes) -> None:
        self._losses.add(reason, data)
        self._damaged += 1
        if self._damaged >= MAX_UNREADABLE and not self._has_read:
            raise SourceError(
                f"none of the last {MAX_UNREADABLE} messages could be read ({reason}); is it"
                " MAVLink, and is the baud rate right?"
            )


def newest(kept: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """The value of a key, which becomes the newest; the oldest is dropped over `MAX_SENDERS`."""
    if key not in kept:
        kept[key] = make()
        if len(kept) > MAX_SENDERS:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
