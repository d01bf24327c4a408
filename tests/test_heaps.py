"""The command limits the heaps of its process, so that memory returns after a burst of threads."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, threading
from rover.heaps import limit_heaps
if sys.argv[1] == "limited":
    limit_heaps()
turn = threading.Barrier(24)
def work():
    turn.wait()
    bytearray(1000).decode("latin-1") * 100
    turn.wait()
threads = [threading.Thread(target=work) for _ in range(24)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(open("/proc/self/maps").read().count("---p 00000000 00:00 0"))
"""


def reserved_ranges(how: str) -> int:
    program = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system has no /proc")
def test_threads_share_a_few_heaps() -> None:
    assert reserved_ranges("limited") < reserved_ranges("unlimited")
