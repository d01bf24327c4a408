"""The way of one accepted sequence to the rover: its state, and what may happen to it.

    queued ─▶ released ─▶ sending ─▶ sent ─▶ acknowledged | refused
       ▲         │           │        └────▶ timed_out ─▶ (a late answer)
       └─ hold ──┘           ├────▶ failed     it has certainly not left
                             └────▶ unknown    it may have left, or not

Only a person's word leaves `failed` and `unknown`, and only a person begins another attempt. An
answer of the rover also leaves `unknown`: the sequence has evidently arrived.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from rover.errors import NotNow, SecondPersonRequired
from rover.wire import iso_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping


class SendingState(StrEnum):
    """The state of a sequence on its way to the rover."""

    QUEUED = "queued"  # waits for its release
    RELEASED = "released"  # is sent when its turn and its time come
    SENDING = "sending"  # the uplink is sending it
    SENT = "sent"  # it has left; no answer yet
    ACKNOWLEDGED = "acknowledged"  # the rover has accepted it
    REFUSED = "refused"  # the rover has refused it
    TIMED_OUT = "timed_out"  # no answer has arrived in time
    FAILED = "failed"  # it has certainly not left
    UNKNOWN = "unknown"  # it may have left, or not
    WITHDRAWN = "withdrawn"  # a person has taken it out of the queue


State = SendingState

FINAL = frozenset({State.ACKNOWLEDGED, State.REFUSED, State.WITHDRAWN})
"""States that do not change any more."""

BLOCKING = frozenset({State.SENDING, State.FAILED, State.UNKNOWN})
"""States in which no other sequence is sent: it may depend on this one."""

PROBLEMS = frozenset({State.FAILED, State.UNKNOWN, State.TIMED_OUT})
"""States that need a person's decision."""

ALLOWED: Mapping[str, frozenset[State]] = {
    "release": frozenset({State.QUEUED}),
    "hold": frozenset({State.QUEUED, State.RELEASED}),
    "withdraw": PROBLEMS | {State.QUEUED, State.RELEASED},
    "resend": PROBLEMS,
    "sent": frozenset({State.UNKNOWN}),
    "move": frozenset({State.QUEUED, State.RELEASED}),
}
"""The states in which a person may do something."""

