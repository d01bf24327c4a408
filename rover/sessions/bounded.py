"""A store of limited size for entries of several owners."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class BoundedStore(Generic[V]):
    """Entries by key, in the order of their last use.

    A new entry replaces the oldest one of its owner if that owner holds its limit, or of the owner
    that holds the most if the store is full. So no owner can evict the entries of another one that
    holds fewer.

    Args:
        limit: maximum number of entries.
        owner_limit: maximum number of entries of one owner.
    """

    def __init__(self, limit: int, owner_limit: int) -> None:
        self._limit = limit
        self._owner_limit = owner_limit
        self._owner_of: dict[str, str] = {}
        self._entries: dict[str, dict[str, V]] = {}  # by owner and key, oldest first

    def __len__(self) -> int:
        return len(self._owner_of)

    def add(self, key: str, owner: str, value: V) -> None:
        """Add an entry, which replaces an older one if the store is full."""
        if len(self._entries.get(owner, ())) >= self._owner_limit:
            self._remove_oldest_of(owner)
        elif len(self._owner_of) >= self._limit:
            self._remove_oldest_of(max(self._entries, key=lambda one: len(self._entries[one])))
        self._owner_of[key] = owner
        self._entries.setdefault(owner, {})[key] = value

    def get(self, key: str) -> V | None:
        """The entry; `None` if there is none."""
        owner = self._owner_of.get(key)
        return None if owner is None else self._entries[owner][key]

    def use(self, key: str) -> None:
        """Make the entry the newest of its owner."""
        entries = self._entries[self._owner_of[key]]
        entries[key] = entries.pop(key)

    def pop(self, key: str) -> V | None:
        """Remove and return the entry; `None` if there is none."""
        owner = self._owner_of.pop(key, None)
        if owner is None:
            return None
        entries = self._entries[owner]
        value = entries.pop(key)
        if not entries:
            del self._entries[owner]
        return value

    def _remove_oldest_of(self, owner: str) -> None:
        self.pop(next(iter(self._entries[owner])))
