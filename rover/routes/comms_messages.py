"""The messages of a channel over HTTP: pages, a search, a stream, and new messages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from rover.api import Answer, Body, Operation
from rover.api.operation import JSON
from rover.api.schema import BINARY, TEXT, ref
from rover.asgi.channel_stream import ChannelStream
from rover.asgi.json_body import json_object, small_body
from rover.asgi.query import EVENT_ID, RESUME_POINT, Choice, Moment, Text, WholeNumber
from rover.asgi.responses import json_response
from rover.asgi.servers.uvicorn import max_frame_bytes
from rover.comms.files import FORMATS, encode_page
from rover.comms.history import Page, Query
from rover.comms.kinds import PLAIN, Content
from rover.comms.protocol import check_ref, text_and_content
from rover.errors import (
    BadBody,
    BadQuery,
    ChannelRefused,
    Draining,
    LogDamaged,
    MessageConflict,
    MessageForbidden,
    MessageRefused,
    MessageTooBig,
    MessageTypeRefused,
    MissionRecorded,
    PoolFull,
    ScopeRequired,
    TooManyMessages,
    UnknownMessage,
)
from rover.events import EventId
from rover.identity import EVERYONE, IDENTITY
from rover.wire import EVENT_STREAM, dumps, sse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.asgi.large_response import Loaded
    from rover.routes.comms import HasComms

PATH = "/comms/{channel}/messages"

STREAM_PATH = "/comms/{channel}/stream"

POLLS_PATH = "/comms/{channel}/polls"

CALLS_PATH = "/comms/{channel}/calls"

MAX_LIMIT = 1_000

MAX_SEARCH_CHARACTERS = 200

ID_PATTERN = f"^{EVENT_ID}$"
AFTER = Text(name="after", summary="id of the event before the first message", pattern=ID_PATTERN)
BEFORE = Text(name="before", summary="id of the event after the last message", pattern=ID_PATTERN)
SINCE = Moment(name="since", summary="time of the first message")
UNTIL = Moment(name="until", summary="time before which the last message is")
SEARCH = Text(
    name="q",
    summary="text that the messages contain, in any case",
    pattern=f"^[^\\u0000]{{0,{MAX_SEARCH_CHARACTERS}}}$",
)
LIMIT = WholeNumber(
    name="limit", summary="maximum number of messages", at_least=1, at_most=MAX_LIMIT, default=100
)
LAST = WholeNumber(
    name="last",
    summary="number of retained events to begin with",
    at_most=MAX_LIMIT,
    default=None,
)
FORMAT = Choice(
    name="format", summary="of the response, `json` by default", choices=lambda: list(FORMATS)
)


def routes(mission: HasComms) -> list[BaseRoute]:
    """`GET` and `POST /comms/{channel}/messages`, and `GET` of its stream, polls and calls."""

    async def messages(request: Request) -> Response:
        channel, query = request.path_params["channel"], _query(request)
        file_format = FORMAT.of(request) or "json"

        async def load() -> Loaded:
            page = await mission.comms.messages(channel, query)
            return encode_page(page, file_format), _link(request, query, page)

        return mission.serving.large_responses.load(load, FORMATS[file_format])

    async def say(request: Request) -> Response:
        channel = request.path_params["channel"]
        with mission.serving.receiving(request):
            text, name, message_ref, content = await _message(request, mission)
        client = mission.serving.clients.name_of(request.scope, request.receive)
        identity = request.scope.get(IDENTITY, EVERYONE)
        said = await mission.comms.say(channel, text, name, message_ref, client, identity, content)
        body = {"id": str(said.id), "name": said.name, "kept": said.is_kept}
        return json_response(body, 201 if said.is_kept else 202)

    async def stream(request: Request) -> ChannelStream:
        comms, serving = mission.comms, mission.serving
        after, last = RESUME_POINT.of(request), LAST.of(request) or 0
        client = serving.clients.name_of(request.scope, request.receive)
        serving.streams.check_capacity(client)  # before a channel is opened for it
        channel = await comms.open(request.path_params["channel"], client)
        topic = channel.topic
        newest = topic.last_id.offset  # the stream has each event that is published from here on
        await comms.committed()  # a client may resume after the id in the first event
        last_id = topic.epochs.id(newest)
        if last:
            last += topic.last_id.offset - newest
        else:
            after = after or last_id
        state = {
            "channel": channel.name,
            "member_count": len(channel.members),
            "last_id": str(last_id),
        }
        preamble = sse(dumps(state), event="channel", retry_ms=serving.settings.retry_ms)
        return ChannelStream(channel, comms, after, last, preamble, serving.streams, client)

    async def polls(request: Request) -> Response:
        crew = await mission.comms.crew(request.path_params["channel"])
        return json_response({"polls": [] if crew is None else crew.polls.as_json()})

    async def calls(request: Request) -> Response:
        crew = await mission.comms.crew(request.path_params["channel"])
        return json_response({"calls": [] if crew is None else crew.calls.as_json()})

    said = ref("Said")
    return [
        Operation(
            STREAM_PATH,
            stream,
            "The messages, joins and leaves of a channel as server-sent events",
            description="`asyncapi.json` describes the events. The client does not join.",
            query=[RESUME_POINT, LAST],
            answers={200: Answer("events without end", BINARY, [EVENT_STREAM])},
            errors=[BadQuery, ChannelRefused, Draining, PoolFull],
        ),
        Operation(
            POLLS_PATH,
            polls,
            "The GO/NO-GO polls of a channel",
            description="The open ones and the newest closed ones, oldest first, with their votes.",
            answers={200: Answer("the polls", ref("Polls"))},
            errors=[ChannelRefused, PoolFull],
        ),
        Operation(
            CALLS_PATH,
            calls,
            "The calls of a channel, and who has acknowledged them",
            description="The newest ones, oldest first.",
            answers={200: Answer("the calls", ref("Calls"))},
            errors=[ChannelRefused, PoolFull],
        ),
        Operation(
            PATH,
            messages,
            "The kept messages of a channel",
            description="The newest by default, in the order in which they were sent. `next` and "
            "the header `Link` lead to the next page. A search that takes long returns fewer "
            "messages than `limit`; `more` says whether to go on.",
            query=[AFTER, BEFORE, SINCE, UNTIL, SEARCH, LIMIT, FORMAT],
            answers={200: Answer("the messages", ref("Messages"), [*FORMATS.values()])},
            errors=[BadQuery, ChannelRefused, LogDamaged, PoolFull],
            other_methods=["POST"],
        ),
        Operation(
            PATH,
            say,
            "Send a message to a channel",
            method="POST",
            description="Nobody joins the channel. With a `ref`, a repeated request sends the "
            "message once. The token needs the scope `say` for the channel.",
            body=Body({JSON: ref("NewMessage"), "text/plain": TEXT}),
            answers={
                201: Answer("the message is kept", said),
                202: Answer("the message was sent, but the log cannot keep it now", said),
            },
            errors=[
                BadBody,
                ChannelRefused,
                MessageConflict,
                MessageForbidden,
                MessageRefused,
                MessageTooBig,
                MessageTypeRefused,
                MissionRecorded,
                PoolFull,
                ScopeRequired,
                TooManyMessages,
                UnknownMessage,
            ],
            required_scope="say",
            other_methods=["GET", "HEAD"],
        ),
    ]


def _query(request: Request) -> Query:
    after, before, text = AFTER.of(request), BEFORE.of(request), SEARCH.of(request) or ""
    if len(text) > MAX_SEARCH_CHARACTERS or "\0" in text:
        reason = f"must be at most {MAX_SEARCH_CHARACTERS} characters, without NUL"
        raise BadQuery("q", text, reason)
    return Query(
        after=EventId.parse(after, name="after") if after is not None else None,
        before=EventId.parse(before, name="before") if before is not None else None,
        since=SINCE.of(request),
        until=UNTIL.of(request),
        text=text,
        limit=LIMIT.of(request),
    )


def _link(request: Request, query: Query, page: Page) -> dict[str, str]:
    """The address of the next page, relative to this one (RFC 8288)."""
    if page.next is None:
        return {}
    cursor = "before" if query.after is None else "after"
    parameters = {**request.query_params, cursor: str(page.next)}
    return {"Link": f'<?{urlencode(parameters)}>; rel="next"'}


async def _message(request: Request, mission: HasComms) -> tuple[str, str, str | None, Content]:
    """The text, the name, the `ref`, and what the message has beside them."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    limit = mission.serving.settings.max_message_bytes
    bodies, max_bytes = mission.serving.bodies, max_frame_bytes(limit)
    if "content-encoding" in request.headers or media_type not in (JSON, "text/plain"):
        raise MessageTypeRefused(content_type or "of no type")
    if media_type == "text/plain":
        try:
            return (await small_body(request, bodies, max_bytes)).decode(), "", None, PLAIN
        except UnicodeDecodeError:
            raise BadBody("the body must be text in UTF-8") from None
    body = await json_object(request, bodies, max_bytes)
    name = body.get("name", "")
    if not isinstance(name, str):
        raise BadBody("`name` must be a string")
    text, content = text_and_content(body)
    return text, name, check_ref(body.get("ref")), content