ANSWERABLE = frozenset({State.SENT, State.TIMED_OUT, State.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Sending:
    """A sequence on its way to the rover. Each change makes a new value.

    Attributes:
        state: the state.
        place: in the queue; a lower one is sent earlier.
        t: POSIX seconds of the newest change.
        by: who made the newest change; empty for the server and the rover.
        detail: one line for people.
        attempt: how often the uplink was asked to send it.
        released_by: who has released it; empty again after `hold`.
        release_at: POSIX seconds before which it is not sent; `None` for at once.
        light_time_s: one-way light time when it was sent.
        sent_at: POSIX seconds of the newest attempt.
        revision: number of changes. A client that states it changes nothing that it has not seen.
    """

    state: State
    place: int
    t: float
    by: str = ""
    detail: str = ""
    attempt: int = 0
    released_by: tuple[str, ...] = ()
    release_at: float | None = None
    light_time_s: float | None = None
    sent_at: float | None = None
    answer_timeout_s: float = 0.0
    revision: int = 1

    @classmethod
    def parse(cls, saved: Mapping[str, Any] | None) -> Self | None:
        """The sending of a record; `None` without one, or if the record is damaged."""
        if not saved:
            return None
        try:
            names = {field.name for field in fields(cls)}
            known = {name: value for name, value in saved.items() if name in names}
            state, released_by = State(known["state"]), tuple(known.get("released_by", ()))
            return cls(**{**known, "state": state, "released_by": released_by})
        except (TypeError, ValueError, LookupError):
            return None

    def saved(self) -> dict[str, Any]:
        """The value as a record stores it."""
        return asdict(self)

    @property
    def is_open(self) -> bool:
        """Whether its state may change."""
        return self.state not in FINAL

    @property
    def arrives_at(self) -> float | None:
        """POSIX seconds at which the rover has it; `None` before it is sent."""
        return None if self.sent_at is None else self.sent_at + (self.light_time_s or 0.0)

    @property
    def answer_due(self) -> float | None:
        """POSIX seconds at which it times out; `None` before it is sent."""
        if self.sent_at is None:
            return None
        return self.sent_at + 2 * (self.light_time_s or 0.0) + self.answer_timeout_s

    def check(self, action: str, revision: int | None = None) -> None:
        """Check that a person may do something now.

        Args:
            action: one of `ALLOWED`.
            revision: the newest one that the person has seen; `None` if unknown.

        Raises:
            NotNow: the state does not allow it, or has changed.
        """
        if self.state not in ALLOWED[action]:
            raise NotNow(action, self.state, self.revision)
        if revision not in (None, self.revision):
            raise NotNow(action, self.state, self.revision, seen=revision)

    def release(self, t: float, by: str, at: float | None, persons: int) -> Sending:
        """Released by one more person, and by enough of them if there are `persons`.

        Raises:
            SecondPersonRequired: the same person has released it before.
        """
        if persons > 1 and by in self.released_by:
            raise SecondPersonRequired(by)
        released_by = (*self.released_by, by)
        is_released = len(released_by) >= persons
        missing = persons - len(released_by)
        return self.changed(
            t,
            State.RELEASED if is_released else State.QUEUED,
            "released" if is_released else f"released by {by}; {missing} more must release it",
            by,
            released_by=released_by,
            release_at=self.release_at if at is None else at,
        )

    def hold(self, t: float, by: str) -> Sending:
        """Not sent until it is released again."""
        detail = "held: it is not sent until it is released"
        return self.changed(t, State.QUEUED, detail, by, released_by=(), release_at=None)

    def withdraw(self, t: float, by: str) -> Sending:
        """Out of the queue."""
        words = {State.TIMED_OUT: "; it was sent before", State.UNKNOWN: "; it may have been sent"}
        detail = f"withdrawn{words.get(self.state, '; it was not sent')}"
        return self.changed(t, State.WITHDRAWN, detail, by)

    def resend(self, t: float, by: str, persons: int) -> Sending:
        """In the queue for another attempt, released by this person."""
        again = self.changed(t, State.QUEUED, "", by, released_by=(), release_at=None)
        return replace(again.release(t, by, None, persons), revision=self.revision + 1)

    def confirm_sent(self, t: float, by: str) -> Sending:
        """Sent, as a person has found out."""
        return self.changed(t, State.SENT, f"{by} says that it was sent", by)

    def begin(self, t: float, light_time_s: float, answer_timeout_s: float) -> Sending:
        """About to be sent: this is recorded before the uplink is called."""
        return self.changed(
            t,
            State.SENDING,
            "the uplink is sending it",
            attempt=self.attempt + 1,
            light_time_s=light_time_s,
            answer_timeout_s=answer_timeout_s,
            sent_at=t,
        )

    def changed(self, t: float, state: State, detail: str, by: str = "", **more: Any) -> Sending:
        """The next state."""
        return replace(
            self, t=t, state=state, detail=detail, by=by, revision=self.revision + 1, **more
        )

    def as_json(self) -> dict[str, Any]:
        """The sending as clients see it. Times that are not known yet are `None`."""
        has_left = self.state not in (State.FAILED, State.QUEUED, State.RELEASED)
        return {
            "state": str(self.state),
            "detail": self.detail,
            "t": iso_or_none(self.t),
            "by": self.by or None,
            "attempt": self.attempt,
            "released_by": list(self.released_by),
            "release_at": iso_or_none(self.release_at),
            "light_time_s": self.light_time_s,
            "sent_at": iso_or_none(self.sent_at) if has_left else None,
            "arrives_at": iso_or_none(self.arrives_at) if has_left else None,
            "answer_due": iso_or_none(self.answer_due) if has_left else None,
            "revision": self.revision,
        }
