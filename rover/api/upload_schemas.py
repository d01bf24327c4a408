"""JSON Schemas of uploads and the queue."""

from __future__ import annotations

from rover.api.schema import (
    BOOLEAN,
    BY,
    COUNT,
    FACTS,
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    about,
    array,
    closed,
    const,
    nullable,
    obj,
    one_of,
    ref,
    text,
)
from rover.commands.sending import SendingState
from rover.commands.steps import StepState
from rover.commands.upload_state import Status
from rover.supervise import State
from sources.base import Severity

SHA256 = text(pattern="^[0-9a-f]{64}$")

SENDING = {
    "state": one_of(SendingState),
    "detail": TEXT,
    "t": about(TIME, "of the newest change"),
    "by": about(nullable(TEXT), "who made it; null for the server and the rover"),
    "attempt": about(COUNT, "how often the uplink was asked to send it"),
    "was_sent": about(one_of(("no", "maybe", "yes")), "with any attempt"),
    "released_by": array(TEXT),
    "release_at": about(nullable(TIME), "before which it is not sent"),
    "light_time_s": about(nullable(NUMBER), "one-way, when it was sent"),
    "sent_at": about(
        nullable(TIME), "of the newest attempt that has left, or may have; null without one"
    ),
    "arrives_at": about(nullable(TIME), "when the rover has it, if it has left"),
    "answer_due": about(nullable(TIME), "when it times out"),
    "revision": about(COUNT, "number of changes"),
}

UPLOAD = {
    "id": TEXT,
    "name": about(TEXT, "of the file"),
    "status": one_of(Status),
    "detail": TEXT,
    "size": about(nullable(COUNT), "bytes of the file, if known"),
    "received": COUNT,
    "sha256": nullable(SHA256),
    "by": about(nullable(TEXT), "who sent the file"),
    "began": nullable(TIME),
    "ended": nullable(TIME),
    "errors": nullable(COUNT),
    "warnings": nullable(COUNT),
    "artifact": nullable(obj(sha256=SHA256, size=COUNT, type=TEXT)),
    "cancelled": BOOLEAN,
    "recovered": about(
        BOOLEAN, "the server was restarted after it accepted the file, before it said so"
    ),
    "sending": about(nullable(obj(**SENDING)), "its way to the rover"),
    "links": obj(
        ["artifact", "file"],
        report=about(TEXT, "relative to the mount point, as all links"),
        events=TEXT,
        file=about(TEXT, "of an accepted upload"),
        artifact=TEXT,
    ),
}

FINDING = obj(
    ["text"],
    severity=one_of(Severity),
    code=TEXT,
    message=TEXT,
    line=nullable(INTEGER),
    column=nullable(INTEGER),
    hint=TEXT,
    step=TEXT,
    text=about(nullable(TEXT), "of the line, at most 200 characters around the column"),
)

QUEUE_ACTION = {
    "by": about(BY, "your name, if your token has none"),
    "revision": about(nullable(INTEGER), "that you have seen; another one is refused with 409"),
}

UPLOAD_SCHEMAS = {
    "Upload": obj(file=text(minLength=1, contentMediaType="application/octet-stream")),
    "Uploads": obj(
        uploads=array(ref("ListedUpload")),
        next=about(nullable(INTEGER), "`cursor` of the next page; null on the last"),
        accepts=obj(
            max_bytes=COUNT,
            suffixes=about(
                array(TEXT), "ends of the names of files, in any case; empty for any name"
            ),
        ),
    ),
    "UploadReport": obj(
        **UPLOAD,
        validator=nullable(obj(source=TEXT, dictionary=nullable(obj(name=TEXT, sha256=TEXT)))),
        steps=array(
            obj(
                ["state", "detail"],
                name=TEXT,
                title=TEXT,
                state=one_of(StepState),
                detail=about(TEXT, "why it is skipped"),
            )
        ),
        findings=array(FINDING),
        timeline=about(
            array(obj(id=TEXT, **SENDING)), "all changes of `sending`, the oldest first"
        ),
        omitted=about(COUNT, "findings beyond the limits, which are counted only"),
        summary=FACTS,
    ),
    "ListedUpload": obj(**UPLOAD),
    "SendingEvent": obj(id=TEXT, **SENDING),
    "Queue": obj(
        uplink=obj(state=one_of(State), detail=TEXT),
        now=about(TIME, "of the server"),
        sends=about(BOOLEAN, "whether accepted files enter the queue"),
        light_time=obj(
            seconds=about(NUMBER, "one-way"),
            parameter=about(nullable(TEXT), "of the telemetry that states it"),
            t=about(nullable(TIME), "of its last usable value; null if the setting counts"),
            problem=about(nullable(TEXT), "why it may be wrong; null if it is known"),
        ),
        release_persons=COUNT,
        uploads=array(ref("ListedUpload")),
    ),
    "QueueAction": closed(QUEUE_ACTION),
    "Release": closed(QUEUE_ACTION | {"at": about(nullable(TIME), "before which it is not sent")}),
    "Move": closed(
        QUEUE_ACTION
        | {
            "before": about(
                nullable(TEXT), "the id of the upload that follows it; null for the end"
            )
        }
    ),
    "Cancelled": obj(id=TEXT, outcome=const("cancelled"), detail=TEXT),
    "Progress": {
        **obj(status=one_of(Status), detail=TEXT),
        "additionalProperties": True,
        "description": "`UPLOADING` has `id`, `name`, `received`, `size` and `plan`; `VALIDATING` "
        "the step, `position` while other checks run first, and `line`, `lines` and `lines_per_s` "
        "if the validator states them; the last event the results, `FAILED` also `received`. The "
        "first and the last have `by`, if the sender has a name. An upload ends with `COMPLETE`, "
        "`REJECTED` or `FAILED`.",
    },
    "Finding": FINDING,
}
