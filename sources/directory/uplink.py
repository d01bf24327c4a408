"""An uplink through a folder that another program watches: `dir:outbox?answers=inbox`."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from anyio import sleep

from sources.base import Answer, NotSent, Outgoing, SourceError
from sources.values.blocking import BlockingCalls, call_in_time
from sources.values.files import unreadable
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

START_TIMEOUT_S = 5.0
"""Seconds that the start waits for a folder. One that does not answer may do so later."""

MAX_ANSWER_BYTES = 4096

NAME = re.compile(r"([A-Za-z0-9_-]{1,64})\.(\d{1,9})\.(ack|nak)")
"""The name of an answer: the upload, the attempt, and whether the machine accepts it."""


class DirectoryUplink:
    """Puts each sequence into a folder, and reads answers from files.

    A sequence is the two files `ID.ATTEMPT` (its bytes) and `ID.ATTEMPT.json` (its name, size,
    SHA-256 and media type). The second appears last, by one rename: when it is there, all is there.
    An answer is a file `ID.ATTEMPT.ack` or `ID.ATTEMPT.nak`, whose text is for people.

    Args:
        folder: for the sequences; it must exist.
        answers: folder with the answers; by default the same.
        poll_s: seconds between two looks for answers, 0.05 to 3,600.
        timeout_s: maximum seconds of a call to the file system, 0.1 to 3,600.

    Raises:
        SourceError: a folder does not exist, or an option is out of range.
    """

    def __init__(
        self,
        folder: Path,
        answers: Path | None = None,
        poll_s: float = 1.0,
        *,
        timeout_s: float = 30.0,
    ) -> None:
        self._folder = folder
        self._answers = answers or folder
        self._poll_s = Range(0.05, 3600, "s").number("poll_s", poll_s)
        timeout_s = Range(0.1, 3600, "s").number("timeout_s", timeout_s)
        for one in (self._folder, self._answers):
            with suppress(TimeoutError):
                if not call_in_time(one.is_dir, min(timeout_s, START_TIMEOUT_S)):
                    raise SourceError(f"{one.absolute()} is not a folder; create it")
        self._calls = BlockingCalls(threads=2, timeout_s=timeout_s)

    async def send(self, outgoing: Outgoing) -> None:
        """Write the two files; see `Uplink`."""
        decision = Lock()  # acquired once: before the sequence appears, or to give up
        try:
            await self._calls.run(self._write, outgoing, decision)
        except TimeoutError as exc:
            raise (NotSent if decision.acquire(blocking=False) else SourceError)(str(exc)) from exc
        finally:
            decision.acquire(blocking=False)

    def _write(self, outgoing: Outgoing, decision: Lock) -> None:
        target = self._folder / f"{outgoing.id}.{outgoing.attempt}"
        notice = target.with_name(f"{target.name}.json")
        about = {
            "id": outgoing.id,
            "attempt": outgoing.attempt,
            "name": outgoing.name,
            "size": outgoing.size,
            "sha256": outgoing.sha256,
            "content_type": outgoing.content_type,
        }
        parts = [target.with_name(f".{one.name}.part") for one in (target, notice)]
        path = self._folder.absolute()
        try:
            if notice.exists():
                raise SourceError(f"{notice.absolute()} exists: this attempt was sent before")
            shutil.copyfile(outgoing.path, parts[0])
            parts[1].write_text(json.dumps(about))
            for part in parts:
                _sync(part, os.O_RDONLY)
            parts[0].replace(target)
            if not decision.acquire(blocking=False):
                raise TimeoutError("nobody waits for it any more")
        except OSError as exc:
            for one in (target, *parts):
                _delete(one)
            raise NotSent(f"{path} cannot be written: {exc.strerror or exc}") from exc
        try:
            parts[1].replace(notice)  # from here on, the other program may act
        except OSError as exc:
            # a file that still has its old name was not renamed; the error does not say so over NFS
            is_unsent = _delete(parts[1]) and _delete(target)
            kind = NotSent if is_unsent else SourceError
            raise kind(f"{notice.absolute()} cannot be written: {exc.strerror or exc}") from exc
        try:
            _sync(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as exc:
            raise SourceError(f"{path} cannot be written to disk: {exc.strerror or exc}") from exc

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield an answer for each file; see `Uplink`."""
        known: set[str] = set()
        while True:
            try:
                names, new = await self._calls.run(self._read, known)
            except TimeoutError as exc:
                raise SourceError(str(exc)) from exc
            known = names
            for answer in new:
                yield answer
            await sleep(self._poll_s)

    def _read(self, known: set[str]) -> tuple[set[str], list[Answer]]:
        """The names of all answers, and the new ones."""
        try:
            names = {path.name for path in self._answers.iterdir() if NAME.fullmatch(path.name)}
            new = [match for name in sorted(names - known) if (match := NAME.fullmatch(name))]
            return names, [
                Answer(match[1], int(match[2]), match[3] == "ack", self._text(match[0]))
                for match in new
            ]
        except OSError as exc:
            raise unreadable(self._answers, exc) from exc

    def _text(self, name: str) -> str:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO would block
        try:
            with os.fdopen(os.open(self._answers / name, flags), "rb") as file:
                return file.read(MAX_ANSWER_BYTES).decode(errors="replace").strip()
        except OSError:
            return ""  # its name was the answer


def _delete(path: Path) -> bool:
    """Delete a file; returns whether that worked."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
