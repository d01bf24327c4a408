"""Tests that hang end as failures, and the others run: pytest runs tests of its own here."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette

from tests.serving import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

CONFTEST = """
pytest_plugins = ["tests.hangs", "tests.last_lines"]
"""

LIMITS = """
[pytest]
timeout = 2
hang_grace = 1
"""

IN_C = """
import ctypes, signal

def test_call():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    ctypes.PyDLL(None).sleep(600)  # a PyDLL keeps the GIL
"""

IN_A_TEARDOWN = """
import pytest, threading

@pytest.fixture
def waits():
    yield
    threading.Event().wait()

def test_teardown(waits):
    raise ValueError
"""

IN_A_COROUTINE = """
import anyio, pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def client():
    yield

@pytest.mark.anyio
async def test_coroutine(client):
    await anyio.Event().wait()
"""

AT_EXIT = """
import threading

def test_thread():
    threading.Thread(target=threading.Event().wait).start()
"""

SLOW = """
import time

def test_slow():
    time.sleep(0.5)
"""

OTHERS = """
def test_a(): pass
def test_b(): pass
def test_c(): pass
"""


def run(folder: Path, options: str, **tests: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, where a test may take 2 s, and a process that hangs 1 s more."""
    (folder / "pytest.ini").write_text(LIMITS)
    for name, code in {"conftest": CONFTEST, **tests}.items():
        (folder / f"{name}.py").write_text(code)
    plugins = "-p pytest_timeout -p anyio -p no:cacheprovider"
    return subprocess.run(
        [sys.executable, *f"-m pytest -rA {plugins} {options}".split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_tests_that_hang_are_failures_and_the_others_run(tmp_path: Path) -> None:
    hanging = {"test_1": IN_C, "test_2": IN_A_TEARDOWN, "test_3": IN_A_COROUTINE}
    ended = run(tmp_path, "-p xdist -n 1", **hanging, test_4=OTHERS)
    results = set(re.findall(r"^(PASSED|FAILED) (\S+)", ended.stdout, re.M))
    assert results == {
        ("FAILED", "test_1.py::test_call"),
        ("FAILED", "test_2.py::test_teardown"),
        ("FAILED", "test_3.py::test_coroutine"),
        ("PASSED", "test_4.py::test_a"),
        ("PASSED", "test_4.py::test_b"),
        ("PASSED", "test_4.py::test_c"),
    }
    assert ended.returncode == 1
    assert "did not finish" not in ended.stdout
    assert re.search(r'/test_1.py", line \d+ in test_call$', ended.stderr, re.M), ended.stderr


def test_a_thread_that_never_ends_ends_with_the_process(tmp_path: Path) -> None:
    ended = run(tmp_path, "", test_1=AT_EXIT)
    assert "PASSED test_1.py::test_thread" in ended.stdout
    assert ended.returncode == 1
    assert re.search(r"in _shutdown$", ended.stderr, re.M), ended.stderr


@pytest.mark.parametrize("options", ["", "-p xdist -n 1"])
def test_a_run_that_takes_too_long_lists_the_tests_that_did_not_finish(
    tmp_path: Path, options: str
) -> None:
    ended = run(tmp_path, f"{options} --session-timeout 0.3", test_1=SLOW, test_2=OTHERS)
    assert ended.returncode != 0
    assert ended.stdout.splitlines()[-1].split() == ["3", "test_2.py"]


@pytest.mark.anyio
async def test_a_server_ends_with_the_event_loop_of_a_test_that_timed_out(serve: Serve) -> None:
    before = asyncio.all_tasks()
    serves = asyncio.Event()

    async def hang() -> None:
        async with serve(Starlette()):
            serves.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await serves.wait()
    for task in asyncio.all_tasks() - before:  # as `asyncio.Runner.close` does
        task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([hanging])
    assert hanging.cancelled()
