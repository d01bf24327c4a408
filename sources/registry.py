"""Sources by URL: one line of text names a source, its place and its options.

    sim:?seed=7                           a scheme that ships, and options
    replay:drive.csv?speed=10             … that takes a path
    package.module:factory?key=value      anyone's own, the query as keyword arguments

A path is percent-decoded (write `%25`, `%3F` for a `%` or `?` in it; a blank may stay), and so are
the options, which are converted as the factory's annotations say. A module is looked for where
Python looks for any: `python -m` and `uvicorn` add the working directory.

A package adds a scheme with an entry point whose name says of what kind the source is:

    [project.entry-points."rover.sources"]
    "telemetry.modbus" = "rover_modbus:ModbusTelemetry"

Then `modbus:` calls the factory with the options alone, `modbus:some/path` with the decoded path
before them, and `modbus://host:502/unit` with the whole URL as far as the `?`. A scheme that ships
cannot be replaced this way; an entry point that tries is passed over, with a warning.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import re
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Literal, cast, get_args, overload
from urllib.parse import unquote

from sources.base import Camera, CommandValidator, Source, SourceError, TelemetrySource
from sources.options import Factory, Refused, parse_query, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

SourceKind = Literal["telemetry", "camera", "commands"]
Takes = Literal["nothing", "path", "url", "as written"]

GROUP = "rover.sources"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a scheme becomes a source.

    Attributes:
        factory: `module:attribute`, imported when it is first asked for.
        takes: what the factory gets before its options: `nothing`; what follows the colon, decoded
            (`path`); everything up to the `?` (`url`); or one of these three `as written`:
            whether an empty rest, a path, or `//` follows the colon.
        extra: the optional dependencies that bring it, as in `pip install cosmic-rover[extra]`.
    """

    factory: str
    takes: Takes = "nothing"
    extra: str = ""


SCHEMES: Mapping[SourceKind, Mapping[str, Scheme]] = {
    "telemetry": {
        "sim": Scheme("sources.simulated.telemetry:SimulatedTelemetry"),
        "replay": Scheme("sources.replay:ReplayTelemetry", takes="path"),
        "host": Scheme("sources.host:HostTelemetry", extra="host"),
        "mqtt": Scheme("sources.mqtt:MqttTelemetry", takes="url", extra="mqtt"),
        "mqtts": Scheme("sources.mqtt:MqttTelemetry", takes="url", extra="mqtt"),
        "ws": Scheme("sources.websocket:WebSocketTelemetry", takes="url"),
        "wss": Scheme("sources.websocket:WebSocketTelemetry", takes="url"),
        "push": Scheme("sources.push:PushTelemetry"),
    },
    "camera": {
        "sim": Scheme("sources.simulated.camera:SimulatedCamera"),
        "dir": Scheme("sources.directory:DirectoryCamera", takes="path"),
    },
    "commands": {
        "sim": Scheme("sources.simulated.validator:SimulatedValidator"),
    },
}

SETTINGS: Mapping[SourceKind, str] = {
    "telemetry": "ROVER_TELEMETRY",
    "camera": "ROVER_CAMERA",
    "commands": "ROVER_COMMANDS",
}

_NOUNS: Mapping[SourceKind, str] = {
    "telemetry": "telemetry source",
    "camera": "camera",
    "commands": "validator of commands",
}
# what the mission will use of each port; a source need not inherit anything to have it
_PORT: Mapping[SourceKind, tuple[str, ...]] = {
    "telemetry": ("parameters", "samples"),
    "camera": ("images", "image", "open", "new"),
    "commands": ("steps", "validate"),
}


class SourceSettingError(SourceError):
    """A setting names no usable source; its text names setting, value, reason and way out."""

    def __init__(
        self, setting: str, kind: SourceKind, url: str, reason: str, way_out: str = ""
    ) -> None:
        self.setting = setting
        self.kind = kind
        self.url = url
        self.reason = reason
        self.way_out = way_out
        text = f"{setting}={redacted(url)}: {reason}"
        super().__init__(f"{text}; {way_out}" if way_out else text)


@overload
def open_source(
    kind: Literal["telemetry"], url: str, setting: str | None = None
) -> TelemetrySource: ...
@overload
def open_source(kind: Literal["camera"], url: str, setting: str | None = None) -> Camera: ...
@overload
def open_source(
    kind: Literal["commands"], url: str, setting: str | None = None
) -> CommandValidator: ...
@overload
def open_source(kind: SourceKind, url: str, setting: str | None = None) -> Source: ...
def open_source(kind: SourceKind, url: str, setting: str | None = None) -> Source:
    """Make the source that a URL names; it is not entered yet.

    Args:
        kind: what it must be.
        url: as in the module's docstring.
        setting: where the URL was written, for the message of an error.

    Raises:
        SourceSettingError: the URL names none, or the source refused to be made.
    """
    try:
        source = _open(kind, url.strip())
    except Refused as refused:
        raise SourceSettingError(
            setting or SETTINGS[kind], kind, url, refused.reason, refused.way_out
        ) from refused.__cause__
    return cast("Source", source)


