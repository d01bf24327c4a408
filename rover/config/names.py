"""Names in a configuration that no source has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.supervise import source_key
from rover.telemetry.derived import Derived, no_such_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rover.config.config import Config


def unknown_names(
    config: Config, published: Collection[str], raw: Mapping[str, Collection[str]]
) -> Iterable[str]:
    """A sentence for each name in the configuration that no source has.

    Args:
        config: the configuration.
        published: the names of all parameters in the mission.
        raw: the sources' own names of their parameters, by the name of the source.
    """
    for source, one in config.telemetry.items():
        place = source_key("telemetry", source)
        for name in one.rename:
            if name not in raw.get(source, ()):
                yield f"{place}.rename: {no_such_parameter(name, raw.get(source, ()))}"
    for name in config.parameters:
        if name not in published:
            yield f"parameters: {no_such_parameter(name, published)}"
    for name, reason in Derived(config.derived).unknown(published).items():
        yield f"derived.{name}: {reason}"
