"""The checks of received files: in a limited number at once, up to the stored file."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from typing import TYPE_CHECKING

from anyio import CancelScope, to_thread

from rover.commands.check import check
from rover.commands.entry import Artifact
from rover.commands.file_lines import FileLines
from rover.commands.slots import Slots
from rover.errors import FileChanged
from rover.guard import SourceFailed, absorb_stray_cancellation
from sources.base import SourceError
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.commands.inbox import CommandFile, Inbox
    from rover.commands.upload import Upload
    from rover.guard import Guard
    from sources.base import CommandValidator, Verdict

logger = logging.getLogger("rover.commands")

CHECK_TIMEOUT_S = 300.0
"""Seconds without progress, finding or verdict after which a check fails."""

CANCELLED = "cancelled; the file was deleted"

SHUTTING_DOWN = "the server is shutting down; the file was not stored, send it again"


class Checks:
    """Checks files, and stores those that are accepted.

    Args:
        guard: calls the validator.
        validator: checks the files.
        inbox: the folders for the files.
        finish: called with each upload that has finished.
        save: stores the state of an upload in the log.
        sync: returns whether what was saved survives a power cut.
        on_accept: called with each accepted upload before its record is stored.
        clock: monotonic seconds, for the rate of progress events.
        timeout_s: seconds without progress, finding or verdict after which a check fails.
        limit: maximum number of checks that run at once.
    """

    def __init__(
        self,
        guard: Guard,
        validator: CommandValidator,
        inbox: Inbox,
        *,
        finish: Callable[[Upload], None],
        save: Callable[[Upload], None],
        sync: Callable[[], Awaitable[bool]],
        on_accept: Callable[[Upload], None],
        clock: Callable[[], float],
        timeout_s: float,
        limit: int,
    ) -> None:
        self._guard = guard
        self._validator = validator
        self._inbox = inbox
        self._finish = finish
        self._save = save
        self._sync = sync
        self._on_accept = on_accept
        self._clock = clock
        self._timeout_s = timeout_s
        self._slots = Slots(limit)

    async def run(self, upload: Upload, file: CommandFile) -> None:
        """Check a file, and publish the outcome. Errors are not raised."""
        verdict = None
        try:
            with upload.checking:
                async with self._slots.hold(upload.client, upload.publish_waiting):
                    verdict = await self._check(upload, file)
                upload.is_concluding = True
        except SourceFailed as exc:
            await self.fail(upload, f"the check itself failed, not the file: {describe(exc)}")
        except SourceError as exc:
            await self.fail(upload, describe(exc))
        except FileChanged as exc:
            await self.fail(upload, str(exc))
        except OSError as exc:
            await self.fail(upload, f"the server could not copy the file: {exc.strerror}")
        except CancelledError as exc:
            if not absorb_stray_cancellation():
                raise
            await self.fail(upload, f"the check itself failed, not the file: {describe(exc)}")
        else:
            if verdict is None:
                await self.cancel(upload)
            else:
                await self._conclude(upload, file, verdict)

    async def _check(self, upload: Upload, file: CommandFile) -> Verdict:
        path = await to_thread.run_sync(file.copy, upload.name)
        verdict = await check(
            self._guard,
            self._validator,
            upload,
            path,
            keep_artifact=file.keep_artifact,
            lines=file.lines,
            text=FileLines(file.path).text,
            timeout_s=self._timeout_s,
            clock=self._clock,
        )
        await to_thread.run_sync(file.check_copy)
        return verdict

    async def _conclude(self, upload: Upload, file: CommandFile, verdict: Verdict) -> None:
        """Store or delete the file, and publish the verdict.

        The record with the verdict is on disk before the file is among the accepted ones. After a
        crash between both, the next start stores the file and reports it.
        """
        if verdict.accepted:
            with CancelScope(shield=True):  # a stored file is published
                if reason := await self._store(upload, file, verdict):
                    await self.fail(upload, f"the file was accepted, but {reason}")
                    return
                self._publish_verdict(upload)
        else:
            await discard(upload)
            upload.conclude(verdict, None)
            self._publish_verdict(upload)

    async def _store(self, upload: Upload, file: CommandFile, verdict: Verdict) -> str:
        """Store an accepted file with its record and artifact; returns why it failed, or `""`."""
        try:
            await to_thread.run_sync(file.sync)
            artifact = await self._store_artifact(verdict)
            upload.conclude(verdict, artifact)
            self._on_accept(upload)
            self._save(upload)
            if not await self._sync():
                return "its record could not be written to disk"
            await to_thread.run_sync(file.store)
        except OSError as exc:
            return f"storing it failed: {exc.strerror}"
        except FileChanged:
            return "another program has changed it"
        return ""

    async def _store_artifact(self, verdict: Verdict) -> Artifact | None:
        if verdict.artifact is None:
            return None
        digest, size = await to_thread.run_sync(self._inbox.store_artifact, verdict.artifact)
        stored = {"sha256": digest, "size": size, "type": verdict.artifact_type}
        return Artifact.parse(stored)

    def _publish_verdict(self, upload: Upload) -> None:
        upload.publish_verdict()
        self._finish(upload)
        logger.info(
            "upload of %s: %s: %s",
            upload.name,
            upload.status,
            upload.report["detail"],
            extra={"upload": upload.id},
        )

    async def cancel(self, upload: Upload) -> None:
        """End an upload that a client has cancelled."""
        await self.fail(upload, CANCELLED, cancelled=True)

    async def fail(self, upload: Upload, detail: str, *, cancelled: bool = False) -> None:
        """Delete the file of an upload, and end the upload as `FAILED`, unless it has finished."""
        with CancelScope(shield=True):
            await discard(upload)
        if not upload.finished.is_set():
            upload.publish_failure(detail, cancelled=cancelled)
            self._finish(upload)
            # the drain logs the number of uploads that it ends
            log = logger.debug if detail is SHUTTING_DOWN else logger.warning
            log("upload of %s: FAILED: %s", upload.name, detail, extra={"upload": upload.id})


async def discard(upload: Upload) -> None:
    """Delete the file of an upload, unless it was stored."""
    if upload.file is not None:
        try:
            await to_thread.run_sync(upload.file.discard)
        except OSError:
            logger.exception("upload of %s: deleting %s failed", upload.name, upload.file.path)
