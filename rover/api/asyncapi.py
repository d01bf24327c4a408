"""The AsyncAPI document of the streams and channels that an app serves.

Addresses are relative to the folder of the document, so they are right under any prefix.

Source: AsyncAPI 3.0.0; its HTTP binding 0.3.0 and WebSocket binding 0.1.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rover import __version__
from rover.api.examples import EXAMPLES
from rover.api.operation import Channel, Operation
from rover.api.schema import BINARY, TEXT, ref
from rover.api.schemas import SCHEMAS
from rover.comms.protocol import SUBPROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rover.api.operation import Described
    from rover.asgi.query import Schema

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One kind of event, frame or body.

    Attributes:
        summary: when it is sent.
        payload: its data.
        event: the name of the server-sent event; `None` for an unnamed one.
        content_type: of its data.
        example: of its data; by default that of its schema.
    """

    summary: str
    payload: Schema
    event: str | None = None
    content_type: str = JSON
    example: object = None

    def as_json(self, name: str) -> dict[str, Any]:
        """The message as AsyncAPI describes it."""
        message: dict[str, Any] = {
            "name": self.event or name,
            "summary": self.summary,
            "contentType": self.content_type,
            "payload": self.payload,
        }
        example = self.example
        if example is None:
            example = EXAMPLES.get(self.payload.get("$ref", "").rpartition("/")[2])
        if example is not None:
            message["examples"] = [{"payload": example}]
        return message


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
    "image": StreamMessage("an image has changed", ref("Image"), "image"),
    "ages": StreamMessage("the ages of the newest values of a replay", ref("Ages"), "ages"),
    "clock": StreamMessage("the time of a replay, each second", ref("ReplayClock"), "clock"),
    "end": StreamMessage("the replay has reached the end of the record", ref("ReplayClock"), "end"),
    "bye": StreamMessage(
        "the server is shutting down, or the client has lost its access", ref("Bye"), "bye"
    ),
}

UPLOAD = {
    "progress": StreamMessage("a step of an upload", ref("Progress")),
    "finding": StreamMessage("the check found something", ref("Finding"), "finding"),
    "gap": GAP,
}

PROGRESS = {
    **UPLOAD,
    "sending": StreamMessage("a step of the way to the rover", ref("SendingEvent"), "sending"),
}

FROM_MEMBERS = {
    "text": StreamMessage("a message, without a subprotocol", TEXT, None, "text/plain", "Go"),
    "say": StreamMessage("a message; with a `ref`, the reply is `ack`", ref("Say")),
    "subscribe": StreamMessage("listens to another channel", ref("Subscribe")),
    "unsubscribe": StreamMessage("listens no more to another channel", ref("Unsubscribe")),
    "ping": StreamMessage("a page checks its connection", ref("Ping")),
}

TO_MEMBERS = {
    "line": StreamMessage(
        "`Message: …` or `Gap: …`, without a subprotocol", TEXT, None, "text/plain", "Message: Go"
    ),
    "welcome": StreamMessage("the first frame", ref("Welcome")),
    "message": StreamMessage("a member sent a message", ref("Message")),
    "presence": StreamMessage("a member joined or left", ref("Presence")),
    "ack": StreamMessage("the message was published", ref("Ack")),
    "subscribed": StreamMessage("the reply to `subscribe`", ref("Subscribed")),
    "unsubscribed": StreamMessage("the reply to `unsubscribe`", ref("Unsubscribed")),
    "pong": StreamMessage("the reply to `ping`", ref("Pong")),
    "error": StreamMessage("the frame was refused", ref("Refusal")),
    "gap": StreamMessage("events are missing at this place", ref("ChannelGap")),
}

CHANNEL = {
    "channel": StreamMessage("the first event", ref("ChannelState"), "channel"),
    "message": StreamMessage("a message; unnamed, so `onmessage` receives it", ref("Message")),
    "join": StreamMessage("a member joined", ref("Presence"), "join"),
    "leave": StreamMessage("a member left", ref("Presence"), "leave"),
    "gap": GAP,
    "bye": TELEMETRY["bye"],
}

IMAGE = {"image": StreamMessage("the bytes of an image, while it arrives", BINARY, None, "image/*")}

Messages = dict[str, StreamMessage]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of an app, or a WebSocket.

    Attributes:
        id: of the channel in the document.
        sent: the messages of the server.
        received: those of clients, without the requests that `openapi.json` describes.
        parameters: descriptions of the parameters of its path.
    """

    id: str
    sent: Messages
    received: Messages = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


STREAMS: Mapping[str, Stream] = {
    "/stream/rover-telemetry": Stream("telemetry", TELEMETRY),
    "/stream/rover-image": Stream("image", IMAGE),
    "/upload/rover-commands": Stream("upload", UPLOAD),
    "/uploads/{upload_id}/events": Stream(
        "uploadProgress",
        PROGRESS,
        parameters={"upload_id": "`id` in the first event of the upload"},
    ),
    "/comms/{channel}/stream": Stream(
        "channel", CHANNEL, parameters={"channel": "name of the channel, such as `flight`"}
    ),
    "/ws/comms/{team_channel}": Stream(
        "comms", TO_MEMBERS, FROM_MEMBERS, {"team_channel": "name of the channel, such as `flight`"}
    ),
}
"""The streams by their paths."""


def asyncapi_document(routes: Iterable[Described]) -> dict[str, Any]:
    """The AsyncAPI document.

    Args:
        routes: of the app. Those that are not streams are left out.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for route in routes:
        stream = STREAMS.get(re.sub(r":\w+}", "}", route.path))
        if stream is None:
            continue
        channels[stream.id] = _channel(stream, route)
        for action, messages in (("send", stream.sent), ("receive", stream.received)):
            if messages:
                name = f"{action}{stream.id[0].upper()}{stream.id[1:]}"
                operations[name] = _operation(action, stream, messages, route)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cosmic Rover",
            "version": __version__,
            "description": "Addresses are relative to the folder of this document. `comms` is a "
            f"WebSocket, with the subprotocol `{SUBPROTOCOL}` or without one. `image` is the bytes "
            "of a response. The other channels are server-sent events over HTTP. `openapi.json` "
            "describes the requests.",
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": operations,
        "components": {"schemas": SCHEMAS},
    }


def _channel(stream: Stream, route: Described) -> dict[str, Any]:
    messages = {**stream.sent, **stream.received}
    channel: dict[str, Any] = {
        "address": re.sub(r":\w+}", "}", route.path).removeprefix("/"),
        "title": route.summary,
        "messages": {name: message.as_json(name) for name, message in messages.items()},
    }
    if stream.parameters:
        channel["parameters"] = {
            name: {"description": text} for name, text in stream.parameters.items()
        }
    if isinstance(route, Channel):
        channel["bindings"] = {"ws": {"method": "GET", "query": _query(route)}}
    return channel


def _query(route: Described) -> dict[str, Any]:
    """The query parameters as one schema."""
    properties = {one.name: {**one.schema, "description": one.summary} for one in route.query}
    return {"type": "object", "properties": properties}


def _operation(action: str, stream: Stream, messages: Messages, route: Described) -> dict[str, Any]:
    """One direction; `send` is from the server to its clients."""
    operation: dict[str, Any] = {
        "action": action,
        "title": route.summary,
        "channel": {"$ref": f"#/channels/{stream.id}"},
        "messages": [{"$ref": f"#/channels/{stream.id}/messages/{name}"} for name in messages],
    }
    if isinstance(route, Operation):
        binding = {"method": route.method, "query": _query(route), "bindingVersion": "0.3.0"}
        operation["bindings"] = {"http": binding}
    return operation
