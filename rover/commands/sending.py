"""The way of one accepted sequence to the rover: its state, and what may happen to it.

    queued ─▶ released ─▶ sending ─▶ sent ─▶ acknowledged | refused
       ▲         │           │        └────▶ timed_out ─▶ (a late answer)
       └─ hold ──┘           ├────▶ failed     it has certainly not left
                             └────▶ unknown    it may have left, or not

Only a person's word leaves `failed` and `unknown`, and only a person begins another attempt. An
answer of the rover also leaves them, and ends the wait for another attempt: the sequence has
evidently arrived.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from enum import IntEnum, StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Self

from rover.errors import NotNow, OtherReleaseTime, ReleaseTimePast, SecondPersonRequired
from rover.names import looks_of
from rover.wire import iso_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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

IN_FLIGHT = frozenset({State.SENT, State.TIMED_OUT, State.UNKNOWN})
"""States in which only an answer to the newest attempt counts."""


class WasSent(IntEnum):
    """Whether a sequence has left, with any attempt."""

    NO = 0
    MAYBE = 1
    YES = 2


BY_STATE: Mapping[State, WasSent] = {
    State.SENDING: WasSent.MAYBE,
    State.UNKNOWN: WasSent.MAYBE,
    State.SENT: WasSent.YES,
    State.TIMED_OUT: WasSent.YES,
    State.ACKNOWLEDGED: WasSent.YES,
    State.REFUSED: WasSent.YES,
}
"""What a state says about the newest attempt. In the others, it has not left."""

MAX_PAST_S = 60.0
"""Maximum seconds that a release time may be past: clocks differ, and the page states minutes."""

EARLIER = ("", "; an earlier attempt may have been sent", "; an earlier attempt was sent")
WITHDRAWN = ("it was not sent", "it may have been sent", "it was sent before")
"""The words for each `WasSent`."""


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
        released_tokens: the ids of their tokens; empty for persons without one.
        release_at: POSIX seconds before which it is not sent; `None` for at once.
        target: of the release: the uplink that may send it.
        earlier: whether it has left with an earlier attempt.
        light_time_s: one-way light time when it was sent.
        sent_at: POSIX seconds of the newest attempt that has left, or may have.
        revision: number of changes. A client that states it changes nothing that it has not seen.
    """

    state: State
    place: int
    t: float
    by: str = ""
    detail: str = ""
    attempt: int = 0
    released_by: tuple[str, ...] = ()
    released_tokens: tuple[str, ...] = ()
    release_at: float | None = None
    target: str = ""
    earlier: WasSent = WasSent.NO
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
            known["state"] = State(known["state"])
            known["earlier"] = WasSent(known.get("earlier", min(known.get("attempt", 0), 1)))
            for name in ("released_by", "released_tokens"):
                known[name] = tuple(known.get(name, ()))
            return cls(**known)
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
    def was_sent(self) -> WasSent:
        """Whether it has left, with any attempt."""
        return max(self.earlier, BY_STATE.get(self.state, WasSent.NO))

    def expects(self, attempt: int) -> bool:
        """Whether an answer to an attempt decides its state."""
        if self.state in IN_FLIGHT:
            return attempt == self.attempt
        is_waiting = self.state in (State.QUEUED, State.RELEASED, State.FAILED)
        return is_waiting and self.earlier > WasSent.NO and attempt <= self.attempt

    def was_sent_before(self, attempt: int) -> bool:
        """Whether an answer to an attempt is late: a newer attempt is on its way."""
        return self.state in IN_FLIGHT and self.earlier > WasSent.NO and attempt < self.attempt

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

    def release(
        self,
        t: float,
        by: str,
        at: float | None,
        persons: int,
        *,
        token: str = "",
        target: str = "",
    ) -> Sending:
        """Released by one more person, and by enough of them if there are `persons`.

        All of them release the same: this file, for this time and this target.

        Args:
            t: POSIX seconds of the release.
            by: the person.
            at: POSIX seconds before which it is not sent. `None` stands for the time of the others
                who have released it; without others, for at once.
            persons: number of those who must release it.
            token: the id of the person's token; empty without one.
            target: the uplink.

        Raises:
            SecondPersonRequired: the same person has released it before.
            OtherReleaseTime: another person has released it for another time.
            ReleaseTimePast: `at` has passed, and nobody released it for that time before.
        """
        if persons > 1 and self._has_released(by, token):
            raise SecondPersonRequired(by)
        if self.released_by and at not in (None, self.release_at):
            raise OtherReleaseTime(self.released_by[0], iso_or_none(self.release_at))
        if at not in (None, self.release_at) and at < t - MAX_PAST_S:
            raise ReleaseTimePast(iso_or_none(at), iso_or_none(t))
        released_by = (*self.released_by, by)
        is_released = len(released_by) >= persons
        missing = persons - len(released_by)
        release_at = self.release_at if at is None else at
        before = "" if release_at is None else f", not before {iso_or_none(release_at)}"
        detail = f"to be sent in its turn{before}"
        if not is_released:
            detail = f"released by {by}{before}; {missing} more must release it"
        return self.changed(
            t,
            State.RELEASED if is_released else State.QUEUED,
            f"{detail}{EARLIER[self.earlier]}",
            by,
            released_by=released_by,
            released_tokens=(*self.released_tokens, token),
            release_at=release_at,
            target=target,
        )

    def _has_released(self, by: str, token: str) -> bool:
        """Whether a person has released it: by the token, or by a name that looks the same."""
        if token and token in self.released_tokens:
            return True
        return any(not looks_of(by).isdisjoint(looks_of(one)) for one in self.released_by)

    def rechecked(self, t: float, persons: int, target: str) -> Sending:
        """The same after a restart, or held: what people released is not what would be sent.

        Args:
            t: POSIX seconds.
            persons: number of those who must release it now.
            target: the uplink now.
        """
        if self.state not in (State.QUEUED, State.RELEASED) or not self.released_by:
            return self
        if self.target != target:
            return self._held(t, "held: the uplink has changed since the release; release it again")
        if self.state is State.RELEASED and len(self.released_by) < persons:
            return self._held(t, f"held: {persons} persons must release it now")
        return self

    def without_lapsed(
        self, t: float, persons: int, lapsed: Callable[[str], str | None]
    ) -> Sending:
        """The same, or without the releases that no longer count.

        Args:
            t: POSIX seconds.
            persons: number of those who must release it.
            lapsed: returns why releases with a token no longer count; `None` if they do.
        """
        if self.state not in (State.QUEUED, State.RELEASED):
            return self
        releases = list(zip_longest(self.released_by, self.released_tokens, fillvalue=""))
        reasons = [
            f"the release by {by} no longer counts: the token {reason}"
            for by, token in releases
            if token and (reason := lapsed(token)) is not None
        ]
        if not reasons:
            return self
        kept = [(by, token) for by, token in releases if not token or lapsed(token) is None]
        missing = max(0, persons - len(kept))
        return self.changed(
            t,
            State.QUEUED if missing else self.state,
            "; ".join([*reasons, *[f"{missing} more must release it"] * bool(missing)]),
            released_by=tuple(by for by, _ in kept),
            released_tokens=tuple(token for _, token in kept),
            release_at=self.release_at if kept else None,
        )

    def hold(self, t: float, by: str) -> Sending:
        """Not sent until it is released again."""
        return self._held(t, "held: it is not sent until it is released", by)

    def _held(self, t: float, detail: str, by: str = "") -> Sending:
        none: dict[str, Any] = {"released_by": (), "released_tokens": (), "release_at": None}
        return self.changed(t, State.QUEUED, detail, by, **none)

    def withdraw(self, t: float, by: str) -> Sending:
        """Out of the queue."""
        detail, earlier = WITHDRAWN[self.was_sent], self.was_sent
        return self.changed(t, State.WITHDRAWN, detail, by, earlier=earlier)

    def resend(
        self, t: float, by: str, persons: int, *, token: str = "", target: str = ""
    ) -> Sending:
        """In the queue for another attempt, released by this person."""
        again = replace(self._held(t, "", by), earlier=self.was_sent)
        released = again.release(t, by, None, persons, token=token, target=target)
        return replace(released, revision=self.revision + 1)

    def confirm_sent(self, t: float, by: str) -> Sending:
        """Sent, as a person has found out."""
        return self.changed(t, State.SENT, f"{by} says that it was sent", by)

    def begin(self, t: float, light_time_s: float, answer_timeout_s: float) -> Sending:
        """About to be sent: this is recorded before the uplink is called."""
        return self.changed(
            t,
            State.SENDING,
            "recorded before the uplink is called",
            attempt=self.attempt + 1,
            light_time_s=light_time_s,
            answer_timeout_s=answer_timeout_s,
            sent_at=t,
        )

    def fail(self, t: float, reason: str) -> Sending:
        """Not sent with the attempt that `begin` began from this state.

        Args:
            t: POSIX seconds.
            reason: one line for people.
        """
        return replace(
            self.changed(t, State.FAILED, f"not sent: {reason}{EARLIER[self.earlier]}"),
            attempt=self.attempt + 1,
            revision=self.revision + 2,
        )

    def changed(self, t: float, state: State, detail: str, by: str = "", **more: Any) -> Sending:
        """The next state."""
        return replace(
            self, t=t, state=state, detail=detail, by=by, revision=self.revision + 1, **more
        )

    def as_json(self) -> dict[str, Any]:
        """The sending as clients see it. Times that are not known yet are `None`."""
        has_left = self.was_sent > WasSent.NO
        is_due = has_left and self.state not in (State.FAILED, State.QUEUED, State.RELEASED)
        return {
            "state": str(self.state),
            "detail": self.detail,
            "t": iso_or_none(self.t),
            "by": self.by or None,
            "attempt": self.attempt,
            "was_sent": self.was_sent.name.lower(),
            "released_by": list(self.released_by),
            "release_at": iso_or_none(self.release_at),
            "light_time_s": self.light_time_s,
            "sent_at": iso_or_none(self.sent_at) if has_left else None,
            "arrives_at": iso_or_none(self.arrives_at) if has_left else None,
            "answer_due": iso_or_none(self.answer_due) if is_due else None,
            "revision": self.revision,
        }
