"""The stations of a roll, such as `FD` and `CAPCOM`, and who is at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.names import folded, normalized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rover.comms.member import Speaker


def stations_of(speaker: Speaker, roll: Iterable[str]) -> list[str]:
    """The stations of a roll at which a speaker is: its role, and its name."""
    own = {_key_of(text) for text in (speaker.identity.role, speaker.name) if text}
    return [station for station in roll if _key_of(station) in own]


def stations_of_name(name: str, roll: Iterable[str]) -> list[str]:
    """The stations of a roll with that name, in any case."""
    return [station for station in roll if _key_of(station) == _key_of(name)]


def _key_of(name: str) -> str:
    return folded(normalized(name))
