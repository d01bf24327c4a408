"""Writes a file that appears when it is complete."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager, suppress
from errno import EEXIST
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import (
    BROKEN_PIPE,
    DISK_ERRORS,
    FAILED,
    INCOMPLETE,
    WRONG_USE,
    discard_output,
    report,
    run_with_client,
)
from rover.cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping

    from rover.client import Client
    from rover.missions import Snapshot


def check_output(output: str, *, force: bool) -> None:
    """Check, before anything is sent, that a file can appear at a path.

    Args:
        output: the path, or `-` for the output.
        force: whether to replace a file at the path.

    Raises:
        click.UsageError: it cannot.
    """
    if output == "-":
        return
    path = Path(output)
    if path.exists() and not path.is_file():
        raise click.UsageError(f"{output or repr(output)}: must be a file, or - for the output")
    if path.exists() and not force:
        raise click.UsageError(f"{output}: exists; give --force to replace it")
    if not path.parent.is_dir():
        raise click.UsageError(f"{output}: the folder {path.parent} does not exist")


def status_after(mission: Snapshot) -> int:
    """The exit status after a mission was saved; reports what could not be read of it."""
    damage = mission.damage.as_json()
    for one in damage["parts"]:
        report(f"{mission.path}: damaged and left out: {one['content']} of {one['part']}")
    if unlisted := damage["count"] - len(damage["parts"]):
        report(f"{mission.path}: and {unlisted:,} other damaged parts")
    return INCOMPLETE if damage["count"] else 0


@contextmanager
def file_that_appears(path: Path, *, force: bool) -> Iterator[Path]:
    """The name of a file beside a path, which gets that path at the end of the block.

    If the block raises, the file is deleted.

    Args:
        path: of the complete file.
        force: whether to replace a file at the path.

    Raises:
        FileExistsError: a file is at the path by then.
        OSError: the file cannot be renamed.
    """
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        yield part
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if force:
            part.replace(path)
        else:
            _rename_to_new(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _rename_to_new(part: Path, path: Path) -> None:
    """Rename a file, unless there is one of that name.

    Raises:
        FileExistsError: there is one.
        OSError: the file cannot be renamed.
    """
    try:
        os.link(part, path)  # fails if the file exists, where a rename would replace it
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as exFAT
        if path.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST), str(path)) from None
        part.rename(path)


class Output:
    """Writes pieces to a file or to standard output, and shows how much.

    Args:
        descriptor: of the file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.written = 0

    def write(self, piece: bytes) -> None:
        """Write a piece completely.

        Raises:
            OSError: it cannot be written.
        """
        left = memoryview(piece)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self.written += len(piece)


@contextmanager
def _opened(output: str, *, force: bool) -> Iterator[Output]:
    if output == "-":
        yield Output(sys.stdout.fileno())
        return
    with file_that_appears(Path(output), force=force) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            yield Output(descriptor)
        finally:
            os.close(descriptor)


def save_pieces(pieces: Iterable[bytes], output: str, *, force: bool) -> int:
    """Save the pieces of a file; returns the exit status.

    Raises:
        BrokenPipeError: the reader of the output has ended.
    """
    try:
        with _opened(output, force=force) as file, progress_bar(output) as update:
            for piece in pieces:
                file.write(piece)
                update(file.written, None)
    except OSError as exc:
        return failed(output, exc)
    return 0


async def save_stream(pieces: AsyncIterable[bytes], output: str, *, force: bool) -> int:
    """Save the pieces of a file as they arrive; returns the exit status.

    Raises:
        BrokenPipeError: the reader of the output has ended.
    """
    try:
        with _opened(output, force=force) as file, progress_bar(output) as update:
            async for piece in pieces:
                file.write(piece)
                update(file.written, None)
    except OSError as exc:
        return failed(output, exc)
    return 0


def save_download(
    path: str,
    params: Mapping[str, object],
    output: str,
    *,
    force: bool,
    **connection: Any,
) -> int:
    """Save a file of a server; returns the exit status.

    Args:
        path: of the file, below the URL of the server.
        params: of the query; those that are `None` are left out.
        output: see `check_output` for this and `force`.
        force: whether to replace a file.
        connection: the options of `connection_options`.
    """
    given = {name: str(value) for name, value in params.items() if value is not None}

    async def run(client: Client) -> int:
        async with client.download(path, given) as pieces:
            return await save_stream(pieces, output, force=force)

    return run_with_client(run, **connection)


def save_mission(
    path: Path, pieces_of: Callable[[Snapshot], Iterator[bytes]], output: str, *, force: bool
) -> int:
    """Save pieces of a mission that is in a data folder or a file; returns the exit status."""
    from rover.errors import RoverError
    from rover.missions import Snapshot

    try:
        with Snapshot(path) as mission:
            status = save_pieces(pieces_of(mission), output, force=force)
            return status or status_after(mission)
    except RoverError as exc:
        report(str(exc))
        return WRONG_USE
    except BrokenPipeError:
        discard_output()
        return BROKEN_PIPE


def failed(output: str, exc: OSError) -> int:
    """Report that a file cannot be written; returns the exit status, which depends on the reason.

    Raises:
        BrokenPipeError: the error is that the reader of the output has ended.
    """
    if isinstance(exc, BrokenPipeError):
        raise exc
    if isinstance(exc, FileExistsError):
        report(f"{output}: exists by now; give --force to replace it")
    else:
        what = "the output" if output == "-" else output
        report(f"{what}: cannot be written: {exc.strerror}")
    return FAILED if exc.errno in DISK_ERRORS else WRONG_USE
