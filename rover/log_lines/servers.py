"""Protects the logs of servers that are configured by somebody else."""

from __future__ import annotations

import logging

from rover.log_lines.limit import LimitRepeats
from rover.masking import MaskTokens

LOGGERS = (
    *("uvicorn.access", "hypercorn.access", "granian.access"),
    *("uvicorn.error", "hypercorn.error", "_granian", "granian"),
    *(
        "asyncio",
        "websockets.server",
        "python_multipart.multipart",
        "rover.errors",
        "rover.streams",
    ),
)


def protect_server_logs() -> None:
    """Hide secrets in the logs of uvicorn, hypercorn and granian, and limit repeated lines.

    It adds filters to their loggers and changes no handler, level or format. Only the app that a
    server imports by name calls it: in another app, the log is that app's.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, MaskTokens) for one in logger.filters):
            logger.addFilter(MaskTokens())
            logger.addFilter(LimitRepeats())
