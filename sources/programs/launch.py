"""Limits this process, then becomes another program: `python launch.py MEMORY CPU PARENT PROGRAM…`.

It is run as a file, without the packages of this environment, so that it takes some milliseconds.
`MEMORY` is in bytes, `CPU` in seconds. `PARENT` is the id of the server's process: if that ends,
however it ends, the kernel kills the program (Linux only).

Source: setrlimit(2); prctl(2), PR_SET_PDEATHSIG.
"""

import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
MAX_FILE_BYTES = 2**28
"""Maximum size of a file that the program writes."""


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the process that started it ends."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:  # it ended before
        sys.exit(1)


def main(memory: str, cpu: str, parent: str, *program: str) -> None:
    """Set the limits and run the program."""
    end_with_parent(int(parent))
    for limit, value in (
        (resource.RLIMIT_AS, int(memory)),
        (resource.RLIMIT_CPU, int(cpu)),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))
    try:
        os.execvp(program[0], program)  # noqa: S606 # the program of the setting
    except OSError as exc:
        sys.stderr.write(f"{program[0]} cannot be run: {exc.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
