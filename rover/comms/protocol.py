"""The two languages of a room: plain text, and the JSON of `rover.comms.v1`.

Frames in, frames out, no socket: `rover.routes.comms` carries them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from rover.errors import MessageRefused
from rover.topic import GapReason
from rover.wire import dumps

if TYPE_CHECKING:
    from rover.comms.comms import Frame, Member
    from rover.topic import Gap

REF_CHARACTERS = 64

WELCOME_NAMES = 200
"""A welcome names so many members; the others are counted."""


class Language(Protocol):
    """How one kind of member speaks and is spoken to."""

    @property
    def answers(self) -> bool:
        """Whether `hear` may have an answer, which is sent before anything said later."""
        ...

    def welcome(self, member: Member) -> str | None:
        """What a member is told first; to be asked for right after it joined."""
        ...

    def event(self, frame: Frame) -> str | None:
        """What it is told of an event; `None` for nothing."""
        ...

    def gap(self, gap: Gap) -> str:
        """What it is told about missing events."""
        ...

    def hear(self, text: str, member: Member) -> str | None:
        """Do what a frame from the member says; gives what only the member is told of that.

        Raises:
            MessageRefused: it cannot be taken, and the language has no word for that.
            MessageTooBig: the message is longer than the settings allow.
        """
        ...


class PlainText:
    """Messages and nothing else, so that a terminal is a client."""

    answers = False

    def welcome(self, member: Member) -> None:
        """Nothing."""

    def event(self, frame: Frame) -> str | None:
        """The message; who comes and goes is not told."""
        return frame.plain

    def gap(self, gap: Gap) -> str:
        """One line for people."""
        lost = "an unknown number of" if gap.lost is None else f"{gap.lost:,}"
        return f"Gap: {lost} events are missing here; {GAP_WHY[gap.reason]}."

    def hear(self, text: str, member: Member) -> None:
        """Every frame is a message; an empty one, as of a key pressed once too often, is none."""
        try:
            member.say(text)
        except MessageRefused as exc:
            if exc.code != "empty":
                raise


GAP_WHY = {
    GapReason.EXPIRED: "they are no longer kept",
    GapReason.EPOCH: "the channel began anew since",
    GapReason.SLOW: "they came faster than you read",
}


class CommsV1:
    """The JSON protocol `rover.comms.v1`."""

    answers = True

    def welcome(self, member: Member) -> str:
        """Who is there and what was said.

        `members` are those after the event `last_id`, the member's own join; joins and leaves up
        to that one, which a resuming member is told again, are in it already.
        """
        about = {
            "type": "welcome",
            "channel": member.channel,
            "you": member.name,
            "members": member.names(WELCOME_NAMES),
            "member_count": member.member_count,
            "last_id": str(member.joined),
        }
        history = ",".join(frame.json for frame in member.history())
        return f'{dumps(about)[:-1]},"history":[{history}]}}'  # the frames are JSON already

    def event(self, frame: Frame) -> str:
        """Every event."""
        return frame.json

    def gap(self, gap: Gap) -> str:
        """What is missing and why."""
        about = {"after": str(gap.after), "resumed": str(gap.resumed), "lost": gap.lost}
        return dumps({"type": "gap", **about, "reason": gap.reason})

    def hear(self, text: str, member: Member) -> str | None:
        """Take a `say`; gives its `ack`, where it has a `ref`, or the `error` with it."""
        ref = None
        try:
            request = _parse(text)
            ref = _ref(request)
            event_id = member.say(_message(request))
        except MessageRefused as exc:
            about = {"type": "error", "code": exc.code, "detail": str(exc)}
            return dumps(about if ref is None else {**about, "ref": ref})
        return None if ref is None else dumps({"type": "ack", "ref": ref, "id": str(event_id)})


def _parse(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):  # the latter of a thousand brackets
        raise MessageRefused("malformed", "a frame must be JSON") from None
    if not isinstance(request, dict):
        raise MessageRefused("malformed", "a frame must be a JSON object")
    return request


def _ref(request: dict[str, Any]) -> str | None:
    ref = request.get("ref")
    if ref is None:
        return None
    # what is not printable includes half a surrogate pair, which could not be sent back
    if not isinstance(ref, str) or len(ref) > REF_CHARACTERS or not ref.isprintable():
        detail = f"`ref` must be a string of at most {REF_CHARACTERS} printable characters"
        raise MessageRefused("malformed", detail)
    return ref


def _message(request: dict[str, Any]) -> str:
    if request.get("type") != "say":
        raise MessageRefused("unknown_type", 'a frame needs a `type`, and the only one is "say"')
    text = request.get("text")
    if not isinstance(text, str):
        raise MessageRefused("malformed", "`text` must be a string")
    return text
