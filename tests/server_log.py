"""The log of a server in this process: a client does not see an exception of the app."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Collector(logging.Handler):
    """Collects the messages of a level and above."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@contextmanager
def no_errors_logged(level: int = logging.ERROR) -> Iterator[None]:
    """Assert that nothing is logged at that level or above, by the app or by uvicorn.

    Enter it after the server has started: uvicorn then configures its loggers.
    """
    collector = Collector(level)
    loggers = [logging.getLogger(name) for name in (None, "uvicorn", "uvicorn.error")]
    for logger in loggers:
        logger.addHandler(collector)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(collector)
    assert collector.messages == []
