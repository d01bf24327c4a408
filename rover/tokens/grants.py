"""Open streams, which end when their client loses its access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.errors import AccessEnded
    from rover.identity import Identity

    Ended = Callable[[Identity], AccessEnded | None]
    End = Callable[[AccessEnded], object]


class Grants:
    """The streams and transfers of clients whose access may end while they are open.

    Args:
        ended: returns why the access of a client has ended; `None` while it has not.

    Attributes:
        ended: the same; sessions replace it before the first stream opens.
    """

    def __init__(self, ended: Ended = lambda _: None) -> None:
        self.ended = ended
        self._open: set[Hold] = set()

    def __len__(self) -> int:
        return len(self._open)

    def check(self, identity: Identity | None) -> None:
        """Check that a client still has access.

        Raises:
            AccessEnded: it has lost it.
        """
        if identity is not None and (error := self.ended(identity)) is not None:
            raise error

    def hold(self, identity: Identity | None, end: End) -> Hold:
        """A context manager that calls `end` if the client loses its access during the block.

        Args:
            identity: of the client; `None` if its access was not checked, and is not checked now.
            end: ends the stream; called once. It must not block.
        """
        return Hold(self._open, self.ended, identity, end)

    def end_due(self) -> None:
        """End the streams of all clients that have lost their access."""
        for hold in list(self._open):
            hold.end_if_due()


class Hold:
    """The access of one open stream. A client that has lost it before is ended at once."""

    __slots__ = ("_end", "_ended", "_identity", "_open")

    def __init__(self, open_: set[Hold], ended: Ended, identity: Identity | None, end: End) -> None:
        self._open = open_
        self._ended = ended
        self._identity = identity
        self._end = end

    def __enter__(self) -> Self:
        if self._identity is not None:
            self._open.add(self)
            self.end_if_due()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.discard(self)

    def end_if_due(self) -> None:
        """End the stream if its client has lost its access."""
        if self._identity is not None and (error := self._ended(self._identity)) is not None:
            self._open.discard(self)
            self._end(error)
