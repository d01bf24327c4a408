"""The names of channels: any script, in NFKC, and one channel for all cases of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import category

from rover.errors import ChannelRefused
from rover.invisible import INVISIBLE
from rover.names import folded, looks_of, name_fault, normalized

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
        self._by_fold: dict[str, str] = {}
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
        name = normalized(text)
        if known := self._by_fold.get(folded(name)):
            return known
        _check(name)
        for look in looks_of(name):
            if known := self._by_look.get(look):
                reason = f"it looks like channel {known!r}; use that name, or a different one"
                raise ChannelRefused("channel", text, reason)
        return name

    def add(self, name: str) -> None:
        """Add the name of a new channel."""
        self._names.add(name)
        self._by_fold.setdefault(folded(name), name)
        for look in looks_of(name):
            self._by_look.setdefault(look, name)

    def remove(self, name: str) -> None:
        """Remove the name of a deleted channel."""
        self._names.discard(name)
        _remove(self._by_fold, folded(name), name)
        for look in looks_of(name):
            _remove(self._by_look, look, name)


def _remove(names: dict[str, str], key: str, name: str) -> None:
    if names.get(key) == name:
        del names[key]


def _check(name: str) -> None:
    if fault := name_fault(name, MAX_NAME_CHARACTERS):
        raise ChannelRefused("channel", name, fault)
    shown = name.translate(INVISIBLE)
    classes = {category(one)[0] for one in shown if one not in PUNCTUATION}
    if not shown or category(shown[0])[0] not in "LN" or not classes <= set("LMN"):
        raise ChannelRefused("channel", name, RULE)
