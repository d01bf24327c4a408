"""Logs: where the events of topics are kept. `rover.logs.base` has the contract."""

from rover.logs.base import Log, Outage, Record, Stream
from rover.logs.choice import log_of
from rover.logs.memory import MemoryLog
from rover.logs.sqlite import SqliteLog

__all__ = [
    "Log",
    "MemoryLog",
    "Outage",
    "Record",
    "SqliteLog",
    "Stream",
    "log_of",
]
