"""The URL of a source that is not configured: simulated, or turned off.

Without any configuration the whole mission is simulated. Beside a real source, a simulated one
could be mistaken for real, so the others are turned off (`none:`). If one source is explicitly
simulated, the others are simulated too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rover.config.sources import SourceConfig
from rover.guard import is_simulated
from sources.none import Off


def default_url(configured: Iterable[object]) -> str:
    """The URL of each source that is not configured: `sim:` or `none:`.

    Args:
        configured: objects, URLs, several of them by name; `None` if a kind has none.
    """
    simulated = [one for given in configured for one in _each(given)]
    return "none:" if False in simulated and True not in simulated else "sim:"


def _each(given: object) -> list[bool]:
    """For each source that is configured and not turned off: whether it is simulated."""
    if isinstance(given, Mapping):
        return [one for several in given.values() for one in _each(several)]
    if isinstance(given, SourceConfig):
        return _each(given.url)
    if isinstance(given, str):
        scheme = given.strip().partition(":")[0].lower()
        return [] if scheme in ("", "none") else [scheme == "sim"]
    if given is None or isinstance(given, Off):
        return []
    return [is_simulated(given)]
