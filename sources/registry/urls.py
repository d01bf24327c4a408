"""Makes the source that a URL names."""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload
from urllib.parse import unquote

from sources.base import Camera, CommandValidator, Source, SourceError, TelemetrySource, Uplink
from sources.programs import IsolatedValidator
from sources.programs.isolated import describe_validator
from sources.registry.errors import Refused, SourceSettingError
from sources.registry.factories import import_own, import_scheme, missing_module
from sources.registry.isolation import ISOLATE, isolation
from sources.registry.options import parse_query, prepare
from sources.registry.schemes import NOUNS, SETTINGS, STORE, Scheme, Schemes
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.base import SourceKind
    from sources.bucket import BucketStore
    from sources.programs.process import ProcessLimits
    from sources.registry.schemes import Takes

# the attributes that each contract requires; sources need no base class
_REQUIRED: Mapping[SourceKind, tuple[str, ...]] = {
    "telemetry": ("parameters", "samples"),
    "camera": ("images", "image", "open", "new"),
    "commands": ("steps", "validate"),
    "uplink": ("send", "answers"),
}


@overload
def open_source(
    kind: Literal["telemetry"], url: str, setting: str | None = None, *, folder: Path | None = None
) -> TelemetrySource: ...
@overload
def open_source(
    kind: Literal["camera"], url: str, setting: str | None = None, *, folder: Path | None = None
) -> Camera: ...
@overload
def open_source(
    kind: Literal["commands"], url: str, setting: str | None = None, *, folder: Path | None = None
) -> CommandValidator: ...
@overload
def open_source(
    kind: Literal["uplink"], url: str, setting: str | None = None, *, folder: Path | None = None
) -> Uplink: ...
@overload
def open_source(
    kind: SourceKind,
    url: str,
    setting: str | None = None,
    *,
    folder: Path | None = None,
    schemes: Schemes | None = None,
) -> Source: ...
def open_source(
    kind: SourceKind,
    url: str,
    setting: str | None = None,
    *,
    folder: Path | None = None,
    schemes: Schemes | None = None,
) -> Source:
    """Make the source that a URL names; it is not entered yet.

    Args:
        kind: of the source.
        url: in the syntax of `sources.registry`.
        setting: the name of the setting with that URL, for errors.
        folder: relative paths in the URL start there; `None` for the current folder.
        schemes: the known schemes, by default those that ship or are installed.

    Raises:
        SourceSettingError: the URL names no source, or the source could not be made.
    """
    try:
        source = _open(kind, url.strip(), folder, schemes or Schemes())
    except Refused as refused:
        raise SourceSettingError(
            setting or SETTINGS[kind], kind, url, refused.reason, refused.hint
        ) from refused.__cause__
    return cast("Source", source)


def _open(kind: SourceKind, url: str, folder: Path | None, schemes: Schemes) -> object:
    place, _, query = url.partition("?")
    head, colon, rest = place.partition(":")
    if not colon or not head:
        raise schemes.unknown(kind, url)
    scheme = schemes.find(kind, head.lower())
    limits = None
    if kind == "commands" and head.lower() != "cmd":  # which is a process of its own
        is_isolated = scheme is not None and scheme.is_isolated
        query, limits = isolation(query, default=is_isolated)
        if limits is not None and not is_isolated:
            return _isolated(f"{place}?{query}" if query else place, folder, limits)
    path = None
    if scheme is None:
        scheme = Scheme(f"{head}:{rest}")
        factory = import_own(schemes, kind, head, rest)
    else:
        path = _path(scheme.takes, place, rest, folder)
        if path is not None and scheme.variants:
            scheme = replace(scheme, factory=scheme.factory_for((folder or Path()) / path))
        factory = import_scheme(scheme)
    if inspect.iscoroutinefunction(factory):
        raise Refused(
            "the factory is async", "return the source at once, and connect in its __aenter__"
        )
    make = prepare(factory, parse_query(query), path, folder)
    try:
        source = make()
    except SourceError as error:
        raise Refused(describe(error)) from error
    except ImportError as error:
        raise missing_module(error, scheme.extra) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # any exception, SystemExit included: the code is not ours
        raise Refused(f"making the source failed with {describe(error)}") from error
    missing = [name for name in _REQUIRED[kind] if not _has(source, name)]
    if missing:
        raise Refused(
            f"{scheme.factory} returns a {type(source).__name__}, which is not a {NOUNS[kind]}",
            f"it lacks {', '.join(missing)}; the contract is in sources/base.py",
        )
    if limits is not None:
        options = f"{query}&{ISOLATE}=0".removeprefix("&")
        return _isolated(f"{place}?{options}", folder, limits, describe_validator(source))
    return source


def open_store(url: str, setting: str) -> BucketStore:
    """The store for images that a URL names: `s3://BUCKET/PREFIX?OPTION=VALUE`.

    Args:
        url: of the store.
        setting: the name of the setting with that URL, for errors.

    Raises:
        SourceSettingError: the URL names no store, or an option is invalid.
    """
    place, _, query = url.strip().partition("?")
    try:
        if not place.lower().startswith("s3://"):
            raise Refused("must start with s3://", "write s3://BUCKET/PREFIX")
        factory = import_scheme(STORE)
        try:
            return cast("BucketStore", prepare(factory, parse_query(query), place)())
        except SourceError as error:
            raise Refused(describe(error)) from error
    except Refused as refused:
        raise SourceSettingError(
            setting, "camera", url, refused.reason, refused.hint
        ) from refused.__cause__


def _isolated(
    url: str, folder: Path | None, limits: ProcessLimits, about: Mapping[str, Any] | None = None
) -> IsolatedValidator:
    worker = [sys.executable, "-m", "sources.registry.worker"]
    here = Path.cwd()
    request = {"url": url, "folder": str(folder or here)}
    paths = os.pathsep.join(dict.fromkeys(path or str(here) for path in sys.path))
    return IsolatedValidator(worker, request, limits, {"PYTHONPATH": paths}, about)


def _has(source: object, name: str) -> bool:
    """Whether the source has an attribute, without running a property."""
    missing = object()
    return inspect.getattr_static(source, name, missing) is not missing or hasattr(source, name)


def _path(takes: Takes, place: str, rest: str, folder: Path | None) -> str | None:
    """The first argument of the factory."""
    head = place.partition(":")[0]
    if takes == "as written":
        takes = "url" if rest.startswith("//") else "path" if rest else "nothing"
    if takes == "nothing":
        if rest:
            raise Refused(f"{head}: takes no path", f"write {head}: or {head}:?option=value")
        return None
    if not rest:
        raise Refused(f"{head}: must be followed by a path", f"write {head}:some/path")
    if takes == "url" or (takes == "path or url" and "://" in rest):
        return place if takes == "url" else rest
    path = unquote(rest, errors="surrogateescape")
    return str((folder or Path()) / path) if takes == "path or url" else path
