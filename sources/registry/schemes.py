"""The known schemes: those that ship, and those that packages add."""

from __future__ import annotations

import difflib
import logging
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Literal

from sources.registry.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sources.base import SourceKind

Takes = Literal["nothing", "path", "url", "path or url", "as written"]

GROUP = "rover.sources"
"""The entry-point group of packages that add schemes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scheme:
    """The factory of a scheme, and its first argument.

    Attributes:
        factory: `module:attribute`, imported when it is first used.
        takes: the first argument: `nothing`; the decoded text after the colon (`path`); the URL up
            to the `?` (`url`); with `path or url`, the path, or the URL after the colon, if `://`
            is in it; or, with `as written`, one of these three, if nothing, a path or
            `//` follows the colon.
        extra: the optional dependencies that it needs, as in `pip install cosmic-rover[extra]`.
        is_isolated: whether a validator runs in a process of its own without `isolate=1`.
        variants: other factories, each for the paths for which a function returns `True`.
    """

    factory: str
    takes: Takes = "nothing"
    extra: str = ""
    is_isolated: bool = False
    variants: tuple[tuple[Callable[[Path], bool], str], ...] = ()

    def factory_for(self, path: Path) -> str:
        """The factory for a path."""
        chosen = (factory for matches, factory in self.variants if matches(path))
        return next(chosen, self.factory)


SCHEMES: Mapping[SourceKind, Mapping[str, Scheme]] = {
    "telemetry": {
        "sim": Scheme("sources.simulated.telemetry:SimulatedTelemetry"),
        "replay": Scheme("sources.replay:ReplayTelemetry", takes="path"),
        "host": Scheme("sources.host:HostTelemetry", extra="host"),
        "mqtt": Scheme("sources.mqtt:MqttTelemetry", takes="url", extra="mqtt"),
        "mqtts": Scheme("sources.mqtt:MqttTelemetry", takes="url", extra="mqtt"),
        "ws": Scheme("sources.websocket:WebSocketTelemetry", takes="url"),
        "wss": Scheme("sources.websocket:WebSocketTelemetry", takes="url"),
        "mavlink": Scheme("sources.mavlink:MavlinkTelemetry", takes="path", extra="mavlink"),
        "serial": Scheme("sources.serial_port:SerialTelemetry", takes="path", extra="serial"),
        "tcp": Scheme("sources.net:TcpTelemetry", takes="url"),
        "tcp-listen": Scheme("sources.net:TcpListenTelemetry", takes="url"),
        "udp": Scheme("sources.net:UdpTelemetry", takes="url"),
        "push": Scheme("sources.push:PushTelemetry"),
        "none": Scheme("sources.none:NoTelemetry"),
    },
    "camera": {
        "sim": Scheme("sources.simulated.camera:SimulatedCamera"),
        "dir": Scheme("sources.directory:DirectoryCamera", takes="path"),
        "av": Scheme("sources.video:VideoCamera", takes="path or url", extra="av"),
        "http": Scheme("sources.http_camera:HttpCamera", takes="url"),
        "https": Scheme("sources.http_camera:HttpCamera", takes="url"),
        "s3": Scheme("sources.bucket:BucketCamera", takes="url", extra="s3"),
        "ws": Scheme("sources.websocket:RosbridgeCamera", takes="url"),
        "wss": Scheme("sources.websocket:RosbridgeCamera", takes="url"),
        "none": Scheme("sources.none:NoCamera"),
    },
    "commands": {
        "sim": Scheme("sources.simulated.validator:SimulatedValidator"),
        "cmd": Scheme("sources.programs:ProgramValidator", takes="path"),
        "fprime": Scheme("sources.fprime:FPrimeValidator", takes="path", is_isolated=True),
        "seqjson": Scheme(
            "sources.seqjson:SeqJsonValidator", takes="path", extra="seqjson", is_isolated=True
        ),
        "xtce": Scheme("sources.xtce:XtceValidator", takes="path", extra="xtce", is_isolated=True),
        "none": Scheme("sources.none:NoValidator"),
    },
    "uplink": {
        "sim": Scheme("sources.simulated.uplink:SimulatedUplink"),
        "dir": Scheme("sources.directory.uplink:DirectoryUplink", takes="path"),
        "cmd": Scheme("sources.programs.uplink:ProgramUplink", takes="path"),
        "mqtt": Scheme("sources.mqtt.uplink:MqttUplink", takes="url", extra="mqtt"),
        "mqtts": Scheme("sources.mqtt.uplink:MqttUplink", takes="url", extra="mqtt"),
        "none": Scheme("sources.none:NoUplink"),
    },
}

STORE = Scheme("sources.bucket:BucketStore", takes="url", extra="s3")
"""The store for images of cameras without files of their own."""

SETTINGS: Mapping[SourceKind, str] = {
    "telemetry": "ROVER_TELEMETRY",
    "camera": "ROVER_CAMERA",
    "commands": "ROVER_COMMANDS",
    "uplink": "ROVER_UPLINK",
}

NOUNS: Mapping[SourceKind, str] = {
    "telemetry": "telemetry source",
    "camera": "camera",
    "commands": "command validator",
    "uplink": "uplink",
}


class Schemes:
    """The schemes that ship, and those that installed packages add with entry points.

    Args:
        shipped: by kind and name.
    """

    def __init__(self, shipped: Mapping[SourceKind, Mapping[str, Scheme]] = SCHEMES) -> None:
        self._shipped = shipped

    def find(self, kind: SourceKind, head: str) -> Scheme | None:
        """The scheme with that name, or `None`.

        Raises:
            Refused: two packages provide it.
        """
        ours = self._shipped[kind].get(head)
        theirs = [point for point in _added(kind) if point.name == f"{kind}.{head}"]
        if ours is not None:
            for point in theirs:
                _log.warning(
                    "ignoring the scheme %s: of %s: a scheme with that name ships",
                    head,
                    _origin(point),
                )
            return ours
        if len(theirs) > 1:
            raise Refused(
                f"{head}: is provided by {' and '.join(map(_origin, theirs))}",
                "uninstall all but one",
            )
        return Scheme(f"{theirs[0].module}:{theirs[0].attr}", "as written") if theirs else None

    def kinds(self, head: str) -> list[SourceKind]:
        """The kinds of source for which a scheme with that name ships."""
        return [kind for kind in self._shipped if head in self._shipped[kind]]

    def unknown(self, kind: SourceKind, head: str, hint: str = "") -> Refused:
        """The error for a URL that starts with no known scheme.

        Args:
            kind: of the source.
            head: the URL up to its first colon.
            hint: how to fix it; by default the scheme that `head` resembles.
        """
        added = (point.name.partition(".")[2] for point in _added(kind))
        known = [f"{name}:" for name in sorted({*self._shipped[kind], *added})]
        reason = f"must start with one of {', '.join(known)} or your own package.module:factory"
        near = difflib.get_close_matches(f"{head.lower()}:", known, n=1)
        return Refused(reason, f"did you mean {near[0]}?" if near else hint)


def _added(kind: SourceKind) -> list[EntryPoint]:
    return [point for point in _installed(tuple(sys.path)) if point.name.startswith(f"{kind}.")]


@cache
def _installed(_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of the packages in a search path. Reading all packages takes 5 ms."""
    return tuple(entry_points(group=GROUP))


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} ({point.value})" if point.dist else point.value
