"""The camera: scans a folder, and follows the files in it that grow.

It scans those files that the system reports as changed (`watching`), and the whole folder from time
to time, or at each poll where the system does not report all changes. One scan serves all readers.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, BinaryIO, Self

from anyio import Event, Lock, create_task_group, move_on_after, sleep

from sources.base import ImageBroken, SourceError, UnknownImage
from sources.directory.film import Film
from sources.directory.folder import Folder
from sources.directory.scan import EMPTY, FileState, Scan
from sources.directory.signature import Signature
from sources.directory.watching import changed_names, reports_changes
from sources.values.blocking import BlockingCalls, call_in_time
from sources.values.files import unreadable
from sources.values.images import problem_of_name
from sources.values.ranges import POSITIVE_S, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from sources.base import Image

logger = logging.getLogger("sources.directory")

CHUNK_BYTES = 2**20
"""Maximum bytes of one chunk, the limit of the contract."""

MAX_THREADS = 4
"""Maximum number of threads in which the folder is read."""

TIMEOUT_S = 5.0
"""Seconds after which a file system does not answer: of a call, and of a scan for one file."""

REPEAT_S = 30.0
"""Seconds between two errors of `new` for the same reason. They end when the folder can be read."""

SCAN_PAUSE_RATIO = 10
"""The pause between two scans is at least this many times the duration of a scan."""

FIRST_SCAN_S = 2.0
"""Seconds that the start waits for the newest images."""

CHECK_S = 2.0
"""Seconds between two checks whether the path is that of another folder, which nothing reports."""

WHOLE_SCAN_S = 30.0
"""Seconds between two scans of a whole folder whose changes are reported. Reports can be lost."""

WHOLE_SCAN_RATIO = 600
"""The same, as a multiple of the duration of a scan: it takes at most 0.2 % of a core."""

CLOCK_STEP_S = 1.0
"""Maximum seconds by which the time of a new file may be earlier than that of this machine."""

REMOVED = (errno.ENOENT, errno.ENOTDIR)
"""Errors that mean that the folder does not exist."""

HINTS = {
    errno.ENOENT: "make or mount the folder",
    errno.ENOTDIR: "name the folder that the images are in",
    errno.EACCES: "give this user the right to list the folder",
}


class DirectoryCamera:
    """The images in a folder, the newest arrival first; ids are paths in the folder.

    Use it as an async context manager. `sources.directory.folder` defines which files are images,
    and when an image is complete.

    Args:
        path: the folder; it may be a symlink, and may be removed and created again.
        poll_s: seconds between two scans, for arriving images and where the system reports no
            changes; longer in folders that take long to scan.
        settle_s: seconds without a change after which an image may have other bytes after its end.
        wait: start without the folder, which may be mounted or created later.
        fps: images per second of a video of all images, in the order of their names, again and
            again; 0 for a video of the newest image.
        timeout_s: seconds after which the file system does not answer. It may do so later.
        clock: seconds, monotonic.

    Attributes:
        contact_at: POSIX seconds at which the folder was read last.

    Raises:
        SourceError: the folder cannot be read, or an option is invalid.
    """

    def __init__(
        self,
        path: Path,
        poll_s: float = 0.5,
        settle_s: float = 5.0,
        wait: bool = False,
        fps: float = 0.0,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll_s = POSITIVE_S.number("poll_s", poll_s)
        settle_s = Range(at_least=0, unit="s").number("settle_s", settle_s)
        self._fps = Range(0, 30).number("fps", fps)
        self._film = Film()
        self._calls = BlockingCalls(MAX_THREADS, timeout_s)
        self._scans = BlockingCalls(1, timeout_s)
        self._folder = Folder(path, settle_s, clock, self._scans.progress)
        self._last = EMPTY
        self._problem = ""
        self._raised = ""  # the problem that `new` raised last
        self.contact_at: float | None = None
        self._since = time.time()  # when the folder was last without images that are known
        self._next_whole = inf  # by the clock of `time.perf_counter`
        self._changed = Event()
        self._scanning = Lock()
        self._new: dict[str, None] = {}  # an ordered set, bounded by the names in the folder
        self._tasks: TaskGroup | None = None
        self._stop = Event()
        try:
            call_in_time(lambda: os.scandir(path).close(), timeout_s)
        except TimeoutError as exc:  # for example, a network drive whose server is down
            self._problem = str(self._unreadable(exc))
            logger.warning("%s", self._problem)
        except OSError as exc:
            if exc.errno not in REMOVED:
                raise self._unreadable(exc) from exc
            if not wait:
                raise SourceError(f"{self._unreadable(exc)}, or wait for it with `wait=1`") from exc

    async def __aenter__(self) -> Self:
        self._stop = Event()
        self._since = time.time()
        self._tasks = await create_task_group().__aenter__()
        scanned = Event()
        self._tasks.start_soon(self._poll, scanned)
        self._tasks.start_soon(self._poll_arriving)
        with move_on_after(FIRST_SCAN_S):
            await scanned.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            self._stop.set()
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)

    async def images(self) -> Sequence[Image]:
        """The images at the last scan."""
        return self._last.images

    async def image(self, image_id: str) -> Image | None:
        """The image at the last scan; scans again if the file of a complete image was replaced."""
        if problem_of_name(image_id):
            return None
        state = self._last.files.get(image_id)
        if state is None or (state.image is not None and state.image.complete):
            try:
                now = await self._calls.run(self._folder.signature, image_id)
            except TimeoutError as exc:
                raise self._unreadable(exc) from exc
            if now != (None if state is None else state.signature):
                await self.refresh([image_id])
        return self._known(image_id)

    async def frame(self) -> Image | None:
        """The image whose turn it is, with the time at which its turn began."""
        if not self._fps:
            return None
        return self._film.frame(self._last, self._fps, time.time())

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield bytes as scans find them; a complete image is yielded even after its deletion."""
        image = await self.image(image_id)
        if image is None:
            raise UnknownImage(image_id)
        state = self._last.files[image_id]
        file = await self._calls.run(
            self._open, image_id, state.signature, discard=lambda opened: opened.close()
        )
        try:
            position = start
            while True:
                changed = self._changed
                now = self._last.files.get(image_id)
                if now and now.image and now.image.revision == image.revision:
                    image, state = now.image, now
                elif not image.complete:
                    raise ImageBroken(image_id, "it was replaced" if now else "it was removed")
                while position < image.received:
                    count = min(CHUNK_BYTES, image.received - position)
                    data = await self._calls.run(_read, file, position, count, image, state)
                    position += len(data)
                    yield data
                if image.complete:
                    return
                await changed.wait()
        finally:
            self._calls.start(file.close)

    def new(self) -> AsyncIterator[str]:
        """Yield ids as scans find them.

        Complete images that were in the folder at the start, or when it appeared, are not yielded:
        there may be 100,000 of them.

        Raises:
            SourceError: the folder cannot be read; polling continues.
        """
        arriving = [image.id for image in reversed(self._last.images) if not image.complete]
        self._new = dict.fromkeys(arriving)
        return self._announce(self._new)

    async def refresh(self, names: Collection[str] | None = None) -> None:
        """Scan the folder now instead of at the next poll.

        Args:
            names: of files that may have changed; `None` for the whole folder.
        """
        async with self._scanning:
            if names is None or self._problem:
                await self._scan(partial(self._folder.scan, self._last))
            else:
                await self._scan(partial(self._folder.rescan, self._last, names))

    async def _scan(self, function: Callable[[], Scan | None]) -> bool:
        """Apply the scan that a function returns; `False` if it returns none, or fails."""
        try:
            scan, problem = await self._scans.run(function), ""
            self.contact_at = time.time()
        except OSError as exc:
            removed = exc.errno in REMOVED
            scan, problem = EMPTY if removed else self._last, str(self._unreadable(exc))
        if scan is not None and (scan is not self._last or problem != self._problem):
            self._apply(scan, problem)
        return scan is not None and not problem

    def _apply(self, scan: Scan, problem: str) -> None:
        if problem and problem != self._problem:
            logger.warning("%s", problem)
        elif self._problem and not problem:
            logger.info("%s can be read again", self._folder.tree.path.absolute())
        if scan is not self._last:
            is_first, self._last = self._last is EMPTY, scan
            if scan is EMPTY:
                self._since = time.time()
            new = (name for name in scan.new if not is_first or self._is_new(scan.files[name]))
            self._new.update(dict.fromkeys(new))
            for name, reason in scan.skipped:
                logger.info("skipped %r in %s: %s", name, self._folder.tree.path.absolute(), reason)
        self._problem = problem
        changed, self._changed = self._changed, Event()
        changed.set()

    def _is_new(self, state: FileState) -> bool:
        """Whether an image of a first scan arrived since then, or still arrives."""
        changed_at = state.signature.ctime_ns / 1e9
        is_complete = state.image is not None and state.image.complete
        return not is_complete or changed_at >= self._since - CLOCK_STEP_S

    async def _poll(self, scanned: Event) -> None:
        async with self._scanning:
            scans = self._folder.first_scans()
            while await self._scan(partial(next, scans, None)):
                scanned.set()
        scanned.set()
        while True:
            try:
                while await self._calls.run(self._watched) and await self._follow():
                    pass
            except TimeoutError as exc:
                self._apply(self._last, str(self._unreadable(exc)))
            await self._scan_and_wait()

    async def _poll_arriving(self) -> None:
        """Scan the images that arrive: some are complete once they have not changed for a time."""
        while True:
            changed = self._changed
            if not self._last.arriving:
                await changed.wait()
                continue
            await sleep(self._poll_s)
            await self.refresh(())

    async def _scan_and_wait(self) -> None:
        began = time.perf_counter()
        await self.refresh()
        took_s = 0.0 if self._problem else time.perf_counter() - began
        await sleep(max(self._poll_s, SCAN_PAUSE_RATIO * took_s))

    async def _follow(self) -> bool:
        """Scan what the system reports, until the folders are others or cannot be read.

        Returns:
            Whether only the subfolders have changed.
        """
        tree, folders = self._folder.tree, self._last.folders
        watched = await self._calls.run(self._watched)
        next_check = 0.0
        self._next_whole = inf
        if self._tasks is not None:  # it runs once the folders are watched
            self._tasks.start_soon(self._scan_whole)
        with suppress(OSError):
            async for names in changed_names(tree.path, folders, CHECK_S, self._stop):
                began = time.perf_counter()
                if began >= self._next_whole:
                    await self._scan_whole()
                elif names:
                    await self.refresh(names)
                if self._problem:
                    return False
                if began >= next_check:
                    next_check = began + CHECK_S
                    if await self._calls.run(self._watched) != watched:
                        return False
                    self.contact_at = time.time()
                if self._last.folders != folders:
                    return True
        return False

    def _watched(self) -> tuple[int, int] | None:
        """The identity of the folder; `None` if not all changes in it are reported."""
        tree = self._folder.tree
        return tree.identity() if reports_changes(tree.path) else None

    async def _scan_whole(self) -> None:
        """Scan the whole folder, and plan the next such scan."""
        began = time.perf_counter()
        await self.refresh()
        ended = time.perf_counter()
        self._next_whole = ended + max(WHOLE_SCAN_S, WHOLE_SCAN_RATIO * (ended - began))

    async def _announce(self, new: dict[str, None]) -> AsyncIterator[str]:
        while True:
            changed = self._changed
            while new:
                name = next(iter(new))
                del new[name]
                yield name
            if self._problem != self._raised:
                self._raised = self._problem
                if self._problem:
                    raise SourceError(self._problem)
            with move_on_after(REPEAT_S if self._problem else None):
                await changed.wait()
                continue
            self._raised = ""

    def _known(self, image_id: str) -> Image | None:
        state = self._last.files.get(image_id)
        return None if state is None else state.image

    def _open(self, image_id: str, signature: Signature) -> BinaryIO:
        try:
            file = self._folder.open(image_id)
        except OSError as exc:
            raise UnknownImage(image_id) from exc
        if not Signature.of(os.fstat(file.fileno())).is_same_file(signature):
            file.close()
            raise ImageBroken(image_id, "it was replaced")
        return file

    def _unreadable(self, exc: OSError) -> SourceError:
        return unreadable(self._folder.tree.path, exc, HINTS.get(exc.errno or 0, ""))


def _read(file: BinaryIO, position: int, count: int, image: Image, state: FileState) -> bytes:
    try:
        data = os.pread(file.fileno(), count, position)
    except OSError as exc:
        raise ImageBroken(image.id, f"its file cannot be read: {exc}") from exc
    now = Signature.of(os.fstat(file.fileno()))
    if not data or (image.complete and not now.is_same_content(state.signature)):
        raise ImageBroken(image.id, "its file was rewritten while it was read")
    return data
