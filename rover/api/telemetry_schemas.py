"""JSON Schemas of telemetry, its events and its alarms."""

from __future__ import annotations

from typing import get_args

from rover.api.schema import (
    BOOLEAN,
    BY,
    COUNT,
    EVENT_ID,
    NUMBER,
    PRINTABLE,
    TEXT,
    TIME,
    about,
    array,
    by_name,
    nullable,
    obj,
    one_of,
    ref,
    text,
)
from rover.asgi.json_body import MAX_TEXT_CHARACTERS
from rover.events import GapReason
from rover.supervise import State
from rover.telemetry.alarm import Action
from rover.telemetry.alarms import MAX_SHELF_MINUTES
from rover.telemetry.latest import Quality
from rover.telemetry.limits import Level
from sources.base import Kind, Severity

VALUE = about(
    {
        "type": ["number", "boolean", "string", "object", "null"],
        "additionalProperties": nullable(NUMBER),
    },
    "a value of a parameter; a vector is an object of numbers",
)

TWO_BOUNDS = array(nullable(NUMBER), minItems=2, maxItems=2)

LIMITS = obj(yellow=TWO_BOUNDS, red=TWO_BOUNDS, hysteresis=nullable(NUMBER), min_duration_s=NUMBER)

PARAMETER = obj(
    name=TEXT,
    unit=TEXT,
    kind=one_of(get_args(Kind)),
    description=TEXT,
    limits=LIMITS,
    period_s=nullable(NUMBER),
    group=TEXT,
)

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

COMMENT = text(maxLength=MAX_TEXT_CHARACTERS, pattern=f"^({PRINTABLE}|\\n)*$")

PLAIN_SAMPLE = about(
    {"type": "object"},
    "values by name, at any depth; `t` is the time, by default that of the arrival",
)

GAP = {
    "after": EVENT_ID,
    "resumed": EVENT_ID,
    "lost": nullable(COUNT),
    "reason": one_of(GapReason),
}

TELEMETRY_SCHEMAS = {
    "Parameters": obj(parameters=array(PARAMETER)),
    "Sample": {
        **obj(
            ["late", "folded"],
            t=TIME,
            late=about({"const": True}, "older than a sample before it"),
            folded=about(COUNT, "samples that it replaces, with `hz`"),
        ),
        "additionalProperties": VALUE,
    },
    "Latest": {
        **obj(
            t=TIME,
            details=by_name(
                obj(t=TIME, quality=one_of(get_args(Quality)), age_s=NUMBER, source=TEXT)
            ),
        ),
        "additionalProperties": VALUE,
    },
    "History": {
        **obj(t=array(TIME), late=array(BOOLEAN), resolution_s=NUMBER),
        "description": "columns of equal length",
        "additionalProperties": array(VALUE),
    },
    "Span": obj(
        first=nullable(TIME),
        last=nullable(TIME),
        now=TIME,
        gaps=array(obj(since=TIME, until=TIME, reason=TEXT)),
        alarms=array(obj(t=TIME, parameter=TEXT, level=one_of(Level))),
        simulated=by_name(array(array(nullable(TIME), minItems=2, maxItems=2))),
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
    "Acknowledgement": obj(["comment"], by=BY, comment=COMMENT),
    "Shelving": obj(
        ["comment"],
        by=BY,
        comment=COMMENT,
        minutes={**COUNT, "maximum": MAX_SHELF_MINUTES},
    ),
    "Event": obj(id=TEXT, t=TIME, severity=one_of(Severity), name=TEXT, message=TEXT, source=TEXT),
    "Events": obj(events=array(ref("Event")), kept=COUNT, dropped=COUNT),
    "Samples": {"anyOf": [PLAIN_SAMPLE, array(PLAIN_SAMPLE)]},
    "Accepted": obj(accepted=COUNT),
    "StateEvent": obj(
        source=TEXT,
        state=one_of(State),
        detail=TEXT,
        since=TIME,
        unusable=COUNT,
        last_unusable=nullable(TEXT),
    ),
    "Gap": obj(**GAP),
    "Beat": obj(),
    "Ages": obj(
        ages_s=about(by_name(NUMBER), "seconds since the value was received, by parameter")
    ),
    "ReplayClock": obj(t=TIME, speed=NUMBER),
}
