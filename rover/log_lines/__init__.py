"""Log lines: as text or JSON, without secrets, and at most a few of a kind per minute."""

from rover.log_lines.config import FORMATS, logging_config
from rover.log_lines.formats import JsonFormatter, TextFormatter
from rover.log_lines.limit import LimitRepeats
from rover.log_lines.servers import protect_server_logs

__all__ = [
    "FORMATS",
    "JsonFormatter",
    "LimitRepeats",
    "TextFormatter",
    "logging_config",
    "protect_server_logs",
]
