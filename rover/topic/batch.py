"""A batch: consecutive events, shared by all subscribers at the same position."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from rover.events import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")
Frame = TypeVar("Frame")


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

    @cached_property
    def body(self) -> bytes:
        """All frames joined, for topics of bytes. They are joined once for all subscribers."""
        if len(self.frames) == 1:
            return self.frames[0]  # type: ignore[return-value] # the caller's topic is of bytes
        return b"".join(self.frames)  # type: ignore[arg-type] # the caller's topic is of bytes


News: TypeAlias = Batch[Any, Any] | Heartbeat
"""The result of a release: events, or a heartbeat if the topic is silent but open."""
