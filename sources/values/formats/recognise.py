"""Finds the format of a message by its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sources.values.formats.owntracks import is_owntracks, read_owntracks
from sources.values.formats.rosbridge import is_rosbridge, read_rosbridge
from sources.values.formats.senml import is_senml, read_senml
from sources.values.formats.ttn import is_ttn, read_ttn

if TYPE_CHECKING:
    from sources.values.formats.reading import Reading

Format = Literal["auto", "json", "owntracks", "rosbridge", "senml", "ttn"]
"""`auto` recognises each message by its members; `json` takes each as a plain object."""


def readings(
    wanted: Format, root: Any, place: str | None, arrived: float, has_prefix: bool = True
) -> list[Reading] | None:
    """The readings of a message; `None` if it is a plain object.

    Args:
        wanted: the format of the source.
        root: parsed JSON.
        place: of the message's topic; `None` if it has no topic.
        arrived: POSIX seconds.
        has_prefix: whether rosbridge's topics are put before the names.

    Raises:
        PayloadRefused: the message does not have the wanted format, or has no values.
    """
    found = _format_of(root) if wanted == "auto" else wanted
    match found:
        case "ttn":
            return read_ttn(root)
        case "owntracks":
            return read_owntracks(root, place)
        case "senml":
            return read_senml(root, arrived)
        case "rosbridge":
            return read_rosbridge(root, has_prefix)
    return None


def _format_of(root: Any) -> Format:
    if is_senml(root):
        return "senml"
    if is_rosbridge(root):
        return "rosbridge"
    if is_ttn(root):
        return "ttn"
    return "owntracks" if is_owntracks(root) else "json"
