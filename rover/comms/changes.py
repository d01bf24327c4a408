"""Which messages of a page were edited or retracted. The messages themselves stay as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.comms.crew.shapes import EDIT, RETRACT

if TYPE_CHECKING:
    from rover.comms.events import MessageEvent
    from rover.events import EventId

FIELDS = {EDIT: "edited", RETRACT: "retracted"}
"""The field of a changed message that has the id of its newest change."""


class Changes:
    """The newest edit and the retraction of each message, by the id of the message."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, EventId]] = {}

    def note(self, event_id: EventId, event: MessageEvent) -> None:
        """Note a message; others than an `edit` or a `retract` change nothing."""
        field = FIELDS.get(event.content.kind)
        target = (event.content.data or {}).get("message")
        if field is None or not isinstance(target, str):
            return
        found = self._found.setdefault(target, {})
        if field not in found or found[field].offset < event_id.offset:
            found[field] = event_id

    def of(self, event_id: EventId) -> dict[str, str]:
        """The fields of a message: `edited` and `retracted`, as far as it is."""
        found = self._found.get(str(event_id), {})
        return {field: str(change) for field, change in found.items()}
