"""Limits this process, then becomes another program.

    python launch.py MEMORY CPU NICENESS FD PROGRAM…

It is run as a file, without the packages of this environment, so that it takes some milliseconds.
`MEMORY` is in bytes, `CPU` in seconds, `NICENESS` is added to that of the server. `FD` is a socket
whose other end the server holds. When the server ends, however it ends, the process group is
killed. The last byte on the socket tells the server whether the program may have run.

Source: setrlimit(2); setpgid(2).
"""

import errno
import os
import resource
import sys

MAX_FILE_BYTES = 2**28
"""Maximum size of a file that the program writes."""

WATCH = "read _; kill -KILL 0"
"""Waits for the end of the socket, then kills the group. A shell uses a tenth of Python's memory.
"""

BEGINS, CANNOT_BEGIN = b"1", b"0"
"""What the server reads: the program may have run, or it certainly has not."""


def end_with_server(link: int) -> None:
    """Start a process that kills this process group when the socket ends.

    It is not a child of this process, because the program may wait for its children.
    """
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(link, 0)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.execv("/bin/sh", ["sh", "-c", WATCH])  # noqa: S606 # a constant
        os._exit(0)
    os.waitpid(child, 0)


def close_others(link: int) -> None:
    """Close every inherited file but the standard ones and the socket.

    uvloop also passes on its own ends of the standard pipes, which would then never end.
    """
    os.closerange(3, link)
    os.closerange(link + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def main(memory: str, cpu: str, niceness: str, fd: str, *program: str) -> None:
    """Set the limits and run the program."""
    link = int(fd)
    close_others(link)
    end_with_server(link)
    os.set_inheritable(link, False)
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
    os.write(link, BEGINS)
    try:
        os.execvp(program[0], program)  # noqa: S606 # the program of the setting
    except (OSError, MemoryError) as exc:
        os.write(link, CANNOT_BEGIN)
        sys.stderr.write(f"{program[0]} cannot be run: {reason_for(exc, program[0])}\n")
        sys.exit(127)


def reason_for(exc: Exception, program: str) -> str:
    """Why a program cannot be run."""
    if not isinstance(exc, OSError):
        return "its memory limit is too low"
    if exc.errno == errno.ENOEXEC:
        return "it is no program for this machine, nor a script that begins with #!"
    if exc.errno == errno.ENOENT and os.path.exists(program):  # noqa: PTH110 # as in `main`
        return "the interpreter in its first line (#!) does not exist"
    return exc.strerror or str(exc)


if __name__ == "__main__":
    main(*sys.argv[1:])
