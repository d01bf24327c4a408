"""The channels that a member listens to in addition to its own, across connections."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rover.client.errors import MessageRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    Reply = asyncio.Future[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel that a member listens to.

    Attributes:
        channel: its name, as the server spells it.
        member_count: members that have joined it.
        last_id: the id of its newest event at the beginning.
        may_say: whether the member may send messages there.
        unread: messages of others since then; `None` if nothing was counted.
        mentions: those of them that mention the member.
        more: whether there may be more than these.
    """

    channel: str
    member_count: int
    last_id: str
    may_say: bool
    unread: int | None
    mentions: int | None
    more: bool

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The subscription of a `subscribed` frame."""
        return cls(
            str(fields.get("channel", "")),
            int(fields.get("member_count") or 0),
            str(fields.get("last_id", "")),
            fields.get("may_say") is not False,
            fields.get("unread"),
            fields.get("mentions"),
            fields.get("more") is True,
        )


class Subscriptions:
    """The subscriptions of a member, and the frames whose replies have not arrived.

    The server replies in the order of the frames. Sans-I/O: the caller sends the frames.
    """

    def __init__(self) -> None:
        self._last_ids: dict[str, str] = {}  # by channel
        self._asked: deque[tuple[dict[str, str], Reply | None]] = deque()

    def ask(self, kind: str, **fields: str) -> tuple[dict[str, str], Reply]:
        """A frame to send, and the future of its reply.

        Args:
            kind: `subscribe` or `unsubscribe`.
            fields: of the frame; empty ones are left out.
        """
        frame = {"type": kind, **{name: value for name, value in fields.items() if value}}
        reply: Reply = asyncio.get_running_loop().create_future()
        self._asked.append((frame, reply))
        return frame, reply

    def frames(self) -> list[dict[str, str]]:
        """The frames to send on a new connection: all subscriptions, then what has no reply."""
        again: list[tuple[dict[str, str], Reply | None]] = [
            ({"type": "subscribe", "channel": name, "after": last_id}, None)
            for name, last_id in self._last_ids.items()
        ]
        self._asked = deque(again + [one for one in self._asked if one[1] is not None])
        return [frame for frame, _ in self._asked]

    def received(self, channel: str, event_id: str) -> bool:
        """Note the newest event of a channel; returns whether the member has subscribed to it."""
        if channel not in self._last_ids:
            return False
        self._last_ids[channel] = event_id
        return True

    def replied(self, fields: Mapping[str, Any]) -> bool:
        """Handle `subscribed`, `unsubscribed`, or the `error` of one of them.

        Returns:
            Whether the server has refused a subscription of an earlier connection.
        """
        if not self._asked:
            return False
        frame, reply = self._asked.popleft()
        kind, name = fields.get("type"), str(fields.get("channel", ""))
        if kind == "subscribed":
            self._last_ids[name] = frame.get("after") or str(fields.get("last_id", ""))
        elif kind == "unsubscribed" or reply is None:
            self._last_ids.pop(name, None)
        if reply is None:
            return kind == "error"
        if not reply.done() and kind == "error":
            code, detail = str(fields.get("code")), str(fields.get("detail", ""))
            reply.set_exception(MessageRefused(code, detail))
        elif not reply.done():
            reply.set_result(fields)
        return False

    def fail(self, error: Exception) -> None:
        """Raise an error for each frame whose reply has not arrived."""
        for _, reply in self._asked:
            if reply is not None and not reply.done():
                reply.set_exception(error)
