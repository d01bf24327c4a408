"""Command files: received, checked, and stored if they are accepted.

    client ──▶ receive ──▶ <data_dir>/incoming ──▶ check ──▶ <data_dir>/commands/<sha256>
                  └──────────────── events ──────────┴──▶ topic ──▶ clients

`receive` runs in the task of the request, and the check in a task of `Commands`. So an
upload fails if its client disconnects while it sends, but not if it disconnects during the check.
Before the last event of an upload is published, its file is either stored or deleted.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    create_task_group,
    move_on_after,
    sleep,
    to_thread,
)

from rover.commands.accepts import Accepts
from rover.commands.checks import CHECK_TIMEOUT_S, SHUTTING_DOWN, Checks
from rover.commands.inbox import Inbox
from rover.commands.steps import Steps
from rover.commands.transfers import Transfers
from rover.commands.upload import Status, Upload, display_name
from rover.commands.uploads import Uploads
from rover.errors import (
    BadUploadId,
    CommandsOff,
    Draining,
    NotStarted,
    WrongFileName,
)
from rover.guard import Guard
from rover.shares import Pool
from rover.supervise import BlockedNote, Health, State
from sources.base import SourceError
from sources.none import Off
from sources.rules import steps_mistake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from rover.commands.inbox import CommandFile
    from rover.commands.records import SavedUpload
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.supervise import Blocked
    from rover.topic import Topic
    from sources.base import CommandValidator, Step

logger = logging.getLogger("rover.commands")

CLEANUP_TIMEOUT_S = 1.0
"""Seconds that the task of a request has to delete its file at shutdown."""

ID_PATTERN = "[A-Za-z0-9_-]{1,64}"
"""An id that a client may choose. It is also the name of the incoming file."""

UPLOAD_ID = re.compile(ID_PATTERN)

RESTARTED = "the server was restarted before the check ended; send the file again"

EXPIRED = "the transfer was not resumed in time (ROVER_RESUME_S); send the file again"

FILE_LOST = "the file was accepted, but it is missing after a restart; send it again"


class Commands:
    """Receives command files, checks them, and stores those that are accepted.

    Args:
        validator: checks the files; several checks may run at once.
        settings: the data folder and the limits.
        notify: called with the topic of each upload that has new events, as `Flusher.mark`.
        clock: monotonic seconds, for the rate of progress events.
        check_timeout_s: seconds without progress, finding or verdict after which a check fails.
        inbox: the folders for the files; by default in the data folder of the settings.
        on_finish: called with each upload that has finished.
        log: keeps the uploads; `None` if a restart may forget them.
        source: the scheme or the name of the validator, for the reports.

    Attributes:
        inbox: the folders for the files.
        pool: the uploads that are being received or checked.
        partial: the resumable uploads whose file has not arrived completely.
        transfers: receives the files.
        uploads: all uploads, also the finished ones.
    """

    def __init__(
        self,
        validator: CommandValidator,
        settings: Settings,
        *,
        notify: Callable[[Topic[Any, Any]], None] | None = None,
        clock: Callable[[], float] = monotonic,
        check_timeout_s: float = CHECK_TIMEOUT_S,
        inbox: Inbox | None = None,
        on_finish: Callable[[Upload], None] = lambda _: None,
        log: Log | None = None,
        source: str = "",
    ) -> None:
        self.inbox = inbox or Inbox(settings.data_dir)
        self.uploads = Uploads(log, settings.kept_uploads, notify, self.inbox.delete_artifact)
        self._validator = validator
        self._guard = Guard("commands", validator)
        self._settings = settings
        self._notify = notify
        self._on_finish = on_finish
        self._log = log
        self._source = source or type(validator).__name__
        self._clock = clock
        self._checks = Checks(
            self._guard,
            validator,
            self.inbox,
            finish=self._finish,
            save=self.uploads.save,
            sync=self._sync,
            clock=clock,
            timeout_s=check_timeout_s,
            limit=settings.max_checks,
        )
        share = settings.client_share
        self.pool = Pool("uploads", "ROVER_MAX_UPLOADS", settings.max_uploads, share)
        self.partial = Pool("partial uploads", "ROVER_MAX_UPLOADS", settings.max_uploads, share)
        self.transfers = Transfers(
            self.inbox,
            self._checks,
            self.pool,
            save=self.uploads.save,
            start_check=self._start_check,
            clock=clock,
            is_closed=lambda: self._closed,
        )
        self._tasks: TaskGroup | None = None
        self._closed = False
        off = isinstance(validator, Off)
        detail = "turned off" if off else "ready"
        self._health = Health(State.OFF if off else State.LIVE, detail, time())
        self._blocked = BlockedNote()

    @property
    def health(self) -> Health:
        """The state of the validator. The detail says for a minute that it blocked the server."""
        return self._blocked.added_to(self._health)

    def record_blocked(self, blocked: Blocked) -> None:
        """Record that the validator blocked the event loop."""
        self._blocked.record(blocked)

    @property
    def open_uploads(self) -> int:
        """Number of uploads that are being received or checked."""
        return len(self.pool)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Check received files until cancelled or closed. Unfinished uploads then end as `FAILED`.

        Raises:
            SettingError: the data folder is not writable.
        """
        left = self.uploads.restore()
        keep = [upload.id for upload, saved in left if saved.is_accepted or saved.resumable]
        is_recorded = self._log is not None and self._log.recorded is not None
        with self.inbox.open(keep):
            try:
                async with create_task_group() as self._tasks:
                    for upload, saved in [] if is_recorded else left:
                        await self._go_on_after_restart(upload, saved)
                    task_status.started()
                    await self._expire_partial()
            finally:
                self._closed = True
                with CancelScope(shield=True):
                    await self._fail_unfinished()

    async def _go_on_after_restart(self, upload: Upload, saved: SavedUpload) -> None:
        """Finish an upload from before a restart, or let its transfer go on if it is resumable."""
        await upload.load()
        if saved.resumable and not saved.is_accepted and await self._reopen(upload):
            return
        if not saved.is_accepted:
            upload.publish_failure(RESTARTED)
        else:
            try:
                stored = await to_thread.run_sync(self.inbox.recover, upload.id, upload.sha256)
            except OSError:
                logger.exception("upload of %s: storing the file failed", upload.name)
                stored = False
            if stored:
                upload.publish_verdict(recovered=True)
                logger.warning(
                    "upload of %s: COMPLETE: it was accepted before the restart, and is reported "
                    "now",
                    upload.name,
                    extra={"upload": upload.id},
                )
            else:
                upload.publish_failure(FILE_LOST)
        self._finish(upload)

    async def _reopen(self, upload: Upload) -> bool:
        """Let a resumable upload go on; returns whether its bytes are still there."""
        try:
            upload.file = await to_thread.run_sync(self.inbox.reopen, upload.id)
            upload.steps = Steps(self._steps())
            upload.max_bytes = self.accepts.max_bytes
        except (OSError, SourceError):
            return False
        upload.received = upload.file.size
        if upload.sha256 == upload.file.sha256:  # all of it had arrived
            upload.status = Status.VALIDATING
            return self._start_check(upload, upload.file)
        upload.publish_received("the server was restarted; the transfer can be resumed")
        return True

    async def _expire_partial(self) -> None:
        """Fail resumable uploads that are not resumed in time, until cancelled."""
        limit_s = self._settings.resume_s
        while True:
            idle = {
                upload: upload.touched or 0.0
                for upload in self.uploads.unfinished()
                if upload.is_partial and (upload.request is None or upload.request.is_set())
            }
            now = time()
            for upload, touched in idle.items():
                if now - touched >= limit_s:
                    await self._checks.fail(upload, EXPIRED)
            left = [touched + limit_s - now for touched in idle.values() if now - touched < limit_s]
            await sleep(min(left, default=limit_s))

    def _start_check(self, upload: Upload, file: CommandFile) -> bool:
        """Start the check of a file; returns `False` at shutdown."""
        if self._tasks is None or self._closed:
            return False
        self._tasks.start_soon(self._checks.run, upload, file)
        return True

    async def _sync(self) -> bool:
        return True if self._log is None else await self._log.sync()

    def close(self) -> None:
        """Refuse new uploads, and end unfinished ones as `FAILED`."""
        self._closed = True
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    @property
    def accepts(self) -> Accepts:
        """Which files the validator checks.

        Raises:
            SourceError: its limits cannot be read.
        """
        return Accepts.of(self._guard, self._validator, self._settings.max_upload_bytes)

    def check_capacity(self, client: str | None = None) -> None:
        """Check that another upload may begin. Call it before the request's body is read.

        Args:
            client: who sends the file; `None` is this program.

        Raises:
            NotStarted: `run` has not started.
            Draining: the server is shutting down.
            PoolFull: `ROVER_MAX_UPLOADS` uploads are unfinished, or the client's share of them.
        """
        if self._closed:
            raise Draining(max(1, self._settings.retry_ms // 1000))
        if self.health.state is State.OFF:
            raise CommandsOff
        if self._tasks is None:
            raise NotStarted
        self.pool.check(client)

    def check_id(self, upload_id: str) -> None:
        """Check that a client may choose an id.

        Raises:
            BadUploadId: it has other characters than allowed.
            UploadExists: an upload has it.
        """
        if not UPLOAD_ID.fullmatch(upload_id):
            raise BadUploadId(upload_id)
        self.uploads.check_unused(upload_id)

    def begin(
        self,
        name: str,
        size: int | None = None,
        client: str | None = None,
        by: str = "",
        upload_id: str = "",
        *,
        resumable: bool = False,
    ) -> Upload:
        """Create an upload. The caller passes it to `receive`, or to `append` if it is resumable.

        Args:
            name: the file's name as the client sent it; any string.
            size: bytes of the file, if the client stated it. It is published, but not relied on.
            client: who sends the file; `None` is this program.
            by: the name of the person who sends it; empty if unknown.
            upload_id: the id that the client chose; empty for a new one.
            resumable: whether the file may arrive in several requests.

        Raises:
            RoverError: as `check_capacity` and `check_id`.
            UploadTooBig: the stated size is over the limit.
            WrongFileName: the validator does not check such files.
            SourceError: the steps or the limits of the validator cannot be read.
        """
        self.check_capacity(client)
        if upload_id:
            self.check_id(upload_id)
        accepts = self.accepts
        accepts.check_size(size)
        if not accepts.allows(display_name(name)):
            raise WrongFileName(display_name(name), accepts.suffixes)
        pool = self.partial if resumable else self.pool
        upload = Upload(
            name,
            size,
            self._steps(),
            self._notify,
            partial(pool.release, client),
            by,
            upload_id,
            log=self._log,
            client=client,
        )
        upload.validator = {"source": self._source, "dictionary": accepts.dictionary}
        upload.max_bytes = accepts.max_bytes
        upload.is_resumable, upload.touched = resumable, time() if resumable else None
        pool.acquire(client)
        upload.publish_received("receiving the file")
        self.uploads.add(upload)
        return upload

    def _finish(self, upload: Upload) -> None:
        self.uploads.save(upload)
        self._on_finish(upload)

    def _steps(self) -> Sequence[Step]:
        steps = self._guard.read("steps", lambda: self._validator.steps)
        if mistake := self._guard.read("steps", steps_mistake, steps):
            raise SourceError(f"the validator made a mistake: {mistake.text}")
        return steps

    def find(self, upload_id: str) -> Upload:
        """The upload with that id: an unfinished one, or one of the newest finished ones.

        Raises:
            UnknownUpload: no upload has that id.
        """
        return self.uploads.find(upload_id)

    async def cancel(self, upload: Upload) -> bool:
        """Cancel an upload, unless its verdict is known; returns whether it was cancelled.

        Returns when the upload has finished and its record survives a power cut.
        """
        if not upload.finished.is_set() and not upload.is_concluding:
            upload.is_cancelled = True
            await self.transfers.interrupt(upload)
            if upload.is_partial:
                await self._checks.cancel(upload)
            upload.receiving.cancel()
            upload.checking.cancel()
        await upload.finished.wait()
        await self._sync()
        return upload.entry.cancelled

    async def receive(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """See `Transfers.receive`."""
        await self.transfers.receive(upload, chunks)

    async def _fail_unfinished(self) -> None:
        for upload in self.uploads.unfinished():
            if upload.is_partial:  # it goes on after the restart
                await self.transfers.interrupt(upload)
                if upload.file is not None:
                    upload.file.close()
                upload.topic.close()
                continue
            if upload.status is Status.UPLOADING:
                upload.receiving.cancel()  # `receive` then fails the upload
                with move_on_after(CLEANUP_TIMEOUT_S):
                    await upload.finished.wait()
            await self._checks.fail(upload, SHUTTING_DOWN)
