"""JSON Schemas of channels, their messages and the frames of their WebSockets."""

from __future__ import annotations

from rover.api.schema import (
    BOOLEAN,
    COUNT,
    EVENT_ID,
    NUMBER,
    TEXT,
    TIME,
    about,
    array,
    by_name,
    const,
    nullable,
    obj,
    one_of,
    ref,
    text,
)
from rover.api.telemetry_schemas import GAP
from rover.comms.crew.polls import INCOMPLETE
from rover.comms.crew.shapes import GO, NO_GO
from rover.comms.kinds import KIND
from rover.comms.protocol import MAX_REF_CHARACTERS

MESSAGE_KIND = text(pattern=f"^{KIND.pattern}$")
MESSAGE_DATA = about({"type": "object"}, "for programs, at most 8 levels deep")

MESSAGE = {
    "kind": MESSAGE_KIND,
    "data": MESSAGE_DATA,
    "id": EVENT_ID,
    "at": TIME,
    "from": TEXT,
    "text": TEXT,
    "role": about(TEXT, "of the member's token, such as `CAPCOM`"),
    "ref": TEXT,
}
"""A message that was sent."""

MESSAGE_EXTRAS = {
    "ref": nullable(text(maxLength=MAX_REF_CHARACTERS)),
    "kind": nullable(MESSAGE_KIND),
    "data": nullable(MESSAGE_DATA),
}
"""The optional parts of a message to send, beside its text."""

POLL = obj(
    id=EVENT_ID,
    text=about(TEXT, "the question"),
    by=about(TEXT, "who called it"),
    roll=array(about(TEXT, "a station: the role or the name of a member")),
    deadline=about(TIME, "of the clock of the server"),
    votes=about(by_name(one_of((GO, NO_GO))), "by station"),
    missing=array(TEXT),
    outcome=nullable(one_of((GO, NO_GO, INCOMPLETE))),
)

CALL = obj(
    id=EVENT_ID,
    text=TEXT,
    by=about(TEXT, "who made it"),
    roll=array(about(TEXT, "who must acknowledge it")),
    acked=array(about(TEXT, "who has acknowledged it")),
    missing=array(TEXT),
)

MAY_SAY = about({"const": False}, "the member may only listen")

WELCOME = obj(
    ["may_say", "may_moderate", "roles", "polls", "calls", "muted"],
    type=const("welcome"),
    channel=TEXT,
    you=TEXT,
    may_say=MAY_SAY,
    members=array(TEXT),
    roles=about(by_name(TEXT), "by the names of the members that have one"),
    member_count=COUNT,
    last_id=EVENT_ID,
    resume=about(TEXT, "a secret, for `?resume=` of the next connection"),
    limits=obj(
        message_bytes=COUNT,
        ref_characters=COUNT,
        messages_per_s={**NUMBER, "exclusiveMinimum": 0},
        burst=COUNT,
        subscriptions=COUNT,
    ),
    now=about(TIME, "of the clock of the server"),
    may_moderate=about({"const": True}, "the member moderates the channel"),
    polls=array(ref("Poll")),
    calls=array(ref("Call")),
    muted=about(array(TEXT), "names that a moderator has muted"),
    history=array({"anyOf": [ref("Message"), ref("Presence")]}),
)

COMMS_SCHEMAS = {
    "Channels": obj(channels=array(obj(name=TEXT, members=COUNT, last_id=EVENT_ID))),
    "Messages": obj(
        messages=array(
            obj(
                ["role", "ref", "kind", "data", "edited", "retracted"],
                **MESSAGE,
                edited=about(EVENT_ID, "the id of the newest `edit` of the message"),
                retracted=about(EVENT_ID, "the id of its `retract`"),
            )
        ),
        more=BOOLEAN,
        next=about(
            nullable(TEXT),
            "`after` of the next page if the request has `after`, else `before`",
        ),
    ),
    "NewMessage": obj(
        ["text", "ref", "name", "kind", "data"],
        text=about(TEXT, "some kinds have one of their own, if it is empty"),
        name=about(TEXT, "ignored if the token has a name"),
        **MESSAGE_EXTRAS,
    ),
    "Polls": obj(polls=array(ref("Poll"))),
    "Poll": POLL,
    "Calls": obj(calls=array(ref("Call"))),
    "Call": CALL,
    "Said": obj(id=EVENT_ID, name=TEXT, kept=BOOLEAN),
    "PastMessage": obj(channel=TEXT, **{"from": TEXT}, text=TEXT, role=nullable(TEXT), at=TIME),
    "Say": obj(
        ["text", "ref", "kind", "data", "channel"],
        type=const("say"),
        text=TEXT,
        channel=about(TEXT, "one that the member listens to; its own by default"),
        **MESSAGE_EXTRAS,
    ),
    "Ping": obj(type=const("ping")),
    "Pong": obj(type=const("pong")),
    "Ack": obj(type=const("ack"), ref=TEXT, id=EVENT_ID),
    "Refusal": obj(
        ["ref", "channel"], type=const("error"), code=TEXT, detail=TEXT, ref=TEXT, channel=TEXT
    ),
    "Subscribe": obj(
        ["after", "read"],
        type=const("subscribe"),
        channel=TEXT,
        after=about(EVENT_ID, "the last event that the client has"),
        read=about(EVENT_ID, "the last event that the person has read"),
    ),
    "Subscribed": obj(
        ["may_say", "unread", "mentions", "more"],
        type=const("subscribed"),
        channel=TEXT,
        member_count=COUNT,
        last_id=EVENT_ID,
        may_say=MAY_SAY,
        unread=about(COUNT, "messages of others after `read`, or else after `after`"),
        mentions=about(COUNT, "those of them that mention the member"),
        more=about({"const": True}, "there may be more than the server has in memory"),
    ),
    "Unsubscribe": obj(type=const("unsubscribe"), channel=TEXT),
    "Unsubscribed": obj(type=const("unsubscribed"), channel=TEXT),
    "Message": obj(["ref", "role", "kind", "data"], type=const("message"), channel=TEXT, **MESSAGE),
    "Presence": obj(
        ["role"],
        type=one_of(("join", "leave")),
        id=EVENT_ID,
        channel=TEXT,
        name=TEXT,
        role=TEXT,
        member_count=COUNT,
        at=TIME,
    ),
    "ChannelState": obj(channel=TEXT, member_count=COUNT, last_id=EVENT_ID),
    "ChannelGap": obj(type=const("gap"), channel=TEXT, **GAP),
    "Welcome": WELCOME,
}
