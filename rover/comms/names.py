"""The names of channels: any script, in NFC, and one channel for all cases of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import category, normalize

from rover.errors import ChannelRefused
from rover.names import SEQUENCES, folded, looks_of, name_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME_CHARACTERS = 64
"""Maximum number of characters of the name of a channel, and of that of a member."""

PUNCTUATION = "_.-"

RULE = "use up to 64 letters, digits, `_`, `.` and `-`, a letter or digit first"


class ChannelNames:
    """The names that channels have. The first spelling of a name stays.

    Args:
        names: of the channels so far, in the order in which they began. Channels of earlier
            versions, whose names may differ in case only, keep their exact names.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._by_look: dict[str, str] = {}
        for name in names:
            self.add(name)

    def find(self, text: str) -> str:
        """The name of the channel that a client asks for, whether the channel exists or not.

        Raises:
            ChannelRefused: the name is not allowed, or looks like that of another channel.
        """
        if text in self._names:
            return text
        name = normalize("NFC", text)
        _check(name)
        for look in looks_of(name):
            known = self._by_look.get(look)
            if known is None:
                continue
            if folded(known) == folded(name):
                return known
            raise ChannelRefused("channel", text, f"it looks like channel {known!r}; use that name")
        return name

    def add(self, name: str) -> None:
        """Add the name of a new channel."""
        self._names.add(name)
        for look in looks_of(name):
            self._by_look.setdefault(look, name)

    def remove(self, name: str) -> None:
        """Remove the name of a deleted channel."""
        self._names.discard(name)
        for look in looks_of(name):
            if self._by_look.get(look) == name:
                del self._by_look[look]


def _check(name: str) -> None:
    if name_fault(name, MAX_NAME_CHARACTERS):
        raise ChannelRefused("channel", name, RULE)
    classes = [category(one)[0] for one in SEQUENCES.sub("", name) if one not in PUNCTUATION]
    if not name or category(name[0])[0] not in "LN" or not set(classes) <= set("LMN"):
        raise ChannelRefused("channel", name, RULE)
