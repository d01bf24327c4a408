"""The identity of a client, and its permissions.

A scope is one permission: `view`, `say`, `moderate`, `upload`, `ingest`, `release` or `admin`.
`say:flight-*` and `moderate:flight-*` are the permissions for the channels that match the pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rover.names import folded

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPES = ("view", "say", "moderate", "upload", "ingest", "release", "admin")
"""All scopes. `admin` includes the others."""

CHANNEL_SCOPES = ("say", "moderate")
"""Those that may have a pattern of channels."""

ANY = "any"
"""Required instead of a scope: whatever scopes a client has, it may do this."""

IDENTITY = "rover.identity"
"""The key of the identity in an ASGI scope."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A client whose access was checked.

    Attributes:
        name: of the person or device; empty if unknown, as for clients of this machine.
        scopes: permissions, such as `view` or `say:flight-*`.
        role: such as `CAPCOM`; empty without one.
        token: the id of its token, which may be logged; empty without one.
        session: the id of its browser session, which may be logged; empty without one.
    """

    name: str = ""
    scopes: frozenset[str] = frozenset()
    role: str = ""
    token: str = ""
    session: str = field(default="", compare=False)

    def allows(self, scope: str, target: str | None = None) -> bool:
        """Whether the client may do something.

        Args:
            scope: one of `SCOPES`, or `ANY`.
            target: of the action, such as the name of a channel, in any case. `None` asks whether
                the client may do it for any target.
        """
        if scope in self.scopes or scope == ANY or "admin" in self.scopes:
            return True
        patterns = [
            pattern
            for name, colon, pattern in (given.partition(":") for given in self.scopes)
            if name == scope and colon
        ]
        if target is None:
            return bool(patterns)
        return any(fnmatchcase(folded(target), folded(pattern)) for pattern in patterns)


EVERYONE = Identity(scopes=frozenset(SCOPES))
"""A client with a shared token, which gives all access and no name."""

LOCAL = Identity(scopes=frozenset(SCOPES))
"""A client of this machine, while no token is required. Compare it by `is`."""


def identity_of(scope: Mapping[str, Any]) -> Identity:
    """The identity of a request whose access was checked."""
    identity: Identity = scope[IDENTITY]
    return identity
