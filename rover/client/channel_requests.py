"""The messages of a channel over HTTP: pages of the record, and new messages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from rover.client.channel_events import Message, Said
from rover.client.errors import MessageRefused, NotARover, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rover.client.client import Client

MAX_SAY_ATTEMPTS = 5
"""Maximum number of attempts to send a message while the server accepts no more of them."""


def path_of(channel: str, part: str) -> str:
    """The path of a part of a channel."""
    return f"comms/{quote(channel, safe='')}/{part}"


async def messages(client: Client, channel: str, params: dict[str, str]) -> AsyncIterator[Message]:
    """The messages that the parameters select; see `Client.messages`."""
    cursor = "after" if "after" in params else "before"
    while True:
        page = await client.get(path_of(channel, "messages"), params)
        found = page.get("messages")
        if not isinstance(found, list):
            raise NotARover("a page of messages has no `messages`")
        for fields in found if cursor == "after" else reversed(found):
            yield Message.from_json(fields)
        if not isinstance(following := page.get("next"), str):
            return
        params = {**params, cursor: following}


async def say(client: Client, channel: str, body: bytes) -> Said:
    """Send a message; see `Client.say`."""
    path = path_of(channel, "messages")
    try:
        said = await client.post(path, body, "application/json", attempts=MAX_SAY_ATTEMPTS)
    except Refused as exc:
        if exc.code:
            raise MessageRefused(exc.code, exc.detail) from exc
        raise
    return Said(str(said.get("id")), str(said.get("name")), said.get("kept") is True)
