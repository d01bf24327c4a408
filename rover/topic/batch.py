"""A batch: consecutive events, shared by all subscribers at the same position."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Frame = TypeVar("Frame")
Framed = TypeVar("Framed")


class Batch(Generic[Item, Frame]):
    """Consecutive events.

    Attributes:
        frames: the encoded events, oldest first; never empty.
        offsets: of the same events.
        items: the same events before they were encoded.
    """

    def __init__(
        self, frames: Sequence[Frame], offsets: Sequence[int], items: Sequence[Item]
    ) -> None:
        self.frames = frames
        self.offsets = offsets
        self.items = items
        self._framed: dict[Callable[[Batch[Any, Any]], Any], Any] = {}

    @cached_property
    def body(self) -> bytes:
        """All frames joined, for topics of bytes. They are joined once for all subscribers."""
        if len(self.frames) == 1:
            return self.frames[0]  # type: ignore[return-value] # the caller's topic is of bytes
        return b"".join(self.frames)  # type: ignore[arg-type] # the caller's topic is of bytes

    def framed(self, framing: Callable[[Batch[Any, Any]], Framed]) -> Framed:
        """What is sent of the batch on a kind of connection, made once for all subscribers.

        Args:
            framing: makes it; the same function for all subscribers with this kind.
        """
        framed: Framed | None = self._framed.get(framing)
        if framed is None:
            framed = self._framed[framing] = framing(self)
        return framed
