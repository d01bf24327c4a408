"""Command files: received, checked, and stored if they are accepted.

    client ──▶ receive ──▶ <data_dir>/incoming ──▶ check ──▶ <data_dir>/commands/<sha256>
                  └──────────────── events ──────────┴──▶ topic ──▶ clients

`receive` runs in the task of the request, and the check in a task of `Commands`. So an
upload fails if its client disconnects while it sends, but not if it disconnects during the check.
Before the last event of an upload is published, its file is either stored or deleted.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
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

from rover.commands.check import check
from rover.commands.inbox import Inbox
from rover.commands.records import forget, save, saved_uploads
from rover.commands.throttle import Throttle
from rover.commands.upload import Status, Upload
from rover.errors import (
    CommandsOff,
    Draining,
    NotStarted,
    RoverError,
    UnknownUpload,
    UploadInterrupted,
    UploadTooBig,
)
from rover.guard import Guard, SourceFailed, absorb_stray_cancellation
from rover.shares import Pool
from rover.supervise import BlockedNote, Health, State
from sources.base import SourceError
from sources.none import Off
from sources.rules import steps_mistake
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from rover.commands.inbox import CommandFile
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.supervise import Blocked
    from rover.topic import Topic
    from sources.base import CommandValidator, Step, Verdict

logger = logging.getLogger("rover.commands")

WRITE_BYTES = 2**20
"""Size of the blocks in which a file is hashed and written, each by one call in a worker thread."""

PROGRESS_PERIOD_S = 0.25
"""Minimum number of seconds between two events about received bytes."""

CHECK_TIMEOUT_S = 300.0
"""Seconds without progress, finding or verdict after which a check fails."""

CLEANUP_TIMEOUT_S = 1.0
"""Seconds that the task of a request has to delete its file at shutdown."""

RESTARTED = "the server was restarted before the check ended; send the file again"

SHUTTING_DOWN = "the server is shutting down; the file was not stored, send it again"


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

    Attributes:
        inbox: the folders for the files.
        pool: the uploads that are being received or checked.
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
    ) -> None:
        self.inbox = inbox or Inbox(settings.data_dir)
        self._validator = validator
        self._guard = Guard("commands", validator)
        self._settings = settings
        self._notify = notify
        self._on_finish = on_finish
        self._log = log
        self._begun = 0
        self._clock = clock
        self._check_timeout_s = check_timeout_s
        self.pool = Pool(
            "uploads", "ROVER_MAX_UPLOADS", settings.max_uploads, settings.client_share
        )
        self._uploads: dict[str, Upload] = {}  # by id, oldest first
        self._checks: TaskGroup | None = None
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
        with self.inbox.open():
            await self._restore()
            try:
                async with create_task_group() as self._checks:
                    task_status.started()
                    await sleep_forever()
            finally:
                self._closed = True
                with CancelScope(shield=True):
                    await self._fail_unfinished()

    async def _restore(self) -> None:
        """Take over the uploads from before a restart. Unfinished ones have failed.

        In a recorded mission, they stay as they were.
        """
        if self._log is None:
            return
        for upload_id, saved in saved_uploads(self._log).items():
            upload = Upload(
                saved.name,
                saved.size,
                (),
                self._notify,
                by=saved.by,
                upload_id=upload_id,
                log=self._log,
            )
            upload.restore(saved)
            self._uploads[upload_id] = upload
            self._begun = max(saved.number, self._begun)
            if not saved.finished and self._log.recorded is None:
                await upload.load()
                upload.publish_failure(RESTARTED)
                self._finish(upload)

    def close(self) -> None:
        """Refuse new uploads, and end unfinished ones as `FAILED`."""
        self._closed = True
        if self._checks is not None:
            self._checks.cancel_scope.cancel()

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
        if self._checks is None:
            raise NotStarted
        self.pool.check(client)

    def begin(
        self, name: str, size: int | None = None, client: str | None = None, by: str = ""
    ) -> Upload:
        """Create an upload. The caller passes it to `receive` next.

        Args:
            name: the file's name as the client sent it; any string.
            size: bytes of the file, if the client stated it. It is published, but not relied on.
            client: who sends the file; `None` is this program.
            by: the name of the person who sends it; empty if unknown.

        Raises:
            RoverError: as `check_capacity`.
            SourceError: the steps of the validator cannot be read.
        """
        self.check_capacity(client)
        finished = [old.id for old in self._uploads.values() if old.finished.is_set()]
        for old_id in finished[: -self._settings.kept_uploads]:
            del self._uploads[old_id]
            if self._log is not None:
                forget(self._log, old_id)
        release = partial(self.pool.release, client)
        upload = Upload(name, size, self._steps(), self._notify, release, by, log=self._log)
        self.pool.acquire(client)
        self._uploads[upload.id] = upload
        upload.publish_received("receiving the file")
        self._begun += 1
        upload.number = self._begun
        self._save(upload)
        return upload

    def _save(self, upload: Upload) -> None:
        if self._log is not None:
            save(self._log, upload.id, upload.saved())

    def _finish(self, upload: Upload) -> None:
        self._save(upload)
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
        try:
            return self._uploads[upload_id]
        except KeyError:
            raise UnknownUpload(upload_id) from None

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
            await self._fail(upload, str(UploadInterrupted(upload.received)))
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
        if file is None or self._checks is None or self._closed:
            await self._fail(upload, detail)
        else:
            upload.status = Status.VALIDATING
            self._checks.start_soon(self._check, upload, file)

    async def _write(self, upload: Upload, chunks: AsyncIterator[bytes]) -> CommandFile:
        upload.file = file = self.inbox.create(upload.id)
        throttle = Throttle(PROGRESS_PERIOD_S, self._clock)
        block: list[bytes] = []
        written = 0
        async for chunk in chunks:
            upload.received += len(chunk)
            if upload.received > self._settings.max_upload_bytes:
                raise UploadTooBig(self._settings.max_upload_bytes)
            block.append(chunk)
            if upload.received - written >= WRITE_BYTES:
                await to_thread.run_sync(file.write, b"".join(block))
                written = upload.received
                block.clear()
            if throttle.is_due():
                upload.publish_received("receiving the file")
        await to_thread.run_sync(file.write, b"".join(block))
        upload.size = upload.received
        upload.publish_received("received the file")
        return file

    async def _check(self, upload: Upload, file: CommandFile) -> None:
        try:
            verdict = await check(
                self._guard,
                self._validator,
                upload,
                file.path,
                timeout_s=self._check_timeout_s,
                clock=self._clock,
            )
            await self._conclude(upload, file, verdict)
        except SourceFailed as exc:
            await self._fail(upload, f"the check itself failed, not the file: {describe(exc)}")
        except SourceError as exc:
            await self._fail(upload, describe(exc))
        except CancelledError as exc:
            if not absorb_stray_cancellation():
                raise
            await self._fail(upload, f"the check itself failed, not the file: {describe(exc)}")

    async def _conclude(self, upload: Upload, file: CommandFile, verdict: Verdict) -> None:
        if verdict.accepted:
            try:
                await to_thread.run_sync(file.store)  # not cancelled: a stored file is published
            except OSError as exc:
                detail = f"the file was accepted, but storing it failed: {exc.strerror}"
                await self._fail(upload, detail)
                return
        else:
            await self._discard(upload)
        upload.publish_verdict(verdict, file.sha256)
        self._finish(upload)
        logger.info(
            "upload of %s: %s: %s",
            upload.name,
            upload.status,
            verdict.detail,
            extra={"upload": upload.id},
        )

    async def _fail(self, upload: Upload, detail: str) -> None:
        with CancelScope(shield=True):
            await self._discard(upload)
        if not upload.finished.is_set():
            upload.publish_failure(detail)
            self._finish(upload)
            # the drain logs the number of uploads that it ends
            log = logger.debug if detail is SHUTTING_DOWN else logger.warning
            log("upload of %s: FAILED: %s", upload.name, detail, extra={"upload": upload.id})

    async def _discard(self, upload: Upload) -> None:
        if upload.file is not None:
            try:
                await to_thread.run_sync(upload.file.discard)
            except OSError:
                logger.exception("upload of %s: deleting %s failed", upload.name, upload.file.path)

    async def _fail_unfinished(self) -> None:
        for upload in self._unfinished():
            if upload.status is Status.UPLOADING:
                upload.receiving.cancel()  # `receive` then fails the upload
                with move_on_after(CLEANUP_TIMEOUT_S):
                    await upload.finished.wait()
            await self._fail(upload, SHUTTING_DOWN)

    def _unfinished(self) -> list[Upload]:
        return [upload for upload in self._uploads.values() if not upload.finished.is_set()]
