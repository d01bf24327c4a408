"""The AsyncAPI document of the streams and channels that an app serves.

Addresses are relative to the folder of the document, so they are right under any prefix.

Source: AsyncAPI 3.0.0; its WebSocket binding 0.1.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rover import __version__
from rover.api.operation import Channel
from rover.api.schemas import SCHEMAS, TEXT, ref
from rover.comms.protocol import SUBPROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rover.api.operation import Described
    from rover.asgi.query import Schema

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One kind of event or frame.

    Attributes:
        summary: when it is sent.
        payload: its data.
        event: the name of the server-sent event; `None` for an unnamed one.
        content_type: of its data.
    """

    summary: str
    payload: Schema
    event: str | None = None
    content_type: str = JSON

    def as_json(self, name: str) -> dict[str, Any]:
        """The message as AsyncAPI describes it."""
        return {
            "name": self.event or name,
            "summary": self.summary,
            "contentType": self.content_type,
            "payload": self.payload,
        }


GAP = StreamMessage("events are missing at this place", ref("Gap"), "gap")

TELEMETRY = {
    "sample": StreamMessage("a sample; unnamed, so `onmessage` receives it", ref("Sample")),
    "state": StreamMessage("the state of a source", ref("StateEvent"), "state"),
    "alarm": StreamMessage("an alarm changed, or was there before", ref("AlarmEvent"), "alarm"),
    "dictionary": StreamMessage("the dictionary changed", ref("Parameters"), "dictionary"),
    "event": StreamMessage("an event of a source", ref("Event"), "event"),
    "gap": GAP,
    "beat": StreamMessage("nothing else was sent for 3 s", ref("Beat"), "beat"),
    "comms": StreamMessage("a message of a channel, in a replay", ref("PastMessage"), "comms"),
    "image": StreamMessage("an image has changed, in a replay", ref("Image"), "image"),
    "clock": StreamMessage("the time of a replay, each second", ref("ReplayClock"), "clock"),
    "end": StreamMessage("the replay has reached now, and ends", ref("ReplayClock"), "end"),
    "bye": StreamMessage(
        "the server is shutting down, or the client has lost its access", ref("Bye"), "bye"
    ),
}

UPLOAD = {
    "progress": StreamMessage("a step of an upload", ref("Progress")),
    "finding": StreamMessage("the check found something", ref("Finding"), "finding"),
    "gap": GAP,
}

FROM_MEMBERS = {
    "text": StreamMessage("a message, without a subprotocol", TEXT, content_type="text/plain"),
    "say": StreamMessage("a message; with a `ref`, the reply is `ack`", ref("Say")),
    "ping": StreamMessage("a page checks its connection", ref("Ping")),
}

TO_MEMBERS = {
    "line": StreamMessage(
        "`Message: …` or `Gap: …`, without a subprotocol", TEXT, content_type="text/plain"
    ),
    "welcome": StreamMessage("the first frame", ref("Welcome")),
    "message": StreamMessage("a member sent a message", ref("Message")),
    "presence": StreamMessage("a member joined or left", ref("Presence")),
    "ack": StreamMessage("the message was published", ref("Ack")),
    "pong": StreamMessage("the reply to `ping`", ref("Pong")),
    "error": StreamMessage("the frame was refused", ref("Refusal")),
    "gap": StreamMessage("events are missing at this place", ref("ChannelGap")),
}

Messages = dict[str, StreamMessage]

SENT: Mapping[str, Messages] = {
    "/stream/rover-telemetry": TELEMETRY,
    "/upload/rover-commands": UPLOAD,
    "/uploads/{upload_id}/events": UPLOAD,
    "/ws/comms/{team_channel}": TO_MEMBERS,
}
"""What the server sends, by path."""

RECEIVED: Mapping[str, Messages] = {"/ws/comms/{team_channel}": FROM_MEMBERS}
"""What clients send, by path."""


def asyncapi_document(routes: Iterable[Described]) -> dict[str, Any]:
    """The AsyncAPI document.

    Args:
        routes: what the app serves. Those that are not streams are left out.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for route in routes:
        path = re.sub(r":\w+}", "}", route.path)
        if path not in SENT:
            continue
        name = route.name
        channels[name] = _channel(path, route)
        operations[f"{name}.send"] = _operation("send", name, SENT[path])
        if path in RECEIVED:
            operations[f"{name}.receive"] = _operation("receive", name, RECEIVED[path])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cosmic Rover",
            "version": __version__,
            "description": "Addresses are relative to the folder of this document. Streams are "
            "server-sent events over HTTP; a channel is a WebSocket, with the subprotocol "
            f"`{SUBPROTOCOL}` or without one. `openapi.json` describes the requests.",
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": operations,
        "components": {"schemas": SCHEMAS},
    }


def _channel(path: str, route: Described) -> dict[str, Any]:
    messages = {**SENT[path], **RECEIVED.get(path, {})}
    channel: dict[str, Any] = {
        "address": path.removeprefix("/"),
        "title": route.summary,
        "messages": {name: message.as_json(name) for name, message in messages.items()},
    }
    if route.param_convertors:
        channel["parameters"] = {name: {} for name in route.param_convertors}
    if isinstance(route, Channel):
        query = {one.name: {**one.schema, "description": one.summary} for one in route.query}
        channel["bindings"] = {
            "ws": {"method": "GET", "query": {"type": "object", "properties": query}}
        }
    return channel


def _operation(
    action: Literal["send", "receive"], channel: str, messages: Messages
) -> dict[str, Any]:
    """One direction; `send` is from the server to its clients."""
    names: Sequence[str] = list(messages)
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }
