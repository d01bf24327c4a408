"""Command files on their way up: received, checked, kept; and a topic that tells of each.

    sender ──▶ receive ──▶ <data_dir>/incoming ──▶ validator ──▶ <data_dir>/commands/<sha256>
                  └──────────────── events ───────────┴──▶ TOPIC ──▶ whoever follows

A file is received in its sender's task, and checked in the uplink's own: a sender who goes away
while it sends takes the upload along, and one who goes away during the check does not. When the
last event is told, the file is where it belongs: kept for good, or gone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    create_task_group,
    current_time,
    get_cancelled_exc_class,
    move_on_after,
    sleep_forever,
    to_thread,
)
from anyio.lowlevel import checkpoint

from rover.commands.inbox import CommandFile, Inbox
from rover.commands.upload import Pace, Status, Upload
from rover.errors import (
    CommandsOff,
    Draining,
    NotStarted,
    RoverError,
    TooManyUploads,
    UnknownUpload,
    UploadInterrupted,
    UploadTooBig,
)
from rover.supervise import Health, State
from rover.wire import dumps
from sources.base import Finding, Progress, Severity, SourceError, Verdict
from sources.none import Off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from anyio.abc import TaskGroup, TaskStatus

    from rover.settings import Settings
    from rover.topic import Topic
    from sources.base import CommandValidator

logger = logging.getLogger("rover.commands")

WRITE_BYTES = 2**20
"""A file is hashed and written in blocks of this size: each costs a hop to a thread and back."""

UPLOADING_PERIOD_S = 0.25
VALIDATING_PERIOD_S = 0.1
"""The shortest time between two events about one step's progress."""

SILENT_CHECK_S = 300.0

GOODBYE_S = 1.0
"""How long a receiver has, when the uplink ends, to clear away what it had received."""

GOING_DOWN = "the server is going down, and nothing of the file was kept; send it again"

BROKEN = "the validator is at fault, not the file: it"


