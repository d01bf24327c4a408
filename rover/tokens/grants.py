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
        self._open: dict[tuple[Identity, str], set[Hold]] = {}  # by client and its session

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

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
        return Hold(self, identity, end)

    def end_due(self) -> None:
        """End the streams of all clients that have lost their access.

        Each client is checked once, however many streams it has.
        """
        for key, holds in list(self._open.items()):
            if (error := self.ended(key[0])) is not None:
                del self._open[key]
                for hold in holds:
                    hold.end(error)

    def add(self, hold: Hold) -> None:
        """Hold the access of a stream; it ends at once if its client has lost access before."""
        if (client := hold.client) is None:
            return
        if (error := self.ended(client)) is not None:
            hold.end(error)
            return
        self._open.setdefault((client, client.session), set()).add(hold)

    def discard(self, hold: Hold) -> None:
        """Hold the access of a stream no longer."""
        if (client := hold.client) is None:
            return
        key = client, client.session
        holds = self._open.get(key, set())
        holds.discard(hold)
        if not holds:
            self._open.pop(key, None)


class Hold:
    """The access of one open stream.

    Attributes:
        client: who has it; `None` if its access was not checked.
        end: ends the stream.
    """

    __slots__ = ("_grants", "client", "end")

    def __init__(self, grants: Grants, client: Identity | None, end: End) -> None:
        self._grants = grants
        self.client = client
        self.end = end

    def __enter__(self) -> Self:
        self._grants.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._grants.discard(self)
