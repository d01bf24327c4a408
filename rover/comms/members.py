"""The members of one channel. Several connections of one named client are one member."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rover.comms.member import Member
    from rover.identity import Identity


class Members:
    """The connections of a channel, by the name of their member."""

    def __init__(self) -> None:
        self._connections: dict[str, list[Member]] = {}  # in the order in which members joined

    def __len__(self) -> int:
        """Number of members."""
        return len(self._connections)

    def __iter__(self) -> Iterator[Member]:
        """All connections."""
        return (one for several in self._connections.values() for one in several)

    def names(self) -> Iterator[str]:
        """The names of the members, in the order in which they joined."""
        return iter(self._connections)

    def find(self, name: str) -> Member | None:
        """The first connection of the member with that exact name; `None` if it is not here."""
        found = self._connections.get(name)
        return found[0] if found else None

    def of(self, identity: Identity) -> Member | None:
        """A connection of the client with that identity; `None` if it has no name or none."""
        if not identity.name:
            return None
        return next((one for one in self if one.identity.name == identity.name), None)

    def add(self, member: Member) -> None:
        """Add a connection."""
        self._connections.setdefault(member.name, []).append(member)

    def remove(self, member: Member) -> bool:
        """Remove a connection. Returns whether it was the last one of its member."""
        connections = self._connections[member.name]
        connections.remove(member)
        if not connections:
            del self._connections[member.name]
        return not connections

    def replace(self, old: Member, new: Member) -> None:
        """Put a connection in the place of another one of the same member."""
        connections = self._connections[old.name]
        connections[connections.index(old)] = new