class Commands:
    """Takes command files, has them checked, and keeps those that are accepted.

    Args:
        validator: checks them; several at once.
        settings: the folder and the bounds.
        notify: called with the topic of each upload that has new events, as `Flusher.mark`.
        clock: monotonic seconds; paces the progress that is told.
        silent_check_s: a check that says nothing for so long is given up.
    """

    def __init__(
        self,
        validator: CommandValidator,
        settings: Settings,
        *,
        notify: Callable[[Topic[Any, Any]], None] | None = None,
        clock: Callable[[], float] = monotonic,
        silent_check_s: float = SILENT_CHECK_S,
    ) -> None:
        self.validator = validator
        self.inbox = Inbox(settings.data_dir)
        self._settings = settings
        self._notify = notify
        self._clock = clock
        self._silent_check_s = silent_check_s
        self._uploads: dict[str, Upload] = {}  # by id, oldest first
        self._checks: TaskGroup | None = None
        self._closed = False
        off = isinstance(validator, Off)
        detail = "turned off" if off else "ready"
        self.health = Health(State.OFF if off else State.LIVE, detail, time())

    @property
    def open_uploads(self) -> int:
        """How many are being received or checked."""
        return len(self._open())

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Check what is received, until cancelled or closed.

        What is still under way then FAILs, and says why.

        Raises:
            SettingError: the data folder cannot be written to.
        """
        with self.inbox.open():
            try:
                async with create_task_group() as self._checks:
                    task_status.started()
                    await sleep_forever()
            finally:
                self._closed = True
                with CancelScope(shield=True):
                    await self._fail_all()

    def close(self) -> None:
        """Take no more uploads, and have those under way FAIL."""
        self._closed = True
        if self._checks is not None:
            self._checks.cancel_scope.cancel()

    def check_capacity(self) -> None:
        """Return if there is room for one more upload, before anything of it is read.

        Raises:
            NotStarted: `run` was not started.
            Draining: the uplink was closed.
            TooManyUploads: as many uploads are under way as the settings allow.
        """
        if self._closed:
            raise Draining(max(1, self._settings.retry_ms // 1000))
        if self.health.state is State.OFF:
            raise CommandsOff
        if self._checks is None:
            raise NotStarted
        if self.open_uploads >= self._settings.max_uploads:
            raise TooManyUploads(self._settings.max_uploads)

    def begin(self, name: str, size: int | None = None) -> Upload:
        """A new upload, which its caller goes on to `receive` at once.

        Args:
            name: as the sender calls the file; anything.
            size: bytes to come, if the sender said so; told to clients, never relied on.

        Raises:
            RoverError: as `check_capacity`.
        """
        self.check_capacity()
        over = [old.id for old in self._uploads.values() if old.over.is_set()]
        for old_id in over[: -self._settings.kept_uploads]:
            del self._uploads[old_id]
        upload = Upload(name, size, self.validator.steps, self._notify)
        self._uploads[upload.id] = upload
        upload.tell_received("the file is coming in")
        return upload

    def find(self, upload_id: str) -> Upload:
        """The upload of that id: under way, or one of the newest that are over.

        Raises:
            UnknownUpload: there is none.
        """
        try:
            return self._uploads[upload_id]
        except KeyError:
            raise UnknownUpload(upload_id) from None

    async def receive(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """Take the file in; returns when it is handed to the check, or never will be.

        What goes wrong is not raised: the upload FAILs, and its topic says why. So it does when
        `chunks` raises, and when this is cancelled.
        """
        file, detail = None, GOING_DOWN
        try:
            with upload.receiving:
                file = await self._write(upload, chunks)
        except get_cancelled_exc_class():
            await self._fail(upload, str(UploadInterrupted(upload.received)))
            raise
        except RoverError as exc:
            detail = str(exc)
        except OSError as exc:
            detail = f"the file could not be written here: {exc.strerror}"
        except Exception:  # whatever `chunks` raises: who follows is told that it is over
            logger.exception("upload of %s: receiving it failed", upload.name)
            detail = "receiving the file failed; the server's log says why"
        if file is None or self._checks is None or self._closed:
            await self._fail(upload, detail)
        else:
            upload.status = Status.VALIDATING
            self._checks.start_soon(self._check, upload, file)

    async def _write(self, upload: Upload, chunks: AsyncIterator[bytes]) -> CommandFile:
        upload.file = file = self.inbox.create(upload.id)
        pace = Pace(UPLOADING_PERIOD_S, self._clock)
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
            if pace.due():
                upload.tell_received("the file is coming in")
        await to_thread.run_sync(file.write, b"".join(block))
        upload.size = upload.received
        upload.tell_received("the file is here")
        return file

    async def _check(self, upload: Upload, file: CommandFile) -> None:
        try:
            verdict = await self._validate(upload, file.path)
            await self._conclude(upload, file, verdict)
        except SourceError as exc:
            await self._fail(upload, str(exc))
        except Exception:  # whatever a validator raises, the mission goes on
            logger.exception("upload of %s: the check itself failed", upload.name)
            detail = "the check itself failed, which says nothing of the file; the log says why"
            await self._fail(upload, detail)

    async def _validate(self, upload: Upload, path: Path) -> Verdict:
        upload.tell_progress(Progress(upload.first_step, 0.0, "the check begins"))
        pace, step = Pace(VALIDATING_PERIOD_S, self._clock), ""
        verdict: Verdict | None = None
        errors = 0
        items = self.validator.validate(path)
        with move_on_after(self._silent_check_s) as silence:
            async with aclosing(items) if isinstance(items, AsyncGenerator) else nullcontext():
                async for item in items:
                    silence.deadline = current_time() + self._silent_check_s
                    await checkpoint()  # a validator that never waits must not hold the loop
                    if verdict is not None:
                        raise SourceError(f"{BROKEN} went on after its verdict")
                    if isinstance(item, Verdict):
                        verdict = item
                    elif isinstance(item, Finding):
                        errors += item.severity is Severity.ERROR
                        upload.tell_finding(item)
                    elif pace.due() or item.step != step:
                        step = item.step
                        upload.tell_progress(item)
        if silence.cancelled_caught:
            raise SourceError(
                f"the check said nothing for {self._silent_check_s:g} s and was given up"
            )
        if verdict is None:
            raise SourceError(f"{BROKEN} ended without a verdict")
        if verdict.accepted and (errors or verdict.errors):
            raise SourceError(f"{BROKEN} accepted a file in which it found errors")
        dumps(dict(verdict.summary))  # what cannot be told must fail before anything is kept
        return verdict

    async def _conclude(self, upload: Upload, file: CommandFile, verdict: Verdict) -> None:
        if verdict.accepted:
            try:
                await to_thread.run_sync(file.keep)  # once begun, never cancelled: kept and told
            except OSError as exc:
                detail = f"the file was accepted, but could not be kept: {exc.strerror}"
                await self._fail(upload, detail)
                return
        else:
            await self._discard(upload)
        upload.tell_verdict(verdict, file.sha256)
        logger.info("upload of %s: %s: %s", upload.name, upload.status, verdict.detail)

    async def _fail(self, upload: Upload, detail: str) -> None:
        with CancelScope(shield=True):
            await self._discard(upload)
        if not upload.over.is_set():
            upload.tell_failure(detail)
            log = logger.debug if detail is GOING_DOWN else logger.warning  # the drain tells of all
            log("upload of %s: FAILED: %s", upload.name, detail)

    async def _discard(self, upload: Upload) -> None:
        if upload.file is not None:
            try:
                await to_thread.run_sync(upload.file.discard)
            except OSError:
                logger.exception("upload of %s: %s is left", upload.name, upload.file.path)

    async def _fail_all(self) -> None:
        for upload in self._open():
            if upload.status is Status.UPLOADING:
                upload.receiving.cancel()  # whoever receives it, fails it
                with move_on_after(GOODBYE_S):
                    await upload.over.wait()
            await self._fail(upload, GOING_DOWN)

    def _open(self) -> list[Upload]:
        return [upload for upload in self._uploads.values() if not upload.over.is_set()]
