"""An example of each event and frame, by the name of its schema. A test checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UPLOAD_ID = "kvLN_UpsPkBdwfOeAPZ2wg"

MESSAGE = {
    "type": "message",
    "id": "57229c3b-14",
    "channel": "flight",
    "from": "Ada",
    "text": "Drive of sol 812 is complete",
    "at": "2026-11-28T18:45:45.190Z",
}

GAP = {"after": "f6a48fdd-1", "resumed": "f6a48fdd-5425", "lost": 5424, "reason": "expired"}

EXAMPLES: Mapping[str, object] = {
    "Sample": {
        "t": "2026-11-28T18:45:39.893Z",
        "battery_level": 72.52,
        "location": {"lat": 18.4383199, "lon": 77.4259769},
    },
    "StateEvent": {
        "source": "telemetry",
        "state": "live",
        "detail": "live",
        "since": "2026-11-28T18:27:37.333Z",
        "unusable": 0,
        "last_unusable": None,
    },
    "AlarmEvent": {
        "id": "motor_temperature",
        "t": "2026-11-28T18:45:39.893Z",
        "parameter": "motor_temperature",
        "unit": "°C",
        "level": "yellow",
        "worst": "yellow",
        "value": 71.5,
        "side": "high",
        "threshold": 70.0,
        "since": "2026-11-28T18:45:39.893Z",
        "count": 1,
        "acknowledged": None,
        "shelved": None,
        "action": "raised",
        "was": "nominal",
    },
    "SendingEvent": {
        "id": UPLOAD_ID,
        "state": "sent",
        "detail": "no answer yet",
        "t": "2026-11-28T18:46:02.120Z",
        "by": None,
        "attempt": 1,
        "was_sent": "yes",
        "released_by": ["Ada"],
        "release_at": None,
        "light_time_s": 754.2,
        "sent_at": "2026-11-28T18:46:02.120Z",
        "arrives_at": "2026-11-28T18:58:36.320Z",
        "answer_due": "2026-11-28T19:12:10.520Z",
        "revision": 4,
    },
    "Parameters": {
        "parameters": [
            {
                "name": "battery_level",
                "unit": "%",
                "kind": "number",
                "description": "Charge of the battery",
                "limits": {
                    "yellow": [30.0, None],
                    "red": [15.0, None],
                    "hysteresis": None,
                    "min_duration_s": 0.0,
                },
                "period_s": 0.2,
                "group": "power",
            }
        ]
    },
    "Event": {
        "id": "9f2c1a7b-42",
        "t": "2026-11-28T18:45:39.893Z",
        "severity": "warning",
        "name": "drive.slip",
        "message": "Wheel slip of 0.4 at the front left",
        "source": "telemetry",
    },
    "Image": {
        "id": "sol-1167-094218-navcam-039",
        "camera": "camera",
        "state": "arriving",
        "reason": "",
        "available": True,
        "content_type": "image/jpeg",
        "size": 2754356,
        "received": 616221,
        "complete": False,
        "revision": "1cb820671fbf2155",
        "taken_at": "2026-11-28T18:47:49.133Z",
        "received_at": "2026-11-28T18:48:11.381Z",
        "width": 4096,
        "height": 2048,
        "sha256": None,
        "metadata": {"instrument": "Navcam, starboard", "sol": 1167},
        "url": "images/sol-1167-094218-navcam-039?revision=1cb820671fbf2155",
        "thumbnail": None,
        "stream": "stream/rover-image?id=sol-1167-094218-navcam-039",
    },
    "Gap": GAP,
    "Beat": {},
    "PastMessage": {
        "channel": "flight",
        "from": "Ada",
        "text": "Drive of sol 812 is complete",
        "role": "CAPCOM",
        "at": "2026-11-28T18:45:45.190Z",
    },
    "Ages": {"ages_s": {"battery_level": 0.4, "location": 0.4}},
    "ReplayClock": {"t": "2026-11-28T18:45:40Z", "speed": 10.0},
    "Bye": {"detail": "the server is shutting down"},
    "Progress": {
        "status": "VALIDATING",
        "detail": "Syntax: passed",
        "step": "syntax",
        "title": "Syntax",
        "index": 1,
        "steps": 6,
        "state": "passed",
        "fraction": 0.16666666666666666,
    },
    "Finding": {
        "severity": "error",
        "code": "syntax.time",
        "message": "'WAIT' is not a time",
        "line": 1,
        "column": 1,
        "hint": "start the line with a time, such as C00:00:05",
        "step": "syntax",
    },
    "Say": {"type": "say", "text": "Drive of sol 812 is complete", "ref": "1"},
    "Subscribe": {"type": "subscribe", "channel": "science", "after": "0f8d29a1-7"},
    "Subscribed": {
        "type": "subscribed",
        "channel": "science",
        "member_count": 3,
        "last_id": "0f8d29a1-9",
        "unread": 2,
        "mentions": 1,
    },
    "Unsubscribe": {"type": "unsubscribe", "channel": "science"},
    "Unsubscribed": {"type": "unsubscribed", "channel": "science"},
    "Ping": {"type": "ping"},
    "Pong": {"type": "pong"},
    "Ack": {"type": "ack", "ref": "1", "id": "57229c3b-14"},
    "Refusal": {
        "type": "error",
        "code": "empty",
        "detail": "a message must have a visible character",
    },
    "Message": MESSAGE,
    "ChannelState": {"channel": "flight", "member_count": 2, "last_id": "57229c3b-14"},
    "Presence": {
        "type": "join",
        "id": "57229c3b-13",
        "channel": "flight",
        "name": "Ada",
        "member_count": 2,
        "at": "2026-11-28T18:45:44.001Z",
    },
    "ChannelGap": {"type": "gap", "channel": "flight", **GAP},
    "Welcome": {
        "type": "welcome",
        "channel": "flight",
        "you": "Ada",
        "members": ["Ada", "Lin"],
        "member_count": 2,
        "last_id": "57229c3b-14",
        "resume": "Q3lkYWlvIHdhcyBoZXJl",
        "limits": {
            "message_bytes": 16_384,
            "ref_characters": 64,
            "messages_per_s": 10,
            "burst": 30,
            "subscriptions": 100,
        },
        "now": "2026-11-28T18:45:46.002Z",
        "polls": [
            {
                "id": "57229c3b-12",
                "text": "Go for drive?",
                "by": "Ada",
                "roll": ["FD", "CAPCOM"],
                "deadline": "2026-11-28T18:46:40.000Z",
                "votes": {"FD": "go"},
                "missing": ["CAPCOM"],
                "outcome": None,
            }
        ],
        "history": [MESSAGE],
    },
}
