"""JSON Schemas of the bodies of requests, responses and events, by name.

Tests check real answers against them, and allow no property that is not here.

Source: JSON Schema 2020-12, the dialect of OpenAPI 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from rover.asgi.author import MAX_BY_CHARACTERS
from rover.asgi.json_body import MAX_TEXT_CHARACTERS
from rover.commands.sending import SendingState
from rover.commands.steps import StepState
from rover.commands.upload_state import Status
from rover.comms.crew.polls import INCOMPLETE
from rover.comms.crew.shapes import GO, NO_GO
from rover.comms.kinds import KIND
from rover.comms.protocol import MAX_REF_CHARACTERS
from rover.errors import ENDED
from rover.events import GapReason
from rover.supervise import State
from rover.telemetry.alarms import Action
from rover.telemetry.latest import Quality
from rover.telemetry.limits import Level
from sources.base import Kind, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rover.asgi.query import Schema

MAX_SHELF_MINUTES = 24 * 60
"""Maximum minutes for which an alarm is shelved."""

PRINTABLE = "[^\\u0000-\\u001f\\u007f-\\u009f]"
"""A character of one line of text, as a regular expression of ECMA-262."""

NAME = f"^{PRINTABLE}*[^\\u0000-\\u0020\\u007f-\\u00a0]{PRINTABLE}*$"
"""One line of text that is not blank."""

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
MESSAGE_REF: Schema = {"type": "string", "maxLength": MAX_REF_CHARACTERS}
MESSAGE_KIND: Schema = {"type": "string", "pattern": f"^{KIND.pattern}$"}
MESSAGE_DATA: Schema = {"type": "object", "description": "for programs, at most 8 levels deep"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
EVENT_ID: Schema = {"type": "string", "description": "`epoch-offset`, for `?after=`"}
BINARY: Schema = {}
"""Any bytes: OpenAPI 3.1 describes binary content by its media type alone."""

FACTS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
"""Facts for people, by name."""


def ref(name: str) -> Schema:
    """A reference to a schema of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def obj(optional: Iterable[str] = (), /, **properties: Schema) -> Schema:
    """An object that has all properties, except perhaps the optional ones."""
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": properties, "required": required}


