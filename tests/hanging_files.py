"""A file system whose calls hang when a test says so, as those of a network drive do.

It speaks to the kernel by `/dev/fuse`, and shows a folder of another file system, read only. The
right to mount is needed: tests skip without it.

Source: linux/include/uapi/linux/fuse.h, version 7.31 of the protocol.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from threading import Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.serving import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = "/dev/fuse"
READ_BYTES = 2**20 + 4096
DIRECT_IO = 1
DETACH = 2

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE = 1, 2, 3, 14, 15, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, DESTROY, BATCH_FORGET = (
    25,
    26,
    27,
    28,
    29,
) + (36, 38, 42)
WITHOUT_ANSWER = (FORGET, BATCH_FORGET)

KINDS = {
    "stat": {LOOKUP, GETATTR},
    "readdir": {OPENDIR, READDIR},
    "open": {OPEN},
    "read": {READ},
    "close": {FLUSH},
}
"""The calls that can hang, by the operation of a program."""

HEAD, ANSWER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q10I")

libc = ctypes.CDLL(None, use_errno=True)


class Request(NamedTuple):
    """A call of the kernel."""

    opcode: int
    unique: int
    node: int
    body: bytes


class Files:
    """The file system.

    Args:
        folder: that it shows.
        device: descriptor of `/dev/fuse`.

    Attributes:
        held: the calls that hang.
    """

    def __init__(self, folder: Path, device: int) -> None:
        self._folder = folder
        self._device = device
        self._paths = {1: folder}
        self._nodes = {folder: 1}
        self._hanging: set[int] = set()
        self.held: list[Request] = []
        self._lock = Lock()

    def hang(self, *kinds: str) -> None:
        """Answer no more calls of these kinds."""
        with self._lock:
            self._hanging = set().union(*(KINDS[kind] for kind in kinds))

    def answer(self) -> None:
        """Answer all calls again, also those that hang."""
        with self._lock:
            self._hanging, held, self.held = set(), self.held, []
        for request in held:
            self._answer(request)

    def serve(self) -> None:
        """Answer calls until the file system is unmounted."""
        while True:
            try:
                data = os.read(self._device, READ_BYTES)
            except OSError as exc:
                if exc.errno in (errno.EINTR, errno.ENOENT):
                    continue
                return
            _, opcode, unique, node, *_ = HEAD.unpack_from(data)
            request = Request(opcode, unique, node, data[HEAD.size :])
            with self._lock:
                hangs = opcode in self._hanging
                if hangs:
                    self.held.append(request)
            if opcode == INTERRUPT:
                self._interrupt(*struct.unpack("<Q", request.body))
            elif not hangs and opcode not in WITHOUT_ANSWER:
                self._answer(request)

    def _interrupt(self, unique: int) -> None:
        """End a call that hangs: the program that waits for it is killed."""
        with self._lock:
            found = [request for request in self.held if request.unique == unique]
            self.held = [request for request in self.held if request.unique != unique]
        for request in found:
            self._send(request, errno.EINTR)

    def _answer(self, request: Request) -> None:
        error, body = 0, b""
        try:
            body = self._body(request)
        except OSError as exc:
            error = exc.errno or errno.EIO
        self._send(request, error, body)

    def _send(self, request: Request, error: int, body: bytes = b"") -> None:
        head = ANSWER.pack(ANSWER.size + len(body), -error, request.unique)
        with suppress(OSError):  # the program that called was killed, or it is unmounted
            os.write(self._device, head + body)

    def _body(self, request: Request) -> bytes:
        opcode, _, node, body = request
        path = self._paths[node] if node else self._folder
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 12, 9, 2**16, 1, 0, 0, 0)
        if opcode == LOOKUP:
            place = path / os.fsdecode(body.rstrip(b"\0"))
            attributes = _attributes(place)
            number = self._nodes.setdefault(place, len(self._nodes) + 1)
            self._paths[number] = place
            return struct.pack("<4Q2I", number, 0, 0, 0, 0, 0) + attributes
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + _attributes(path)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, DIRECT_IO if opcode == OPEN else 0, 0)
        if opcode in (FLUSH, RELEASE, RELEASEDIR, DESTROY):
            return b""
        if opcode in (READ, READDIR):
            _, offset, count = struct.unpack_from("<QQI", body)
            return _read(path, offset, count) if opcode == READ else _entries(path, offset, count)
        raise OSError(errno.ENOSYS, "")


def _attributes(path: Path) -> bytes:
    status = path.lstat()
    times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return ATTRIBUTES.pack(
        *(status.st_ino, status.st_size, status.st_blocks),
        *(t // 10**9 for t in times),
        *(t % 10**9 for t in times),
        *(status.st_mode, status.st_nlink, status.st_uid, status.st_gid, 0, 4096, 0),
    )


def _read(path: Path, offset: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(count)


def _entries(path: Path, offset: int, count: int) -> bytes:
    found = b""
    for number, inner in enumerate(sorted(path.iterdir())[offset:], offset + 1):
        name, kind = os.fsencode(inner.name), inner.lstat().st_mode >> 12
        entry = struct.pack("<QQII", number, number, len(name), kind) + name
        entry += bytes(-len(entry) % 8)
        if len(found) + len(entry) > count:
            break
        found += entry
    return found


def main(folder: str, mount: str) -> None:
    """Mount the file system, and obey the lines of standard input until it ends."""
    try:
        device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        print(f"{DEVICE} cannot be opened: {exc.strerror}", flush=True)
        return
    options = b"fd=%d,rootmode=40000,user_id=%d,group_id=%d" % (device, os.getuid(), os.getgid())
    if libc.mount(b"hanging", os.fsencode(mount), b"fuse.hanging", 0, options):
        print(f"no right to mount: {os.strerror(ctypes.get_errno())}", flush=True)
        return
    files = Files(Path(folder), device)
    Thread(target=files.serve, daemon=True).start()
    print("mounted", flush=True)
    for line in sys.stdin:
        command, *kinds = line.split()
        if command == "hang":
            files.hang(*kinds)
        elif command == "answer":
            files.answer()
        print(len(files.held), flush=True)
    files.answer()
    libc.umount2(os.fsencode(mount), DETACH)


class HangingFiles:
    """The file system, in a process of its own: a process cannot end while it waits for itself.

    Args:
        process: of `main`.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _send(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def hang(self, *kinds: str) -> None:
        """Answer no more calls of these kinds."""
        self._send(f"hang {' '.join(kinds)}")

    def answer(self) -> None:
        """Answer all calls again, also those that hang."""
        self._send("answer")

    @property
    def held(self) -> int:
        """Number of calls that hang."""
        return self._send("held")


@contextmanager
def hanging_files(folder: Path, mount: Path) -> Iterator[HangingFiles]:
    """The file system, mounted for this block. At its end, all calls are answered.

    Args:
        folder: that it shows.
        mount: an empty folder.
    """
    command = [sys.executable, "-m", "tests.hanging_files", str(folder), str(mount)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        if (said := process.stdout.readline().strip()) != "mounted":
            pytest.skip(said)
        yield HangingFiles(process)


if __name__ == "__main__":
    main(*sys.argv[1:])
