"""The configuration of `logging` for a server that runs only this app."""

from __future__ import annotations

from typing import Any

FORMATS = {
    "text": "rover.log_lines.TextFormatter",
    "json": "rover.log_lines.JsonFormatter",
}
"""The class of each format of `ROVER_LOG_FORMAT`."""

LOGGERS = ("uvicorn", "uvicorn.access", "rover", "sources")


def logging_config(log_format: str) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`, and for `uvicorn --log-config`.

    All lines go to stderr, except those about requests, which go to stdout.

    Args:
        log_format: one of `FORMATS`.
    """
    handlers = {
        name: {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "filters": ["limit repeats"],
            "stream": f"ext://sys.{stream}",
        }
        for name, stream in (("default", "stderr"), ("access", "stdout"))
    }
    loggers = {
        name: {
            "handlers": ["access" if name.endswith("access") else "default"],
            "level": "INFO",
            "propagate": False,
        }
        for name in LOGGERS
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": FORMATS[log_format]}},
        "filters": {"limit repeats": {"()": "rover.log_lines.LimitRepeats"}},
        "handlers": handlers,
        "loggers": loggers,
        "root": {"handlers": ["default"], "level": "WARNING"},
    }
