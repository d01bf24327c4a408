"""Mutes and removals: what a moderator has decided about members.

A sanction belongs to the name of a token, or to the name that a member without one has asked for.
So it survives reconnections and restarts. Names without a token are not verified.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from rover.comms.crew.shapes import ALLOW, MUTE, REMOVE
from rover.names import folded
from rover.wire import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rover.comms.member import Speaker
    from rover.identity import Identity

MAX_SANCTIONS = 1_000
"""Maximum number of sanctions of a channel; further ones replace the oldest."""

REMOVAL_S = 600.0
"""Seconds for which a removed member cannot join again, if the moderator does not say."""


@dataclass(slots=True)
class Sanction:
    """A sanction of one name.

    Attributes:
        kind: `mute` or `remove`.
        name: of the member.
        until: POSIX seconds; `None` without an end.
    """

    kind: str
    name: str
    until: float | None


def is_moderator(identity: Identity, channel: str) -> bool:
    """Whether a client moderates a channel. It needs a token with a name and the scope."""
    return bool(identity.name) and identity.allows("moderate", channel)


def own_name(speaker: Speaker) -> str:
    """The name to which the sanctions of a speaker belong."""
    return speaker.identity.name or speaker.requested_name


class Sanctions:
    """The sanctions of one channel."""

    def __init__(self, saved: Iterable[Mapping[str, Any]] = ()) -> None:
        self._sanctions: dict[tuple[str, str], Sanction] = {}
        for one in saved:
            self._add(Sanction(**one))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._sanctions)

    def saved(self) -> list[dict[str, Any]]:
        """All sanctions, for the next run."""
        return [asdict(sanction) for sanction in self._sanctions.values()]

    def end_of(self, kind: str, name: str, now: float) -> float | None:
        """When a sanction of a name ends, in POSIX seconds; `None` if there is none."""
        found = self._sanctions.get((kind, folded(name)))
        if found is None:
            return None
        until = inf if found.until is None else found.until
        return until if until > now else None

    def muted(self, now: float) -> list[str]:
        """The names that are muted."""
        return [
            one.name
            for one in self._sanctions.values()
            if one.kind == MUTE and self.end_of(MUTE, one.name, now) is not None
        ]

    def apply(self, kind: str, data: Mapping[str, Any], at: float) -> None:
        """Apply a `mute`, a `remove` or an `allow` that was sent at a time in POSIX seconds."""
        name = data["member"]
        if kind == ALLOW:
            for one in (MUTE, REMOVE):
                self._sanctions.pop((one, folded(name)), None)
            return
        seconds = data.get("seconds", REMOVAL_S if kind == REMOVE else None)
        self._add(Sanction(kind, name, None if seconds is None else at + seconds))

    def _add(self, sanction: Sanction) -> None:
        self._sanctions[sanction.kind, folded(sanction.name)] = sanction
        if len(self._sanctions) > MAX_SANCTIONS:
            del self._sanctions[next(iter(self._sanctions))]


def shown_end(until: float) -> str:
    """When a sanction ends, for people."""
    return "until a moderator allows it" if until == inf else f"until {iso(until)}"
