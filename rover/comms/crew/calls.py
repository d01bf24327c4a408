"""Calls that each station of a roll must acknowledge."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rover.comms.crew.stations import stations_of
from rover.errors import MessageConflict, UnknownMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rover.comms.member import Speaker

MAX_CALLS = 32
"""Maximum number of calls of a channel that can be acknowledged, the newest ones."""

MAX_ACKS = 200
"""Maximum number of acknowledgements of one call."""


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        id: of its message.
        text: of its message.
        by: the name of the caller.
        roll: the stations and members that must acknowledge it.
        acked: who has acknowledged it: stations of the roll, and the names of others.
    """

    id: str
    text: str
    by: str
    roll: list[str]
    acked: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Those on the roll that have not acknowledged it."""
        return [one for one in self.roll if one not in self.acked]

    def as_json(self) -> dict[str, Any]:
        """The call as clients see it."""
        return {**asdict(self), "missing": self.missing}


class Calls:
    """The newest calls of one channel."""

    def __init__(self, saved: Iterable[Mapping[str, Any]] = ()) -> None:
        self._calls = {one["id"]: Call(**one) for one in saved}

    def saved(self) -> list[dict[str, Any]]:
        """All calls, for the next run."""
        return [asdict(call) for call in self._calls.values()]

    def as_json(self) -> list[dict[str, Any]]:
        """All calls as clients see them, the oldest first."""
        return [call.as_json() for call in self._calls.values()]

    def checked_ack(self, data: Mapping[str, Any], speaker: Speaker) -> dict[str, Any]:
        """The data of an acknowledgement, with its station.

        Raises:
            UnknownMessage: there is no such call among the newest ones.
            MessageConflict: the speaker has acknowledged it, or too many have.
        """
        call = self._calls.get(data["call"])
        if call is None:
            raise UnknownMessage("call", data["call"])
        own = stations_of(speaker, call.roll) or [speaker.name]
        left = [one for one in own if one not in call.acked]
        if not left:
            raise MessageConflict("already_acknowledged", f"{own[0]} has acknowledged the call")
        if len(call.acked) >= MAX_ACKS:
            raise MessageConflict("too_many", f"{MAX_ACKS} have acknowledged the call, its limit")
        return {"call": call.id, "station": left[0]}

    def call(self, call_id: str, text: str, by: str, data: Mapping[str, Any]) -> None:
        """Add a call."""
        self._calls[call_id] = Call(call_id, text, by, list(data["roll"]))
        if len(self._calls) > MAX_CALLS:
            del self._calls[next(iter(self._calls))]

    def acknowledge(self, data: Mapping[str, Any]) -> None:
        """Count an acknowledgement."""
        call = self._calls.get(data["call"])
        if call is not None and data["station"] not in call.acked:
            call.acked.append(data["station"])

    def rename(self, id_of: Callable[[str], str]) -> None:
        """Replace the id of each call."""
        calls = list(self._calls.values())
        for call in calls:
            call.id = id_of(call.id)
        self._calls = {call.id: call for call in calls}

    def retract(self, call_id: str) -> None:
        """Remove a call."""
        self._calls.pop(call_id, None)
