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
    get_cancelled_exc_class,
    move_on_after,
    sleep_forever,
    to_thread,
)

from rover.commands.accepts import Accepts
from rover.commands.checks import CHECK_TIMEOUT_S, SHUTTING_DOWN, Checks
from rover.commands.inbox import Inbox
from rover.commands.throttle import Throttle
from rover.commands.upload import Status, Upload, display_name
from rover.commands.uploads import Uploads
from rover.errors import (
    BadUploadId,
    CommandsOff,
    Draining,
    NotStarted,
    RoverError,
    UploadInterrupted,
    UploadTooBig,
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

WRITE_BYTES = 2**20
"""Size of the blocks in which a file is hashed and written, each by one call in a worker thread."""

PROGRESS_PERIOD_S = 0.25
"""Minimum number of seconds between two events about received bytes."""

CLEANUP_TIMEOUT_S = 1.0
"""Seconds that the task of a request has to delete its file at shutdown."""

UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""An id that a client may choose. It is also the name of the incoming file."""

RESTARTED = "the server was restarted before the check ended; send the file again"

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
        self.pool = Pool(
            "uploads", "ROVER_MAX_UPLOADS", settings.max_uploads, settings.client_share
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
        with self.inbox.open(keep=[upload.id for upload, saved in left if saved.is_accepted]):
            if self._log is None or self._log.recorded is None:
                for upload, saved in left:
                    await self._end_after_restart(upload, saved)
            try:
                async with create_task_group() as self._tasks:
                    task_status.started()
                    await sleep_forever()
            finally:
                self._closed = True
                with CancelScope(shield=True):
                    await self._fail_unfinished()

    async def _end_after_restart(self, upload: Upload, saved: SavedUpload) -> None:
        """Finish an upload from before a restart: its file is either stored or deleted."""
        await upload.load()
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
    ) -> Upload:
        """Create an upload. The caller passes it to `receive` next.

        Args:
            name: the file's name as the client sent it; any string.
            size: bytes of the file, if the client stated it. It is published, but not relied on.
            client: who sends the file; `None` is this program.
            by: the name of the person who sends it; empty if unknown.
            upload_id: the id that the client chose; empty for a new one.

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
        upload = Upload(
            name,
            size,
            self._steps(),
            self._notify,
            partial(self.pool.release, client),
            by,
            upload_id,
            log=self._log,
            client=client,
        )
        upload.validator = {"source": self._source, "dictionary": accepts.dictionary}
        upload.max_bytes = accepts.max_bytes
        self.pool.acquire(client)
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
            upload.receiving.cancel()
            upload.checking.cancel()
            await upload.finished.wait()
        await upload.finished.wait()
        await self._sync()
        return upload.entry.cancelled

    async def receive(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """Write the file to disk and start its check. Returns before the check has finished.

        Errors are not raised, also those of `chunks`: the upload ends as `FAILED` with the reason.
        If this call is cancelled, the upload also ends as `FAILED`.
        """
        file, detail = None, SHUTTING_DOWN
        try:
            with upload.receiving:
                file = await self._write(upload, chunks)
        except get_cancelled_exc_class():
            await self._checks.fail(upload, str(UploadInterrupted(upload.received)))
            raise
        except RoverError as exc:
            detail = str(exc)
        except OSError as exc:
            detail = f"the server could not write the file: {exc.strerror}"
        except Exception:  # `chunks` may raise anything; the upload must finish
            logger.exception(
                "upload of %s: receiving it failed", upload.name, extra={"upload": upload.id}
            )
            detail = "receiving the file failed; see the server's log"
        if upload.receiving.cancelled_caught and not self._closed:
            await self._checks.cancel(upload)
        elif file is None or self._tasks is None or self._closed:
            await self._checks.fail(upload, detail)
        else:
            upload.status = Status.VALIDATING
            self._tasks.start_soon(self._checks.run, upload, file)

    async def _write(self, upload: Upload, chunks: AsyncIterator[bytes]) -> CommandFile:
        upload.file = file = self.inbox.create(upload.id)
        throttle = Throttle(PROGRESS_PERIOD_S, self._clock)
        block: list[bytes] = []
        written = 0
        async for chunk in chunks:
            upload.received += len(chunk)
            if upload.received > upload.max_bytes:
                raise UploadTooBig(upload.max_bytes)
            block.append(chunk)
            if upload.received - written >= WRITE_BYTES:
                await to_thread.run_sync(file.write, b"".join(block))
                written = upload.received
                block.clear()
            if throttle.is_due():
                upload.publish_received("receiving the file")
        await to_thread.run_sync(file.write, b"".join(block))
        upload.size = upload.received
        upload.sha256 = file.sha256
        upload.publish_received("received the file")
        return file

    async def _fail_unfinished(self) -> None:
        for upload in self.uploads.unfinished():
            if upload.status is Status.UPLOADING:
                upload.receiving.cancel()  # `receive` then fails the upload
                with move_on_after(CLEANUP_TIMEOUT_S):
                    await upload.finished.wait()
            await self._checks.fail(upload, SHUTTING_DOWN)