def _open(kind: SourceKind, url: str) -> object:
    place, _, query = url.partition("?")
    head, colon, rest = place.partition(":")
    if not colon or not head:
        raise Refused(
            "it names no source" if url else "it is empty", _ways(kind, f"{url}:" if url else "")
        )
    scheme = _scheme(kind, head.lower())
    path = None
    if scheme is None:
        scheme = Scheme(f"{head}:{rest}")
        factory = _import_own(kind, head, rest)
    else:
        path = _path(scheme.takes, place, rest)
        factory = _import_scheme(scheme)
    if inspect.iscoroutinefunction(factory):
        raise Refused("its factory is async", "return the source, and connect in its __aenter__")
    make = prepare(factory, parse_query(query), path)
    try:
        source = make()
    except SourceError as error:
        raise Refused(str(error)) from error
    except ImportError as error:
        raise _missing_module(error, scheme.extra) from error
    except Exception as error:  # a stranger's code, run once at start: named and chained
        raise Refused(f"making the source failed with {_named(error)}") from error
    missing = [name for name in _PORT[kind] if not _has(source, name)]
    if missing:
        raise Refused(
            f"what {scheme.factory} returns, a {type(source).__name__}, is no {_NOUNS[kind]}",
            f"it lacks {' and '.join(missing)}; the contract is in sources/base.py",
        )
    return source


def _has(source: object, name: str) -> bool:
    """Whether it has the attribute; a property is not run for that."""
    missing = object()
    return inspect.getattr_static(source, name, missing) is not missing or hasattr(source, name)


def _path(takes: Takes, place: str, rest: str) -> str | None:
    """What the factory gets as its first argument."""
    head = place.partition(":")[0]
    if takes == "as written":
        takes = "url" if rest.startswith("//") else "path" if rest else "nothing"
    if takes == "nothing":
        if rest:
            raise Refused(f"{head}: takes no path, but {rest!r} follows", f"write {head}:?…")
        return None
    if not rest:
        raise Refused(f"{head}: must be followed by a path", f"write {head}:some/path")
    return place if takes == "url" else unquote(rest, errors="surrogateescape")


# --------------------------------------------------------------------------------- schemes


def _scheme(kind: SourceKind, head: str) -> Scheme | None:
    ours = SCHEMES[kind].get(head)
    theirs = [point for point in _added(kind) if point.name == f"{kind}.{head}"]
    if ours is not None:
        for point in theirs:
            _log.warning("%s: of %s is passed over: that scheme ships", head, _origin(point))
        return ours
    if len(theirs) > 1:
        raise Refused(
            f"{head}: is claimed by {' and '.join(map(_origin, theirs))}", "uninstall all but one"
        )
    return Scheme(f"{theirs[0].module}:{theirs[0].attr}", "as written") if theirs else None


def _added(kind: SourceKind) -> list[EntryPoint]:
    return [point for point in entry_points(group=GROUP) if point.name.startswith(f"{kind}.")]


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} ({point.value})" if point.dist else point.value


def _ways(kind: SourceKind, head: str) -> str:
    """What could have been written instead."""
    added = (point.name.partition(".")[2] for point in _added(kind))
    known = [f"{name}:" for name in sorted({*SCHEMES[kind], *added})]
    ways = f"known are {', '.join(known)} and your own package.module:factory"
    near = difflib.get_close_matches(head.lower(), known, n=1)
    return f"did you mean {near[0]}? else, {ways}" if near else ways


# ----------------------------------------------------------------------------------- imports


def _import_scheme(scheme: Scheme) -> Factory:
    module, _, attribute = scheme.factory.partition(":")
    try:
        return _import(module, attribute)
    except ImportError as error:
        raise _missing_module(error, scheme.extra) from error


def _import_own(kind: SourceKind, head: str, rest: str) -> Factory:
    others = [other for other in get_args(SourceKind) if head.lower() in SCHEMES[other]]
    unknown = Refused(f"no {_NOUNS[kind]} has the scheme {head!r}", _ways(kind, f"{head}:"))
    if others:
        named = " and ".join(SETTINGS[other] for other in others)
        raise Refused(f"{unknown.reason}, though {named} knows it", unknown.way_out)
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", head):
        raise unknown
    try:
        return _import(head, rest)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{head}.".startswith(f"{error.name}."):
            raise _missing_module(error, "") from error
        if "." not in head:
            raise Refused(f"{unknown.reason}, nor is there a module", unknown.way_out) from None
        raise Refused(
            f"there is no module {error.name!r}",
            "it is looked for where Python looks for any: the working directory under"
            " `python -m rover` or `uvicorn`, what is installed, and PYTHONPATH",
        ) from None
    except ImportError as error:
        raise _missing_module(error, "") from error


def _import(module: str, attribute: str) -> Factory:
    """The callable of that name.

    Raises:
        ImportError: the module, or one that it imports, is not there.
        Refused: it fails in another way, or has no such callable.
    """
    try:
        holder = importlib.import_module(module)
    except ImportError:
        raise
    except Exception as error:  # a stranger's code, run once at start: named and chained
        raise Refused(f"importing {module} failed with {_named(error)}") from error
    if not attribute:
        raise Refused(f"no factory follows {module}:", f"write {module}:factory")
    try:
        found: object = reduce(getattr, attribute.split("."), holder)
    except AttributeError:
        near = difflib.get_close_matches(attribute, vars(holder), n=1)
        raise Refused(
            f"the module {module} has no {attribute!r}", f"did you mean {near[0]}?" if near else ""
        ) from None
    if not callable(found):
        raise Refused(
            f"{module}:{attribute} is a {type(found).__name__} and cannot be called",
            "name a class or a function that returns the source",
        )
    return found


def _missing_module(error: ImportError, extra: str) -> Refused:
    if extra:
        return Refused(f"it needs what is not installed: {error}", _install(extra))
    return Refused(f"importing it failed with {_named(error)}", "install what it imports")


def _install(extra: str) -> str:
    return f"pip install 'cosmic-rover[{extra}]'"


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def redacted(url: str) -> str:
    """The URL without its secrets, for messages and logs."""
    url = re.sub(r"(://[^/?@:]*):[^/?@]*@", r"\1:…@", url)
    return re.sub(r"(?i)([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]+", r"\1…", url)
