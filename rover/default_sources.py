"""The sources of the kinds that are not configured: simulated, or turned off.

Without any configuration the whole mission is simulated. Beside a real source, a simulated one
could be mistaken for real, so the others are turned off (`none:`). If one source is explicitly
simulated, the others are simulated too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from sources.base import SourceKind
from sources.none import Off

if TYPE_CHECKING:
    from rover.settings import Settings


def with_default_sources(settings: Settings, **given: object) -> Settings:
    """The settings with a URL for each kind of source.

    Args:
        settings: a URL may be empty, which means that it is not configured.
        given: by kind, what replaces the URL: a source, a URL, several of them by name, or `None`.
    """
    urls: dict[str, str] = {kind: getattr(settings, kind) for kind in get_args(SourceKind)}
    simulated = [one for kind, url in urls.items() for one in _each(given.get(kind) or url)]
    default = "none:" if False in simulated and True not in simulated else "sim:"
    telemetry, camera, commands = (url or default for url in urls.values())
    return replace(settings, telemetry=telemetry, camera=camera, commands=commands)


def _each(given: object) -> list[bool]:
    """For each source that is configured and not turned off: whether it is simulated."""
    if isinstance(given, Mapping):
        return [one for several in given.values() for one in _each(several)]
    if isinstance(given, str):
        scheme = given.strip().partition(":")[0].lower()
        return [] if scheme in ("", "none") else [scheme == "sim"]
    return [] if isinstance(given, Off) else [bool(getattr(given, "simulated", False))]
