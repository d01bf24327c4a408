"""Limits this process, then becomes another program.

    python launch.py MEMORY CPU NICENESS FD PROGRAM…

It is run as a file, without the packages of this environment, so that it takes some milliseconds.
`MEMORY` is in bytes, `CPU` in seconds, `NICENESS` is added to that of the server. `FD` is the
reading end of a pipe whose other end the server holds: when the server ends, however it ends, the
process group is killed.

Source: setrlimit(2); setpgid(2).
"""

import os
import resource
import sys

MAX_FILE_BYTES = 2**28
"""Maximum size of a file that the program writes."""

WATCH = "read _; kill -KILL 0"
"""Waits for the end of the pipe, then kills the group. A shell uses a tenth of Python's memory."""


def end_with_server(pipe: int) -> None:
    """Start a process that kills this process group when the pipe ends.

    It is no child of this process, because the program may wait for its children.
    """
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(pipe, 0)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.execv("/bin/sh", ["sh", "-c", WATCH])  # noqa: S606 # a constant
        os._exit(0)
    os.waitpid(child, 0)
    os.close(pipe)


def close_others(pipe: int) -> None:
    """Close every inherited file but the standard ones and the pipe.

    uvloop also passes on its own ends of the standard pipes, which would then never end.
    """
    os.closerange(3, pipe)
    os.closerange(pipe + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def main(memory: str, cpu: str, niceness: str, pipe: str, *program: str) -> None:
    """Set the limits and run the program."""
    close_others(int(pipe))
    end_with_server(int(pipe))
    os.nice(int(niceness))
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
