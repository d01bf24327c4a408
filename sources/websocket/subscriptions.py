"""The messages that subscribe a source to a server, such as to topics of rosbridge."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any

from anyio import move_on_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from websockets.asyncio.client import ClientConnection

RETRY_S = 5.0
"""Seconds before a topic that rosbridge refused is subscribed again.

Rosbridge finds the type of a topic only once a node publishes it, and refuses it before.
"""


def to_topics(topics: Sequence[str], **options: int) -> Sequence[str]:
    """The messages that subscribe to topics of rosbridge.

    Args:
        topics: such as `/imu`.
        options: more members, such as `throttle_rate` in milliseconds.
    """
    chosen = {name: value for name, value in options.items() if value}
    return [
        json.dumps({"op": "subscribe", "id": f"subscribe:{topic}", "topic": topic, **chosen})
        for topic in topics
    ]


def messages_in(subscribe: str) -> Sequence[str]:
    """The text as one message; the objects of a JSON list as one message each."""
    try:
        found = json.loads(subscribe)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and found and all(isinstance(item, dict) for item in found):
        return [json.dumps(item) for item in found]
    return [subscribe] if subscribe else []


class Subscriptions:
    """Sends the messages that subscribe, and sends those again that rosbridge refuses.

    Args:
        messages: in the order in which they are sent.
        retry_s: seconds before a refused message is sent again.
    """

    def __init__(self, messages: Sequence[str], retry_s: float = RETRY_S) -> None:
        self._messages = messages
        self._by_id = _by_id(messages)
        self._retry_s = retry_s
        self._refused: dict[str, float] = {}

    @property
    def topics(self) -> int:
        """Number of topics of rosbridge; 0 if other messages subscribe."""
        topics = {_members(message).get("topic") for message in self._messages}
        return 0 if None in topics else len(topics)

    async def send(self, socket: ClientConnection) -> None:
        """Send all messages, after the connection was opened."""
        self._refused.clear()
        for message in self._messages:
            await socket.send(message)

    async def receive(self, socket: ClientConnection) -> bytes | str:
        """The next message of the server; meanwhile refused topics are subscribed again."""
        while True:
            until = min(self._refused.values(), default=None)
            with move_on_after(None if until is None else until - monotonic()):
                return await socket.recv()
            for one, due in list(self._refused.items()):
                if due <= monotonic():
                    del self._refused[one]
                    await socket.send(self._by_id[one])

    def note(self, status: Mapping[str, Any]) -> None:
        """Note a status message of rosbridge: it may refuse a subscription."""
        one = status.get("id")
        if status.get("level") == "error" and isinstance(one, str) and one in self._by_id:
            self._refused.setdefault(one, monotonic() + self._retry_s)


def _by_id(messages: Sequence[str]) -> dict[str, str]:
    ids = ((_members(message).get("id"), message) for message in messages)
    return {one: message for one, message in ids if isinstance(one, str)}


def _members(message: str) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