def one_of(words: Iterable[Any]) -> Schema:
    """One of several words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def const(word: str) -> Schema:
    """Exactly this text."""
    return {"type": "string", "const": word}


def array(items: Schema, **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **more}


def nullable(schema: Schema) -> Schema:
    """The values of the schema, or null."""
    if "type" in schema and "enum" not in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*kinds, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


VALUE: Schema = {
    "type": ["number", "boolean", "string", "object", "null"],
    "additionalProperties": {"type": ["number", "null"]},
    "description": "a value of a parameter; a vector is an object of numbers",
}

NOTE = nullable(obj(["until"], by=TEXT, comment=TEXT, at=TIME, until=nullable(TIME)))

ALARM = {
    "id": TEXT,
    "t": TIME,
    "parameter": TEXT,
    "unit": TEXT,
    "level": one_of(Level),
    "worst": one_of(Level),
    "value": NUMBER,
    "side": one_of(("low", "high")),
    "threshold": NUMBER,
    "since": TIME,
    "count": COUNT,
    "acknowledged": NOTE,
    "shelved": NOTE,
}

NOTE_BODY = {
    "by": {"type": "string", "maxLength": MAX_BY_CHARACTERS, "pattern": NAME},
    "comment": {
        "type": "string",
        "maxLength": MAX_TEXT_CHARACTERS,
        "pattern": f"^({PRINTABLE}|\\n)*$",
    },
}

TWO_BOUNDS = array(nullable(NUMBER), minItems=2, maxItems=2)

SOURCE = {
    "source": TEXT,
    "simulated": BOOLEAN,
    "state": one_of(State),
    "detail": TEXT,
    "since": TIME,
    "lost": COUNT,
    "last_lost": nullable(TEXT),
    "replaced_times": COUNT,
    "unusable": COUNT,
    "last_unusable": nullable(TEXT),
}

STEPS = array(obj(["state"], name=TEXT, title=TEXT, state=one_of(StepState)))

SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

ARTIFACT = obj(sha256=SHA256, size=COUNT, type=TEXT)

SENDING = {
    "state": one_of(SendingState),
    "detail": TEXT,
    "t": {**TIME, "description": "of the newest change"},
    "by": {**nullable(TEXT), "description": "who made it; null for the server and the rover"},
    "attempt": {**COUNT, "description": "how often the uplink was asked to send it"},
    "was_sent": {**one_of(("no", "maybe", "yes")), "description": "with any attempt"},
    "released_by": array(TEXT),
    "release_at": {**nullable(TIME), "description": "before which it is not sent"},
    "light_time_s": {**nullable(NUMBER), "description": "one-way, when it was sent"},
    "sent_at": {
        **nullable(TIME),
        "description": "of the newest attempt that has left, or may have; null without one",
    },
    "arrives_at": {**nullable(TIME), "description": "when the rover has it, if it has left"},
    "answer_due": {**nullable(TIME), "description": "when it times out"},
    "revision": {**COUNT, "description": "number of changes"},
}

UPLOAD = {
    "id": TEXT,
    "name": {**TEXT, "description": "of the file"},
    "status": one_of(Status),
    "detail": TEXT,
    "size": {**nullable(COUNT), "description": "bytes of the file, if known"},
    "received": COUNT,
    "sha256": nullable(SHA256),
    "by": {**nullable(TEXT), "description": "who sent the file"},
    "began": nullable(TIME),
    "ended": nullable(TIME),
    "errors": nullable(COUNT),
    "warnings": nullable(COUNT),
    "artifact": nullable(ARTIFACT),
    "cancelled": BOOLEAN,
    "recovered": {
        **BOOLEAN,
        "description": "the server was restarted after it accepted the file, before it said so",
    },
    "sending": {**nullable(obj(**SENDING)), "description": "its way to the rover"},
    "links": obj(
        ["artifact", "file"],
        report={**TEXT, "description": "relative to the mount point, as all links"},
        events=TEXT,
        file={**TEXT, "description": "of an accepted upload"},
        artifact=TEXT,
    ),
}

FINDING = obj(
    severity=one_of(Severity),
    code=TEXT,
    message=TEXT,
    line=nullable(INTEGER),
    column=nullable(INTEGER),
    hint=TEXT,
    step=TEXT,
)

PLAIN_SAMPLE: Schema = {
    "type": "object",
    "description": "values by name, at any depth; `t` is the time, by default that of the arrival",
}

SCHEMAS: dict[str, Schema] = {
    "Problem": obj(
        ["request_id", "type", "expected-offset", "provided-offset"],
        title=TEXT,
        status=INTEGER,
        detail=TEXT,
        request_id=TEXT,
        type={**TEXT, "description": "of the problem, for resumable uploads"},
        **{"expected-offset": COUNT, "provided-offset": COUNT},
    ),
    "SignIn": {
        **obj(
            ["token", "code", "next"],
            key={**TEXT, "description": "of the form, which belongs to a cookie"},
            token=TEXT,
            code=TEXT,
            next={**TEXT, "description": "path to redirect to"},
        ),
        "additionalProperties": TEXT,
        "maxProperties": 16,
    },
    "Session": obj(
        name=TEXT,
        role=TEXT,
        scopes=array(TEXT),
        signed_in={**BOOLEAN, "description": "whether the client has a session, which it can end"},
    ),
    "Ticket": obj(ticket=TEXT, expires_s=COUNT),
    "Parameters": obj(
        parameters=array(
            obj(
                name=TEXT,
                unit=TEXT,
                kind=one_of(get_args(Kind)),
                description=TEXT,
                limits=obj(
                    yellow=TWO_BOUNDS,
                    red=TWO_BOUNDS,
                    hysteresis=nullable(NUMBER),
                    min_duration_s=NUMBER,
                ),
                period_s=nullable(NUMBER),
                group=TEXT,
            )
        )
    ),
    "Sample": {
        "type": "object",
        "properties": {
            "t": TIME,
            "late": {"const": True, "description": "older than a sample before it"},
            "folded": {**COUNT, "description": "samples that it replaces, with `hz`"},
        },
        "required": ["t"],
        "additionalProperties": VALUE,
    },
    "Latest": {
        "type": "object",
        "properties": {
            "t": TIME,
            "details": {
                "type": "object",
                "additionalProperties": obj(
                    t=TIME, quality=one_of(get_args(Quality)), age_s=NUMBER, source=TEXT
                ),
            },
        },
        "required": ["t", "details"],
        "additionalProperties": VALUE,
    },
    "History": {
        "type": "object",
        "description": "columns of equal length",
        "properties": {"t": array(TIME), "late": array(BOOLEAN), "resolution_s": NUMBER},
        "required": ["t", "late", "resolution_s"],
        "additionalProperties": array(VALUE),
    },
    "Span": obj(
        first=nullable(TIME),
        last=nullable(TIME),
        now=TIME,
        gaps=array(obj(since=TIME, until=TIME, reason=TEXT)),
        alarms=array(obj(t=TIME, parameter=TEXT, level=one_of(Level))),
        simulated={
            "type": "object",
            "additionalProperties": array(array(nullable(TIME), minItems=2, maxItems=2)),
        },
    ),
    "Alarm": obj(**ALARM),
    "AlarmEvent": obj(**ALARM, action=one_of(get_args(Action)), was=one_of(Level)),
    "Alarms": obj(
        active=COUNT,
        latched=COUNT,
        dropped=COUNT,
        alarms=array(ref("Alarm")),
        ended=array(ref("Alarm")),
    ),
    "Acknowledgement": obj(["comment"], **NOTE_BODY),
    "Shelving": obj(
        ["comment"],
        **NOTE_BODY,
        minutes={"type": "integer", "minimum": 0, "maximum": MAX_SHELF_MINUTES},
    ),
    "Event": obj(id=TEXT, t=TIME, severity=one_of(Severity), name=TEXT, message=TEXT, source=TEXT),
    "Events": obj(events=array(ref("Event")), kept=COUNT, dropped=COUNT),
    "Samples": {"anyOf": [PLAIN_SAMPLE, array(PLAIN_SAMPLE)]},
    "Accepted": obj(accepted=COUNT),
    "Image": obj(
        ["skipped"],
        id=TEXT,
        camera=TEXT,
        state=one_of(("arriving", "stalled", "complete", "broken")),
        reason={**TEXT, "description": "why it is stalled or broken; may be empty"},
        available={**BOOLEAN, "description": "whether its bytes can be requested"},
        content_type=TEXT,
        size=nullable(COUNT),
        received=COUNT,
        complete=BOOLEAN,
        revision=TEXT,
        taken_at=nullable(TIME),
        received_at=nullable(TIME),
        width=nullable(COUNT),
        height=nullable(COUNT),
        sha256=nullable(TEXT),
        metadata=FACTS,
        url={**TEXT, "description": "relative to the mount point"},
        thumbnail=nullable({**TEXT, "description": "a smaller copy of a complete image"}),
        stream={**TEXT, "description": "relative to the mount point"},
        skipped={**COUNT, "description": "changes of images before this event that have none"},
    ),
    "Images": obj(images=array(ref("Image")), more=BOOLEAN, next=nullable(TEXT)),
    "Channels": obj(channels=array(obj(name=TEXT, members=COUNT, last_id=EVENT_ID))),
    "Messages": obj(
        messages=array(
            obj(
                ["role", "ref", "kind", "data", "edited", "retracted"],
                kind=MESSAGE_KIND,
                data=MESSAGE_DATA,
                edited={**EVENT_ID, "description": "the id of the newest `edit` of the message"},
                retracted={**EVENT_ID, "description": "the id of its `retract`"},
                id=EVENT_ID,
                at=TIME,
                **{"from": TEXT},
                text=TEXT,
                role=TEXT,
                ref=TEXT,
            )
        ),
        more=BOOLEAN,
        next={
            **nullable(TEXT),
            "description": "`after` of the next page if the request has `after`, else `before`",
        },
    ),
    "NewMessage": obj(
        ["text", "ref", "name", "kind", "data"],
        text={**TEXT, "description": "some kinds have one of their own, if it is empty"},
        ref=nullable(MESSAGE_REF),
        name={**TEXT, "description": "ignored if the token has a name"},
        kind=nullable(MESSAGE_KIND),
        data=nullable(MESSAGE_DATA),
    ),
    "Polls": obj(polls=array(ref("Poll"))),
    "Poll": obj(
        id=EVENT_ID,
        text={**TEXT, "description": "the question"},
        by={**TEXT, "description": "who called it"},
        roll=array({**TEXT, "description": "a station: the role or the name of a member"}),
        deadline={**TIME, "description": "of the clock of the server"},
        votes={
            "type": "object",
            "additionalProperties": one_of((GO, NO_GO)),
            "description": "by station",
        },
        missing=array(TEXT),
        outcome=nullable(one_of((GO, NO_GO, INCOMPLETE))),
    ),
    "Calls": obj(calls=array(ref("Call"))),
    "Call": obj(
        id=EVENT_ID,
        text=TEXT,
        by={**TEXT, "description": "who made it"},
        roll=array({**TEXT, "description": "who must acknowledge it"}),
        acked=array({**TEXT, "description": "who has acknowledged it"}),
        missing=array(TEXT),
    ),
    "Said": obj(id=EVENT_ID, name=TEXT, kept=BOOLEAN),
    "Upload": obj(
        file={"type": "string", "minLength": 1, "contentMediaType": "application/octet-stream"}
    ),
    "Uploads": obj(
        uploads=array(ref("ListedUpload")),
        next={**nullable(INTEGER), "description": "`cursor` of the next page; null on the last"},
        accepts=obj(
            max_bytes=COUNT,
            suffixes=array(
                TEXT, description="ends of the names of files, in any case; empty for any name"
            ),
        ),
    ),
    "UploadReport": obj(
        **UPLOAD,
        validator=nullable(obj(source=TEXT, dictionary=nullable(obj(name=TEXT, sha256=TEXT)))),
        steps=STEPS,
        findings=array(FINDING),
        timeline=array(
            obj(id=TEXT, **SENDING), description="all changes of `sending`, the oldest first"
        ),
        omitted={**COUNT, "description": "findings beyond the limits, which are counted only"},
        summary=FACTS,
    ),
    "ListedUpload": obj(**UPLOAD),
    "SendingEvent": obj(id=TEXT, **SENDING),
    "Queue": obj(
        uplink=obj(state=one_of(State), detail=TEXT),
        now={**TIME, "description": "of the server"},
        sends={**BOOLEAN, "description": "whether accepted files enter the queue"},
        light_time=obj(
            seconds={**NUMBER, "description": "one-way"},
            parameter={**nullable(TEXT), "description": "of the telemetry that states it"},
            t={**nullable(TIME), "description": "of its value; null if the setting counts"},
        ),
        release_persons=COUNT,
        uploads=array(ref("ListedUpload")),
    ),
    "QueueAction": obj(
        ["by", "revision", "at", "before"],
        by={
            "type": "string",
            "maxLength": MAX_BY_CHARACTERS,
            "pattern": NAME,
            "description": "your name, if your token has none",
        },
        revision={
            **nullable(INTEGER),
            "description": "that you have seen; another one is refused with 409",
        },
        at={**nullable(TIME), "description": "for `release`: before which it is not sent"},
        before={
            **nullable(TEXT),
            "description": "for `move`: the id of the upload that follows it; null for the end",
        },
    ),
    "Cancelled": obj(id=TEXT, outcome=const("cancelled"), detail=TEXT),
    "Health": obj(status=const("ok"), version=TEXT),
    "Readiness": obj(
        ["phase", "sources", "notifications", "audit", "recording", "tokens", "data_folder"],
        ready=BOOLEAN,
        phase=TEXT,
        sources={
            "type": "object",
            "additionalProperties": obj(
                ["lost", "last_lost", "replaced_times", "unusable", "last_unusable"], **SOURCE
            ),
        },
        notifications=array(
            obj(
                receiver=TEXT,
                state=one_of(("ok", "failing")),
                sent=COUNT,
                failed=COUNT,
                waiting=COUNT,
                dropped=COUNT,
                last_sent=nullable(TIME),
                last_error=nullable(TEXT),
            )
        ),
        tokens=obj(usable={**BOOLEAN, "description": "of the named ones"}, detail=nullable(TEXT)),
        data_folder=obj(private=BOOLEAN, detail=nullable(TEXT)),
        audit=nullable(
            obj(
                ["since", "detail"],
                state=one_of(("live", "down")),
                since=TIME,
                detail=TEXT,
                dropped=COUNT,
            )
        ),
        recording=obj(
            ["recorded"],
            log=TEXT,
            recording=BOOLEAN,
            outage=nullable(obj(since=TIME, reason=TEXT)),
            lost=COUNT,
            set_aside=nullable(TEXT),
            damaged=nullable(
                obj(
                    count=COUNT,
                    parts=array(
                        obj(part=TEXT, content=TEXT, since=nullable(TIME), until=nullable(TIME))
                    ),
                )
            ),
            recorded={"type": ["object", "null"]},
        ),
    ),
    "Document": {"type": "object"},
    "StateEvent": obj(
        source=TEXT,
        state=one_of(State),
        detail=TEXT,
        since=TIME,
        unusable=COUNT,
        last_unusable=nullable(TEXT),
    ),
    "Gap": obj(after=EVENT_ID, resumed=EVENT_ID, lost=nullable(COUNT), reason=one_of(GapReason)),
    "Bye": obj(
        ["reason"],
        reason={**one_of(ENDED), "description": "why the client has no access any more"},
        detail=TEXT,
    ),
    "Beat": obj(),
    "Ages": obj(
        ages_s={
            "type": "object",
            "additionalProperties": NUMBER,
            "description": "seconds since the value was received, by parameter",
        }
    ),
    "ReplayClock": obj(t=TIME, speed=NUMBER),
    "PastMessage": obj(channel=TEXT, **{"from": TEXT}, text=TEXT, role=nullable(TEXT), at=TIME),
    "Progress": {
        **obj(
            status=one_of(Status),
            detail=TEXT,
        ),
        "additionalProperties": True,
        "description": "`UPLOADING` has `id`, `name`, `received`, `size` and `plan`; `VALIDATING` "
        "the step, `position` while other checks run first, and `line`, `lines` and `lines_per_s` "
        "if the validator states them; the last event the results. The first and the last have "
        "`by`, if the sender has a name. An upload ends with `COMPLETE`, `REJECTED` or `FAILED`.",
    },
    "Finding": FINDING,
    "Say": obj(
        ["text", "ref", "kind", "data", "channel"],
        type=const("say"),
        text=TEXT,
        channel={**TEXT, "description": "one that the member listens to; its own by default"},
        ref=nullable(MESSAGE_REF),
        kind=nullable(MESSAGE_KIND),
        data=nullable(MESSAGE_DATA),
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
        after={**EVENT_ID, "description": "the last event that the client has"},
        read={**EVENT_ID, "description": "the last event that the person has read"},
    ),
    "Subscribed": obj(
        ["may_say", "unread", "mentions", "more"],
        type=const("subscribed"),
        channel=TEXT,
        member_count=COUNT,
        last_id=EVENT_ID,
        may_say={"const": False, "description": "the member may only listen"},
        unread={**COUNT, "description": "messages of others after `read`, or else after `after`"},
        mentions={**COUNT, "description": "those of them that mention the member"},
        more={"const": True, "description": "there may be more than the server has in memory"},
    ),
    "Unsubscribe": obj(type=const("unsubscribe"), channel=TEXT),
    "Unsubscribed": obj(type=const("unsubscribed"), channel=TEXT),
    "Message": obj(
        ["ref", "role", "kind", "data"],
        channel=TEXT,
        kind=MESSAGE_KIND,
        data=MESSAGE_DATA,
        **{"type": const("message"), "id": EVENT_ID, "from": TEXT},
        text=TEXT,
        at=TIME,
        ref=TEXT,
        role={**TEXT, "description": "of the member's token, such as `CAPCOM`"},
    ),
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
    "ChannelGap": obj(
        type=const("gap"),
        channel=TEXT,
        after=EVENT_ID,
        resumed=EVENT_ID,
        lost=nullable(COUNT),
        reason=one_of(GapReason),
    ),
    "Welcome": obj(
        ["may_say", "may_moderate", "roles", "polls", "calls", "muted"],
        type=const("welcome"),
        channel=TEXT,
        you=TEXT,
        may_say={"const": False, "description": "the member may only listen"},
        members=array(TEXT),
        roles={
            "type": "object",
            "additionalProperties": TEXT,
            "description": "by the names of the members that have one",
        },
        member_count=COUNT,
        last_id=EVENT_ID,
        resume={**TEXT, "description": "a secret, for `?resume=` of the next connection"},
        limits=obj(
            message_bytes=COUNT,
            ref_characters=COUNT,
            messages_per_s={"type": "number", "exclusiveMinimum": 0},
            burst=COUNT,
            subscriptions=COUNT,
        ),
        now={**TIME, "description": "of the clock of the server"},
        may_moderate={"const": True, "description": "the member moderates the channel"},
        polls=array(ref("Poll")),
        calls=array(ref("Call")),
        muted={**array(TEXT), "description": "names that a moderator has muted"},
        history=array({"anyOf": [ref("Message"), ref("Presence")]}),
    ),
}
"""Every schema by its name in both documents."""
