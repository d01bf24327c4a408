"""GO/NO-GO polls: one vote of each station of a roll until a deadline of the server's clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from rover.comms.crew.shapes import GO, MAX_SECONDS, NO_GO
from rover.comms.crew.stations import stations_of, stations_of_name
from rover.errors import MessageConflict, MessageForbidden, MessageRefused, UnknownMessage
from rover.wire import iso
from sources.values.times import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rover.comms.member import Speaker

INCOMPLETE = "incomplete"
"""The outcome of a poll in which a station has not voted, and no vote was `no-go`."""

MAX_OPEN = 8
"""Maximum number of open polls of a channel."""

MAX_CLOSED = 16
"""Maximum number of closed polls of a channel that are remembered."""


@dataclass(slots=True)
class Poll:
    """One poll.

    Attributes:
        id: of the message that called it.
        text: the question.
        by: the name of the caller.
        roll: the stations.
        deadline: POSIX seconds.
        votes: `go` or `no-go`, by station.
        outcome: `go`, `no-go` or `incomplete`; empty while the poll is open.
    """

    id: str
    text: str
    by: str
    roll: list[str]
    deadline: float
    votes: dict[str, str] = field(default_factory=dict)
    outcome: str = ""

    @property
    def missing(self) -> list[str]:
        """The stations that have not voted."""
        return [station for station in self.roll if station not in self.votes]

    def of(self, vote: str) -> list[str]:
        """The stations with that vote."""
        return [station for station in self.roll if self.votes.get(station) == vote]

    def as_json(self) -> dict[str, Any]:
        """The poll as clients see it."""
        fields = {**asdict(self), "deadline": iso(self.deadline), "missing": self.missing}
        return fields if self.outcome else {**fields, "outcome": None}


class Polls:
    """The polls of one channel: those that are open, and the newest closed ones."""

    def __init__(self, saved: Iterable[Mapping[str, Any]] = ()) -> None:
        self._polls = {one["id"]: Poll(**one) for one in saved}

    def saved(self) -> list[dict[str, Any]]:
        """All polls, for the next run."""
        return [asdict(poll) for poll in self._polls.values()]

    def as_json(self) -> list[dict[str, Any]]:
        """All polls as clients see them, the oldest first."""
        return [poll.as_json() for poll in self._polls.values()]

    @property
    def open(self) -> list[Poll]:
        """The open polls, the oldest first."""
        return [poll for poll in self._polls.values() if not poll.outcome]

    @property
    def next_deadline(self) -> float:
        """POSIX seconds of the first deadline; infinity if no poll is open."""
        return min((poll.deadline for poll in self.open), default=inf)

    def checked_poll(self, data: Mapping[str, Any], now: float) -> dict[str, Any]:
        """The data of a new poll, with its deadline.

        Raises:
            MessageRefused: the deadline is not a time, or is not within a day; or there are no
                stations.
            MessageConflict: it is in the past, or too many polls are open.
        """
        if len(self.open) >= MAX_OPEN:
            raise MessageConflict("too_many", f"the channel has {MAX_OPEN} open polls, its limit")
        if not data["roll"]:
            reason = "`roll` must have the stations: the channel has no member that may vote"
            raise MessageRefused("malformed", reason)
        text = data.get("deadline")
        deadline = now + data["seconds"] if text is None else parse_datetime(text)
        if deadline is None or deadline > now + MAX_SECONDS:
            raise MessageRefused("malformed", "`deadline` must be a time within 24 h, in ISO 8601")
        if deadline <= now:
            raise MessageConflict("late", f"the deadline is over: the server has {iso(now)}")
        return {"roll": data["roll"], "deadline": iso(deadline)}

    def checked_vote(self, data: Mapping[str, Any], speaker: Speaker, now: float) -> dict[str, Any]:
        """The data of a vote, with its station.

        Raises:
            UnknownMessage: there is no such poll.
            MessageForbidden: the speaker is not on the roll.
            MessageConflict: the station has voted, or the poll is closed.
        """
        poll = self._polls.get(data["poll"])
        if poll is None:
            raise UnknownMessage("poll", data["poll"])
        stations = own = stations_of(speaker, poll.roll)
        if (wanted := data.get("station")) is not None:
            stations = [one for one in stations if one in stations_of_name(wanted, poll.roll)]
        if not stations:
            roll = ", ".join(poll.roll)
            reason = f"your role and your name are not on the roll, which has {roll}"
            if own:
                reason = f"{wanted!r} is not your station; you vote for {', '.join(own)}"
            raise MessageForbidden("not_on_roll", reason)
        left = [one for one in stations if one not in poll.votes]
        if not left:
            vote = poll.votes[stations[0]].upper()
            raise MessageConflict("already_voted", f"{stations[0]} has voted {vote} already")
        if poll.outcome or now >= poll.deadline:
            raise MessageConflict(
                "late", f"the poll has closed, at {iso(poll.deadline)} at the latest"
            )
        return {"poll": poll.id, "station": left[0], "vote": data["vote"]}

    def call(self, poll_id: str, text: str, by: str, data: Mapping[str, Any]) -> None:
        """Open a poll."""
        deadline = parse_datetime(data["deadline"]) or 0.0
        self._polls[poll_id] = Poll(poll_id, text, by, list(data["roll"]), deadline)

    def vote(self, data: Mapping[str, Any]) -> None:
        """Count a vote."""
        if (poll := self._polls.get(data["poll"])) is not None:
            poll.votes.setdefault(data["station"], data["vote"])

    def close(self, poll_id: str, outcome: str) -> None:
        """Close a poll."""
        if (poll := self._polls.get(poll_id)) is not None:
            poll.outcome = outcome
        closed = [one.id for one in self._polls.values() if one.outcome]
        for oldest in closed[: max(0, len(closed) - MAX_CLOSED)]:
            del self._polls[oldest]

    def rename(self, id_of: Callable[[str], str]) -> None:
        """Replace the id of each poll."""
        polls = list(self._polls.values())
        for poll in polls:
            poll.id = id_of(poll.id)
        self._polls = {poll.id: poll for poll in polls}

    def retract(self, poll_id: str) -> None:
        """Remove a poll. It has no result."""
        self._polls.pop(poll_id, None)

    def due(self, now: float) -> list[Poll]:
        """The open polls that every station has voted in, or whose deadline has come."""
        return [poll for poll in self.open if not poll.missing or now >= poll.deadline]


def result_of(poll: Poll) -> tuple[str, dict[str, Any]]:
    """The text and the data of a result."""
    go, no_go, missing = poll.of(GO), poll.of(NO_GO), poll.missing
    if no_go:
        outcome, text = NO_GO, f"NO-GO by {', '.join(no_go)}"
    elif missing:
        outcome, text = INCOMPLETE, f"No result: {', '.join(missing)} did not vote"
    else:
        outcome, text = GO, f"GO by {', '.join(go)}"
    data = {"poll": poll.id, "outcome": outcome, "go": go, "no_go": no_go, "missing": missing}
    return f"{text} ({poll.text})" if len(poll.text) <= 200 else text, data
