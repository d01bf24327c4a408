"""Open streams, which end when their client loses its access."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rover.errors import AccessEnded
    from rover.identity import Identity

    End = Callable[[AccessEnded], object]


class Grants:
    """The streams and transfers of clients whose access may end while they are open.

    Args:
        ended: returns why the access of a client has ended; `None` while it has not.
    """

    def __init__(self, ended: Callable[[Identity], AccessEnded | None] = lambda _: None) -> None:
        self.ended = ended
        self._open: dict[object, tuple[Identity, End]] = {}

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def hold(self, identity: Identity | None, end: End) -> Iterator[None]:
        """Call `end` if the client loses its access during the block, or has lost it before.

        Args:
            identity: of the client; `None` if its access was not checked.
            end: ends the stream. It is called once, and must not block.
        """
        if identity is None:
            yield
            return
        key = object()
        self._open[key] = identity, end
        try:
            self._end_if_due(key)
            yield
        finally:
            self._open.pop(key, None)

    def end_due(self) -> None:
        """End the streams of all clients that have lost their access."""
        for key in list(self._open):
            self._end_if_due(key)

    def _end_if_due(self, key: object) -> None:
        identity, end = self._open[key]
        if (error := self.ended(identity)) is not None:
            del self._open[key]
            end(error)
