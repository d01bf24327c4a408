"""The dictionary of a mission: the parameters of its sources, and those derived from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rover.telemetry.events import dictionary_json
from rover.telemetry.records import DICTIONARY, STREAM, save_dictionary, saved_dictionary
from rover.telemetry.translation import ParameterChange
from sources.base import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.logs.base import Log
    from rover.telemetry.derived import Derived
    from rover.telemetry.feed import Feed
    from sources.base import Parameter


class MissionDictionary:
    """The parameters as they are now; some sources learn theirs from samples.

    Args:
        feeds: of the sources, by name.
        derived: the parameters that are computed.
        changes: the settings of parameters in the configuration, by name.
        log: keeps the dictionary; `None` if a restart may forget it.

    Attributes:
        parameters: those from before a restart come first, in their order.
        periods_s: the declared period of each parameter; `None` without one.
    """

    def __init__(
        self,
        feeds: Mapping[str, Feed],
        derived: Derived,
        changes: Mapping[str, ParameterChange],
        log: Log | None,
    ) -> None:
        self._feeds = feeds
        self._derived = derived
        self._changes = changes
        self._log = log
        self._remembered: dict[str, Parameter] = {}  # in the dictionary before a restart
        self.collect()

    def collect(self) -> None:
        """Collect the parameters of all sources."""
        found = dict(self._remembered)
        for feed in self._feeds.values():
            found |= {one.name: one for one in feed.parameters}
        found |= {one.name: one for one in self._derived.parameters}
        self.periods_s = {one.name: one.period_s for one in found.values()}
        self.parameters = list(found.values())

    def restore(self, has_value: Callable[[str], bool]) -> None:
        """Restore the parameters that have values, until their sources declare them again.

        Their limits are those of the configuration, which may have changed. The order stays.

        Args:
            has_value: whether a parameter has a value.
        """
        if self._log is None or self._log.recorded is not None:
            return
        declared = {one.name for one in self.parameters}
        for parameter in saved_dictionary(self._log.values(DICTIONARY)):
            name = parameter.name
            if name in declared or has_value(name):
                change = self._changes.get(name, ParameterChange())
                self._remembered[name] = change.apply(replace(parameter, limits=Limits()))
        self.collect()

    def save(self) -> None:
        """Store the dictionary in the log."""
        if self._log is not None:
            save_dictionary(self._log, self.parameters)

    async def is_recorded(self) -> bool:
        """Whether it is the newest recorded one: replays show its units.

        Raises:
            LogDamaged: the log cannot be read.
        """
        log = self._log
        if log is None or log.file is None or log.recorded is not None:
            return True
        recorded = await log.read(STREAM, kinds=("dictionary",), limit=1, newest=True)
        if not recorded:
            return not self.parameters
        return recorded[0].data == dictionary_json(self.parameters)
