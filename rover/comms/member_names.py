"""The names of members: which ones a client may use, and which one it gets."""

from __future__ import annotations

import re
from itertools import chain, count
from typing import TYPE_CHECKING

from rover.comms.events import SYSTEM_NAME
from rover.comms.names import MAX_NAME_CHARACTERS
from rover.errors import ChannelRefused
from rover.names import NO_CHARACTER, folded, looks_of, name_fault, normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rover.identity import Identity

SUFFIX = re.compile(r"-[\dlo]+$")
"""What is appended to the name of a member whose name the channel already has, as it looks."""


class MemberNames:
    """The rules of the names of members.

    Args:
        has_name: whether a name belongs to a token, as `Tokens.has_name`. Clients without such a
            token cannot use it.
    """

    def __init__(self, has_name: Callable[[str], bool]) -> None:
        self._has_name = has_name
        self._system_looks = looks_of(SYSTEM_NAME)  # loads the data now, not at the first join

    def allowed(self, name: str, identity: Identity) -> str:
        """The name that a client asks for: that of its identity, if it has one.

        Raises:
            ChannelRefused: the name is not allowed.
        """
        if identity.name:
            return identity.name
        asked, name = name, normalized(name).strip()
        fault = NO_CHARACTER if asked and not name else name_fault(name, MAX_NAME_CHARACTERS)
        if fault:
            raise ChannelRefused("member name", name or asked, fault)
        if self._is_reserved(name):
            reason = "it looks like the name of a token, or of the server; use another"
            raise ChannelRefused("member name", name, reason)
        return name

    def _is_reserved(self, name: str) -> bool:
        """Whether a name looks like that of the server, or of a token, or of its second member."""
        if not self._system_looks.isdisjoint(looks_of(name)):
            return True
        return self._has_name(name) or any(
            self._has_name(SUFFIX.sub("", look)) for look in looks_of(name)
        )

    def unique(self, name: str, others: Iterable[str]) -> str:
        """The name, with a number appended if one of the others has it.

        Raises:
            ChannelRefused: it looks like one of the others.
        """
        taken: dict[str, str] = {look: other for other in others for look in looks_of(other)}
        for other in {taken[look] for look in looks_of(name) & taken.keys()}:
            if folded(other) != folded(name):
                reason = f"it looks like the name of member {other!r}; use another"
                raise ChannelRefused("member name", name, reason)
        suffixes = chain([""], (f"-{n}" for n in count(2)))
        candidates = (name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix for suffix in suffixes)
        return next(
            one
            for one in candidates
            if taken.keys().isdisjoint(looks_of(one)) and (one == name or not self._has_name(one))
        )
