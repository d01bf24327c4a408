"""The stations of a roll, such as `FD` and `CAPCOM`, and who is at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.names import folded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rover.comms.member import Speaker


def stations_of(speaker: Speaker, roll: Iterable[str]) -> list[str]:
    """The stations of a roll at which a speaker is: its role, and its name."""
    own = {folded(text) for text in (speaker.identity.role, speaker.name) if text}
    return [station for station in roll if folded(station) in own]
