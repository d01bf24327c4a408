"""A plugin of pytest that ends every test that hangs, with the tracebacks of all threads.

pytest-timeout raises in the main thread. That leaves three ways to hang:

- A failure stops its timer, so nothing limits the teardown of a failed test. That includes each
  test that timed out: anyio does not cancel such a test, so an async fixture waits for it forever.
- A call in C that does not return to Python, or that holds the GIL, receives no signal.
- The process waits for its threads when it exits.
"""

from __future__ import annotations

import faulthandler
import os
from typing import TYPE_CHECKING

import pytest
from pytest_timeout import Settings, is_debugging

if TYPE_CHECKING:
    from collections.abc import Generator

LIMITS = pytest.StashKey[Settings]()
STDERR = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "hang_grace",
        "seconds from the time limit of a test, or the end of all tests, to the end of the process",
        default="30",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STDERR] = os.dup(2)  # during a test, descriptor 2 is a file of pytest


def end_process(config: pytest.Config, after_s: float = 0.0) -> None:
    """Print the tracebacks then, and exit; pytest-xdist reports the test and starts a process."""
    if not is_debugging():
        seconds = after_s + float(config.getini("hang_grace"))
        faulthandler.dump_traceback_later(seconds, exit=True, file=config.stash[STDERR])


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Settings) -> None:
    item.stash[LIMITS] = settings
    end_process(item.config, settings.timeout)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Limit the time of the teardown of a failed test, too."""
    if (settings := node.stash.get(LIMITS, None)) and not node.config.getoption("usepdb"):
        node.ihook.pytest_timeout_set_timer(item=node, settings=settings)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_unconfigure(config: pytest.Config) -> None:
    end_process(config)
