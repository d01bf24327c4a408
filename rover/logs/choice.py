"""The log that a setting names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.logs.memory import MemoryLog
from rover.logs.sqlite import SqliteLog

if TYPE_CHECKING:
    from rover.logs.base import Log
    from rover.settings import Settings


def log_of(settings: Settings) -> Log:
    """A new log: the one that `ROVER_LOG` names."""
    if settings.log == "sqlite:":
        return SqliteLog(settings.data_dir)
    return MemoryLog()
