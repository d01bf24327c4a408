"""Mission control for a rover, a robot or any remote machine: an ASGI app on Starlette.

`__all__` lists the public API of the server. Sources import theirs from `sources.base`, and tests
of sources from `rover.testing`. Everything else may change in any version.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rover.broadcast import Broadcast
    from rover.config import Config
    from rover.errors import ConfigError, RoverError, SettingError
    from rover.mission import MissionControl, create_app
    from rover.settings import Settings
    from rover.topic import EventId, Topic

__version__ = "0.1.0"

__all__ = [
    "Broadcast",
    "Config",
    "ConfigError",
    "EventId",
    "MissionControl",
    "RoverError",
    "SettingError",
    "Settings",
    "Topic",
    "create_app",
]

_MODULES = {
    "Broadcast": "rover.broadcast",
    "Config": "rover.config",
    "ConfigError": "rover.errors",
    "EventId": "rover.topic",
    "MissionControl": "rover.mission",
    "RoverError": "rover.errors",
    "SettingError": "rover.errors",
    "Settings": "rover.settings",
    "Topic": "rover.topic",
    "create_app": "rover.mission",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: importing all of them takes 0.7 s."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(globals().keys() | _MODULES)
