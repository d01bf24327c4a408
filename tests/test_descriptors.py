"""The limit of open files, in a process of its own: an unprivileged limit cannot be restored."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, 1000))
from rover.descriptors import max_clients, raise_limit
from rover.serving import Serving
from rover.settings import Settings
if {raises}:
    raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], max_clients(20_000), max_clients(50),
      Serving(Settings()).readers.limit)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(
    ("soft", "raises", "expected"),
    [
        (256, False, [256, 128, 50, 128]),
        (256, True, [1000, 872, 50, 872]),
        (64, False, [64, 1, 1, 1]),
    ],
)
def test_clients_never_exceed_the_files_that_a_process_may_open(
    soft: int, raises: bool, expected: list[int]
) -> None:
    program = PROGRAM.format(soft=soft, raises=raises)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert [int(number) for number in run.stdout.split()] == expected
    assert "ROVER_MAX_READERS" in run.stderr
