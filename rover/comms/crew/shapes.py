"""The kinds of messages that the server acts on, and what their `data` must have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rover.comms.names import MAX_NAME_CHARACTERS
from rover.errors import MessageRefused
from rover.names import looks_of, name_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POLL, VOTE, RESULT = "poll", "vote", "result"
CALL, ACK = "call", "ack"
EDIT, RETRACT = "edit", "retract"
MUTE, REMOVE, ALLOW = "mute", "remove", "allow"

GO, NO_GO = "go", "no-go"

MAX_ROLL = 32
"""Maximum number of stations of a poll or a call."""

MAX_SECONDS = 86_400.0
"""Maximum seconds of a poll, and of a mute or a removal that has an end."""


class Field(NamedTuple):
    """One field of `data`.

    Attributes:
        rule: what it must be, for the error.
        accepts: whether a value is right.
        is_required: whether it must be there.
    """

    rule: str
    accepts: Callable[[object], bool]
    is_required: bool = True


class Shape(NamedTuple):
    """A kind of message.

    Attributes:
        fields: of its `data`, by name.
        text: returns the text of a message that has none; `None` if it needs one.
    """

    fields: Mapping[str, Field]
    text: Callable[[Mapping[str, Any]], str] | None = None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not name_fault(value, MAX_NAME_CHARACTERS)


def _is_roll(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ROLL:
        return False
    looks: set[str] = set()
    for name in value:
        if not _is_name(name) or not looks.isdisjoint(looks_of(name)):
            return False
        looks |= looks_of(name)
    return True


def _is_seconds(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 1 <= value <= MAX_SECONDS  # type: ignore[operator]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


ROLL = Field(f"a list of 1 to {MAX_ROLL} different names of stations", _is_roll, is_required=False)
SECONDS = Field(f"a number from 1 to {MAX_SECONDS:,.0f}", _is_seconds, is_required=False)
EVENT = Field("the id of a message", _is_text)
MEMBER = Field("the name of a member", _is_name)

SHAPES: Mapping[str, Shape] = {
    POLL: Shape(
        {
            "roll": ROLL,
            "seconds": SECONDS,
            "deadline": Field("a time in ISO 8601", _is_text, is_required=False),
        }
    ),
    VOTE: Shape(
        {
            "poll": EVENT,
            "vote": Field(f"`{GO}` or `{NO_GO}`", lambda value: value in (GO, NO_GO)),
            "station": Field("the name of a station", _is_name, is_required=False),
        },
        lambda data: str(data["vote"]).upper(),
    ),
    CALL: Shape({"roll": ROLL}),
    ACK: Shape({"call": EVENT}, lambda _: "Acknowledged"),
    EDIT: Shape({"message": EVENT}),
    RETRACT: Shape({"message": EVENT}, lambda _: "Retracted a message"),
    MUTE: Shape({"member": MEMBER, "seconds": SECONDS}, lambda data: f"Muted {data['member']}"),
    REMOVE: Shape({"member": MEMBER, "seconds": SECONDS}, lambda data: f"Removed {data['member']}"),
    ALLOW: Shape({"member": MEMBER}, lambda data: f"Allowed {data['member']} again"),
}
"""The kinds that clients may send, and that the server acts on."""


def check_shape(kind: str, data: Mapping[str, Any] | None) -> None:
    """Check the `data` of a message; any data fits a kind that the server does not act on.

    Raises:
        MessageRefused: it does not fit the kind.
    """
    if (shape := SHAPES.get(kind)) is None:
        return
    data = data or {}
    for name, field in shape.fields.items():
        is_missing = data.get(name) is None
        if (is_missing and field.is_required) or not (is_missing or field.accepts(data[name])):
            raise MessageRefused("malformed", f"`{name}` of a `{kind}` must be {field.rule}")
    if unknown := sorted(set(data) - set(shape.fields)):
        known = ", ".join(shape.fields)
        raise MessageRefused("malformed", f"`data` of a `{kind}` has {known}, not {unknown[0]!r}")
    if kind == POLL and (data.get("seconds") is None) == (data.get("deadline") is None):
        raise MessageRefused("malformed", "`data` of a `poll` must have `seconds` or `deadline`")


def default_text(kind: str, data: Mapping[str, Any] | None) -> str:
    """The text of a message that its sender has left empty; empty if it needs one."""
    shape = SHAPES.get(kind)
    return "" if shape is None or shape.text is None else shape.text(data or {})
