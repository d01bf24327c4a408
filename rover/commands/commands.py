"""Command files: received, checked, and stored if they are accepted.

    client ──▶ receive ──▶ <data_dir>/incoming ──▶ check ──▶ <data_dir>/commands/<sha256>
                  └──────────────── events ──────────┴──▶ topic ──▶ clients  └─▶ queue ─▶ uplink

`receive` runs in the task of the request, and the check in a task of `Commands`. So an
upload fails if its client disconnects while it sends, but not if it disconnects during the check.
Before the last event of an upload is published, its file is either stored or deleted.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING, Any

from anyio import TASK_STATUS_IGNORED, CancelScope, create_task_group, move_on_after, sleep

from rover.commands.checks import CHECK_TIMEOUT_S, SHUTTING_DOWN, Checks
from rover.commands.inbox import Inbox
from rover.commands.intake import Intake
from rover.commands.light_time import LightTime
from rover.commands.queue import Queue
from rover.commands.restart import Restart
from rover.commands.sender import Sender
from rover.commands.transfers import Transfers
from rover.commands.upload_state import Status
from rover.commands.uploads import Uploads
from rover.guard import Guard
from rover.supervise import BlockedNote, Health, State
from sources.none import NoUplink, Off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import TaskGroup, TaskStatus

    from rover.commands.inbox import CommandFile
    from rover.commands.records import SavedUpload
    from rover.commands.upload import Upload
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.supervise import Blocked
    from rover.topic import Topic
    from sources.base import CommandValidator, Uplink

CLEANUP_TIMEOUT_S = 1.0
"""Seconds that the task of a request has to delete its file at shutdown."""

EXPIRED = "the transfer was not resumed in time (ROVER_RESUME_S); send the file again"


class Commands:
    """Receives command files, checks them, and stores and sends those that are accepted.

    Args:
        validator: checks the files; several checks may run at once.
        settings: the data folder and the limits.
        notify: called with the topic of each upload that has new events, as `Flusher.mark`.
        clock: monotonic seconds, for the rate of progress events.
        check_timeout_s: seconds without progress, finding or verdict after which a check fails.
        inbox: the folders for the files; by default in the data folder of the settings.
        on_finish: called with each upload that has finished.
        log: keeps the uploads; `None` if a restart may forget them. Then nothing is sent.
        source: the scheme or the name of the validator, for the reports.
        uplink: sends the accepted files; by default nothing is sent.
        target: which uplink that is; if another one follows, releases no longer count.
        light_time: to the rover; by default that of the settings.
        lapsed: returns why releases with a token no longer count; `None` if they do.

    Attributes:
        inbox: the folders for the files.
        intake: begins uploads.
        transfers: receives the files.
        uploads: all uploads, also the finished ones.
        queue: the accepted files on their way to the rover.
        sender: sends them.
        light_time: to the rover.
        sends: whether accepted files enter the queue.
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
        uplink: Uplink | None = None,
        target: str = "",
        light_time: LightTime | None = None,
        lapsed: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.inbox = inbox or Inbox(settings.data_dir)
        self.uploads = Uploads(log, settings.kept_uploads, notify, self.inbox.delete_artifact)
        uplink = uplink or NoUplink()
        self.light_time = light_time or LightTime(settings)
        self.sends = not isinstance(uplink, Off) and log is not None
        self.queue = Queue(
            self.uploads.save, settings.release_persons, target=target, lapsed=lapsed
        )
        self.sender = Sender(
            uplink,
            self.queue,
            self.inbox,
            settings,
            sync=self.sync,
            light_time=self.light_time,
        )
        guard = Guard("commands", validator)
        self._settings = settings
        self._on_finish = on_finish
        self._log = log
        self._checks = Checks(
            guard,
            validator,
            self.inbox,
            finish=self._finish,
            save=self.uploads.save,
            sync=self.sync,
            on_accept=self.queue.begin if self.sends else lambda _: None,
            clock=clock,
            timeout_s=check_timeout_s,
            limit=settings.max_checks,
        )
        self.intake = Intake(
            guard,
            validator,
            self.uploads,
            settings,
            notify=notify,
            log=log,
            source=source or type(validator).__name__,
        )
        self.transfers = Transfers(
            self.inbox,
            self._checks,
            self.intake.pool,
            save=self.uploads.save,
            start_check=self._start_check,
            clock=clock,
            is_closed=lambda: self.intake.is_closed,
        )
        self._tasks: TaskGroup | None = None
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
        return len(self.intake.pool)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Check received files until cancelled or closed. Unfinished uploads then end as `FAILED`.

        Raises:
            SettingError: the data folder is not writable.
        """
        left = await self.uploads.restore()
        keep = [upload.id for upload, _ in left]
        is_recorded = self._log is not None and self._log.recorded is not None
        with self.inbox.open(keep):
            try:
                async with create_task_group() as self._tasks:
                    if not is_recorded:
                        await self._go_on(left)
                        if self.sends:
                            self.light_time.warn()
                        self._tasks.start_soon(self.sender.run)
                    task_status.started()
                    await self._expire_partial()
            finally:
                self.intake.is_closed = True
                with CancelScope(shield=True):
                    await self._fail_unfinished()

    async def _go_on(self, unfinished: list[tuple[Upload, SavedUpload]]) -> None:
        """Go on with the uploads from before a restart."""
        self.intake.is_open = True
        for upload in self.uploads.on_their_way():
            if upload.finished.is_set():
                await self.queue.enter(upload)
        restart = Restart(
            self.inbox, self.intake, start_check=self._start_check, finish=self._finish
        )
        for upload, saved in unfinished:
            await restart.go_on(upload, saved)

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
        if self._tasks is None or self.intake.is_closed:
            return False
        self._tasks.start_soon(self._checks.run, upload, file)
        return True

    async def sync(self) -> bool:
        """Write the record to disk; returns whether that worked."""
        return True if self._log is None else await self._log.sync()

    def close(self) -> None:
        """Refuse new uploads, and end unfinished ones as `FAILED`."""
        self.intake.is_closed = True
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    def _finish(self, upload: Upload) -> None:
        self.uploads.save(upload)
        self._on_finish(upload)
        if upload.is_on_its_way and self._tasks is not None:
            self._tasks.start_soon(self.queue.enter, upload)

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
        await self.sync()
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
