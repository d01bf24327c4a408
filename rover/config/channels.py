"""The comms channels of a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.comms.names import ChannelNames
from rover.comms.rules import SYSTEM_CATEGORIES, ChannelRules, PinnedChannel
from rover.config.table import is_number
from rover.errors import ChannelRefused

if TYPE_CHECKING:
    from rover.config.table import Table

KEYS = ("fixed", "channel")
CHANNEL_KEYS = ("keep_days", "keep_messages", "keep_bytes", "system")


def read_channels(comms: Table) -> ChannelRules:
    """The table `comms`."""
    comms.allow(KEYS)
    is_fixed = comms.values.get("fixed", False)
    if not isinstance(is_fixed, bool):
        comms.refuse_value("fixed", "must be true or false")
    names, pinned = ChannelNames(), {}
    channels = comms.table("channel")
    for name, table in channels.tables():
        try:
            found = names.find(name)
        except ChannelRefused as exc:
            channels.refuse(name, str(exc))
            continue
        if found in pinned:
            channels.refuse(name, f"is the same channel as {found}")
        names.add(found)
        table.allow(CHANNEL_KEYS)
        pinned[found] = PinnedChannel(
            keep_days=_number(table, "keep_days", 0),
            keep_messages=_whole(table, "keep_messages", 1),
            keep_bytes=_whole(table, "keep_bytes", 1024),
            system=_system(table),
        )
    if is_fixed is True and not pinned:
        comms.refuse("fixed", "needs at least one channel; write [comms.channel.NAME]")
    return ChannelRules(pinned=pinned, is_fixed=is_fixed is True)


def _system(table: Table) -> frozenset[str]:
    value = table.values.get("system", [])
    if not isinstance(value, list) or not all(one in SYSTEM_CATEGORIES for one in value):
        table.refuse_value("system", f"must be a list of {', '.join(SYSTEM_CATEGORIES)}")
        return frozenset()
    return frozenset(value)


def _number(table: Table, key: str, at_least: int) -> float | None:
    value = table.values.get(key)
    if value is None:
        return None
    if not is_number(value) or value < at_least:
        table.refuse_value(key, f"must be a number of at least {at_least}")
        return None
    return float(value)


def _whole(table: Table, key: str, at_least: int) -> int | None:
    value = table.values.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        table.refuse_value(key, f"must be a whole number of at least {at_least}")
        return None
    return value
