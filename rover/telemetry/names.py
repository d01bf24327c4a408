"""The names of parameters when a mission has several sources."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("rover.telemetry")


class ParameterNames:
    """Which source each parameter belongs to: the first that uses its name.

    Two devices never become one parameter: a second source with the same name publishes it below
    its own, as `source.name`.
    """

    def __init__(self) -> None:
        self._sources: dict[str, str] = {}

    def publish_as(self, source: str) -> Callable[[str], str]:
        """A function that gives the published name of each parameter of a source."""
        return partial(self._claim, source)

    def source_of(self, name: str) -> str:
        """The source of a published parameter; empty if no source has it."""
        return self._sources.get(name, "")

    def _claim(self, source: str, name: str) -> str:
        published = name
        while self._sources.setdefault(published, source) != source:
            published = f"{source}.{published}"
        if published != name:
            logger.warning(
                "telemetry: %s is a parameter of %s; that of %s is published as %s",
                name,
                self._sources[name],
                source,
                published,
            )
        return published
