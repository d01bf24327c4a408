"""The sources of a mission, by name: made from URLs, or given as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from rover.config.sources import NAME, NAME_RULE, SourceConfig
from rover.guard import is_simulated
from rover.schemes import ALL_SCHEMES
from rover.supervise import source_key
from rover.wire import iso
from sources.base import Lossy, Source, SourceError, Timed
from sources.registry import open_source

if TYPE_CHECKING:
    from rover.supervise import Health
    from sources.base import SourceKind

S = TypeVar("S", bound=Source)

DIGEST_DIGITS = 8
"""Few enough that nobody can find out which of many passwords a URL has."""


@dataclass(frozen=True, slots=True)
class NamedSource(Generic[S]):
    """A source of a mission.

    Attributes:
        kind: of the source.
        name: the same as `kind` if it is the only one of its kind.
        source: the object.
        scheme: of its URL, such as `mqtt:`; the name of its class if it was given as an object.
        target: distinguishes it from sources with another URL, without showing the URL.
    """

    kind: SourceKind
    name: str
    source: S
    scheme: str
    target: str

    @property
    def key(self) -> str:
        """Its name among all sources: `commands`, `camera.mast`."""
        return source_key(self.kind, self.name)

    @property
    def simulated(self) -> bool:
        """Whether its data is not real."""
        return is_simulated(self.source)

    def as_json(self, health: Health, **more: object) -> dict[str, object]:
        """The source as `/readyz` shows it. A URL may contain a password: only its scheme is shown.

        Args:
            health: its state.
            more: further members.
        """
        return {
            "source": self.scheme,
            "simulated": self.simulated,
            "state": health.state,
            "detail": health.detail,
            "since": iso(health.since),
            **losses_json(self.source),
            **more,
        }


def losses_json(source: object) -> dict[str, object]:
    """The numbers of unreadable data and of replaced times, if a source counts them."""
    counts: dict[str, object] = {}
    if isinstance(source, Lossy):
        counts |= {"lost": source.losses.count, "last_lost": source.losses.last or None}
    if isinstance(source, Timed):
        counts["replaced_times"] = source.replaced_times.count
    return counts


NamedSources: TypeAlias = dict[str, NamedSource[S]]

Given: TypeAlias = S | str | Mapping[str, S | str]
"""A source, its URL, or several of them by name."""


def named_sources(
    kind: SourceKind, given: Given[S] | None, configured: Mapping[str, SourceConfig]
) -> NamedSources[S]:
    """The sources of one kind, by name; they are not entered yet.

    Args:
        kind: of the sources.
        given: instead of those that are configured.
        configured: by name.

    Raises:
        SourceError: a URL names no source, or a name is not allowed.
    """
    if given is None:
        return {name: _from_url(kind, name, one) for name, one in configured.items()}
    if not isinstance(given, Mapping):
        given = {kind: given}
    if not given:
        raise SourceError(f"{kind}: there must be at least one source; none: turns it off")
    for name in given:
        if not NAME.fullmatch(name):
            raise SourceError(f"{kind}.{name}: the name of a source {NAME_RULE}")
    return {name: _named(kind, name, one) for name, one in given.items()}


def _named(kind: SourceKind, name: str, given: S | str) -> NamedSource[S]:
    if isinstance(given, str):
        setting = "" if name == kind else f"{kind}.{name}"
        return _from_url(kind, name, SourceConfig(url=given, setting=setting))
    class_name = type(given).__name__
    return NamedSource(kind, name, given, class_name, class_name)


def _from_url(kind: SourceKind, name: str, config: SourceConfig) -> NamedSource[S]:
    source: Any = open_source(kind, **config.location, schemes=ALL_SCHEMES)
    ours = type(source).__module__.startswith(("sources.", "rover."))
    scheme = f"{config.url.strip().partition(':')[0]}:" if ours else type(source).__name__
    digest = sha256(f"{config.folder}\0{config.url.strip()}".encode()).hexdigest()
    return NamedSource(kind, name, source, scheme, f"{scheme}{digest[:DIGEST_DIGITS]}")
