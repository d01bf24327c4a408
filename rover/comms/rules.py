"""Which channels a mission always has, and what its log keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

SystemCategory = Literal["alarms", "commands", "images", "sources"]
"""What the mission reports in a channel."""

SYSTEM_CATEGORIES: tuple[SystemCategory, ...] = get_args(SystemCategory)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedChannel:
    """A channel that is always there. `None` is the value of the setting for all channels.

    Attributes:
        keep_days: days for which messages are kept; 0 for no limit of age.
        keep_messages: maximum number of messages that the log keeps.
        keep_bytes: maximum bytes of them.
        system: what the mission reports in it.
    """

    keep_days: float | None = None
    keep_messages: int | None = None
    keep_bytes: int | None = None
    system: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules:
    """The channels of a mission.

    Attributes:
        pinned: the channels that are always there, by name, in the order in which they are listed.
        is_fixed: whether there are no others.
    """

    pinned: Mapping[str, PinnedChannel] = field(default_factory=dict)
    is_fixed: bool = False
