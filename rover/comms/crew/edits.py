"""Corrections: an `edit` or a `retract` refers to a message, which stays as it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.comms.crew.sanctions import is_moderator
from rover.comms.crew.shapes import CALL, EDIT, POLL, RETRACT, SHAPES
from rover.comms.events import MessageEvent
from rover.errors import MessageConflict, MessageForbidden, UnknownMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rover.comms.events import ChannelEvent
    from rover.comms.frames import Frame
    from rover.comms.member import Speaker

FIXED = frozenset(SHAPES) | {"result"}
"""Kinds that are part of a procedure, which cannot be edited."""

RETRACTABLE = (POLL, CALL)
"""Those of them that can be retracted, which ends the procedure."""


def check_change(
    channel: str,
    events: Iterable[tuple[Frame, ChannelEvent]],
    kind: str,
    target: str,
    speaker: Speaker,
) -> None:
    """Check an `edit` or a `retract` of the message with the id `target`.

    Args:
        channel: its name.
        events: the retained events of the channel, oldest first.
        kind: `edit` or `retract`.
        target: the id of the original message.
        speaker: who sends it.

    Raises:
        UnknownMessage: the channel does not retain a message with this id.
        MessageForbidden: the speaker is neither its author nor a moderator.
        MessageConflict: it is part of a procedure, or is retracted.
    """
    original = None
    is_retracted = False
    for frame, event in events:
        if not isinstance(event, MessageEvent):
            continue
        if original is None:
            original = event if str(frame.id) == target else None
        elif event.content.kind == RETRACT:
            is_retracted |= (event.content.data or {}).get("message") == target
    if original is None:
        raise UnknownMessage("message", target)
    is_author = (original.author, original.requested_name) == (
        speaker.identity.name,
        speaker.requested_name,
    )
    if not is_author and not is_moderator(speaker.identity, channel):
        raise MessageForbidden(
            "not_author", f"only {original.name} or a moderator may {kind} this message"
        )
    of_procedure = original.content.kind in FIXED
    if of_procedure and (kind == EDIT or original.content.kind not in RETRACTABLE):
        raise MessageConflict("not_changeable", f"a `{original.content.kind}` cannot be changed")
    if is_retracted:
        raise MessageConflict("retracted", "the message is retracted")
