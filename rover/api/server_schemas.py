"""JSON Schemas of access, errors and the state of the server."""

from __future__ import annotations

from rover.api.schema import (
    BOOLEAN,
    COUNT,
    INTEGER,
    TEXT,
    TIME,
    about,
    array,
    by_name,
    const,
    nullable,
    obj,
    one_of,
)
from rover.errors import ENDED
from rover.supervise import State

SOURCE = obj(
    ["lost", "last_lost", "replaced_times", "unusable", "last_unusable"],
    source=TEXT,
    simulated=BOOLEAN,
    state=one_of(State),
    detail=TEXT,
    since=TIME,
    lost=COUNT,
    last_lost=nullable(TEXT),
    replaced_times=COUNT,
    unusable=COUNT,
    last_unusable=nullable(TEXT),
)

RECEIVER = obj(
    receiver=TEXT,
    state=one_of(("ok", "failing")),
    sent=COUNT,
    failed=COUNT,
    waiting=COUNT,
    dropped=COUNT,
    last_sent=nullable(TIME),
    last_error=nullable(TEXT),
)

DAMAGED_PART = obj(part=TEXT, content=TEXT, since=nullable(TIME), until=nullable(TIME))

RECORDING = obj(
    ["recorded"],
    log=TEXT,
    recording=BOOLEAN,
    outage=nullable(obj(since=TIME, reason=TEXT)),
    lost=COUNT,
    set_aside=nullable(TEXT),
    damaged=nullable(obj(count=COUNT, parts=array(DAMAGED_PART))),
    recorded=nullable({"type": "object"}),
)

AUDIT = obj(
    ["since", "detail"], state=one_of(("live", "down")), since=TIME, detail=TEXT, dropped=COUNT
)

SERVER_SCHEMAS = {
    "Problem": obj(
        ["request_id", "type", "expected-offset", "provided-offset"],
        title=TEXT,
        status=INTEGER,
        detail=TEXT,
        request_id=TEXT,
        type=about(TEXT, "of the problem, for resumable uploads"),
        **{"expected-offset": COUNT, "provided-offset": COUNT},
    ),
    "SignIn": {
        **obj(
            ["token", "code", "next"],
            key=about(TEXT, "of the form, which belongs to a cookie"),
            token=TEXT,
            code=TEXT,
            next=about(TEXT, "path to redirect to"),
        ),
        "additionalProperties": TEXT,
        "maxProperties": 16,
    },
    "Session": obj(
        name=TEXT,
        role=TEXT,
        scopes=array(TEXT),
        signed_in=about(BOOLEAN, "whether the client has a session, which it can end"),
    ),
    "Ticket": obj(ticket=TEXT, expires_s=COUNT),
    "Bye": obj(
        ["reason"],
        reason=about(one_of(ENDED), "why the client has no access any more"),
        detail=TEXT,
    ),
    "Health": obj(status=const("ok"), version=TEXT),
    "Readiness": obj(
        ["phase", "sources", "notifications", "audit", "recording", "tokens", "data_folder"],
        ready=BOOLEAN,
        phase=TEXT,
        sources=by_name(SOURCE),
        notifications=array(RECEIVER),
        tokens=obj(usable=about(BOOLEAN, "of the named ones"), detail=nullable(TEXT)),
        data_folder=obj(private=BOOLEAN, detail=nullable(TEXT)),
        audit=nullable(AUDIT),
        recording=RECORDING,
    ),
    "Document": {"type": "object"},
}
