"""Checks the messages on which the server acts, and keeps what they have led to.

`checked` runs before a message is published and `apply` after it, so the state follows from the
messages. The log keeps the state beside them, because it may depend on messages that the channel
no longer has in memory.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rover.comms.crew.calls import Calls
from rover.comms.crew.edits import check_change
from rover.comms.crew.polls import Polls, result_of
from rover.comms.crew.sanctions import Sanctions, is_moderator, own_name, shown_end
from rover.comms.crew.shapes import (
    ACK,
    ALLOW,
    CALL,
    EDIT,
    MAX_ROLL,
    MUTE,
    POLL,
    REMOVE,
    RESULT,
    RETRACT,
    SHAPES,
    VOTE,
)
from rover.comms.events import SYSTEM_NAME, MessageEvent
from rover.comms.kinds import Content
from rover.errors import MessageForbidden, Removed
from rover.events import EventId
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.comms.channel import Channel
    from rover.comms.member import Speaker

MAX_CALLED = 100
"""Maximum number of members of whom a call without a roll asks an acknowledgement."""


class Crew:
    """The polls, the calls and the sanctions of one channel.

    Args:
        channel: whose messages they are.

    Attributes:
        polls: of the channel.
        calls: of the channel.
        sanctions: of the channel.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._offset = 0  # of the newest event that was applied
        self.polls, self.calls, self.sanctions = Polls(), Calls(), Sanctions()

    def load(self, saved: str | None) -> None:
        """Go on with the state that an earlier run has saved. A damaged one is left out."""
        if saved is None:
            return
        with suppress(LookupError, TypeError, ValueError):
            fields = json.loads(saved)
            if fields["offset"] > self._channel.topic.last_id.offset:
                return  # of messages that the log has lost
            polls, calls = Polls(fields["polls"]), Calls(fields["calls"])
            self.sanctions = Sanctions(fields["sanctions"])
            self.polls, self.calls, self._offset = polls, calls, fields["offset"]

    def saved(self) -> str | None:
        """The state, for the next run; `None` if there is none."""
        fields = {
            "polls": self.polls.saved(),
            "calls": self.calls.saved(),
            "sanctions": self.sanctions.saved(),
        }
        return dumps({"offset": self._offset, **fields}) if any(fields.values()) else None

    def open_state(self, now: float) -> dict[str, Any]:
        """What a new member needs: the time, what is open, and who is muted."""
        fields = {
            "polls": [poll.as_json() for poll in self.polls.open],
            "calls": [call for call in self.calls.as_json() if call["missing"]],
            "muted": self.sanctions.muted(now),
        }
        return {"now": iso(now), **{name: value for name, value in fields.items() if value}}

    def removal_of(self, name: str, now: float) -> Removed | None:
        """Why a member with that name cannot be here; `None` if a moderator has not removed it."""
        until = self.sanctions.end_of(REMOVE, name, now)
        return None if until is None else Removed(self._channel.name, shown_end(until))

    def checked(self, event: MessageEvent, speaker: Speaker) -> MessageEvent:
        """The message with complete data, as it is to be published.

        Raises:
            MessageForbidden: the speaker may not send it, or is muted.
            MessageRefused: it does not fit the state of the channel.
        """
        if self.sanctions and not is_moderator(speaker.identity, self._channel.name):
            self._check_sanctions(speaker, event.at)
        kind = event.content.kind
        if kind not in SHAPES:
            return event
        data = self._checked_data(kind, event, speaker)
        return event._replace(content=Content(kind, data))

    def _check_sanctions(self, speaker: Speaker, now: float) -> None:
        for kind, code in ((MUTE, "muted"), (REMOVE, "removed")):
            until = self.sanctions.end_of(kind, own_name(speaker), now)
            if until is not None:
                raise MessageForbidden(code, f"a moderator has {code} you {shown_end(until)}")

    def _checked_data(self, kind: str, event: MessageEvent, speaker: Speaker) -> Mapping[str, Any]:
        data, channel = event.content.data or {}, self._channel
        if kind == POLL:
            roll = data.get("roll") or self._speaking()[:MAX_ROLL]
            return self.polls.checked_poll({**data, "roll": roll}, event.at)
        if kind == VOTE:
            return self.polls.checked_vote(data, speaker, event.at)
        if kind == CALL:
            others = [name for name in self._speaking() if name != speaker.name]
            return {"roll": data.get("roll") or others[:MAX_CALLED]}
        if kind == ACK:
            return self.calls.checked_ack(data, speaker)
        if kind in (EDIT, RETRACT):
            topic = channel.topic
            events = zip(topic.retained(), topic.retained_items(), strict=True)
            check_change(channel.name, events, kind, data["message"], speaker)
            return data
        return self._checked_sanction(kind, data, speaker)

    def _speaking(self) -> list[str]:
        """The names of the members that may send messages."""
        return list(dict.fromkeys(one.name for one in self._channel.members if one.may_say))

    def _checked_sanction(
        self, kind: str, data: Mapping[str, Any], speaker: Speaker
    ) -> Mapping[str, Any]:
        channel = self._channel.name
        if not is_moderator(speaker.identity, channel):
            raise MessageForbidden(
                "not_moderator",
                f"to {kind} a member, you need a token with a name and the scope "
                f"`moderate:{channel}`",
            )
        member = self._channel.members.find(data["member"])
        if member is None:
            return data
        if kind != ALLOW and is_moderator(member.identity, channel):
            raise MessageForbidden("not_allowed", f"{member.name} is a moderator too")
        return {**data, "member": own_name(member)}

    def apply(self, offset: int, event: MessageEvent) -> bool:
        """Follow a message that was published. Returns whether the state has changed."""
        kind, data = event.content.kind, event.content.data or {}
        if offset <= self._offset or (kind not in SHAPES and kind != RESULT) or kind == EDIT:
            return False
        self._offset = offset
        event_id = str(self._channel.topic.epochs.id(offset))
        if kind == POLL:
            self.polls.call(event_id, event.text, event.name, data)
        elif kind == VOTE:
            self.polls.vote(data)
        elif kind == RESULT:
            self.polls.close(data["poll"], data["outcome"])
        elif kind == CALL:
            self.calls.call(event_id, event.text, event.name, data)
        elif kind == ACK:
            self.calls.acknowledge(data)
        elif kind == RETRACT:
            self.polls.retract(data["message"])
            self.calls.retract(data["message"])
        else:
            self.sanctions.apply(kind, data, event.at)
        return True

    def rename(self, after: int) -> bool:
        """Follow the new ids of the messages after an offset. Returns whether there are any."""

        def id_of(old: str) -> str:
            offset = EventId.parse(old).offset
            return str(self._channel.topic.epochs.id(offset)) if offset > after else old

        if self._offset > after:
            self.polls.rename(id_of)
            self.calls.rename(id_of)
        return self._offset > after

    def results(self, now: float) -> list[MessageEvent]:
        """The results of the polls that are to be closed, as messages."""
        events = []
        for poll in self.polls.due(now):
            text, data = result_of(poll)
            content = Content(RESULT, data)
            events.append(MessageEvent(SYSTEM_NAME, text, now, content=content))
        return events

    def close_removed(self, event: MessageEvent) -> None:
        """Close the connections of the member that a `remove` names."""
        if event.content.kind != REMOVE:
            return
        for member in list(self._channel.members):
            if (removal := self.removal_of(own_name(member), event.at)) is not None:
                member.close(removal)


def has_open_poll(saved: str) -> bool:
    """Whether a saved state has an open poll; `False` for a damaged one."""
    with suppress(LookupError, TypeError, ValueError):
        return bool(Polls(json.loads(saved)["polls"]).open)
    return False
