"""The uploads that were unfinished when the server ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio import to_thread

from rover.commands.steps import Steps
from rover.commands.upload_state import Status
from sources.base import SourceError, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.commands.inbox import CommandFile, Inbox
    from rover.commands.intake import Intake
    from rover.commands.records import SavedUpload
    from rover.commands.upload import Upload

logger = logging.getLogger("rover.commands")

NOT_ARRIVED = "the server was restarted before all of the file had arrived; send it again"

RESTARTED = "the server was restarted before the check ended; send the file again"

FILE_LOST = "the file was accepted, but it is missing after a restart; send it again"


class Restart:
    """Finishes uploads from before a restart, or lets them go on.

    Args:
        inbox: the folders for the files.
        intake: has the steps and the limits of the validator.
        start_check: starts the check of a file; returns `False` at shutdown.
        finish: called with each upload that has finished.
    """

    def __init__(
        self,
        inbox: Inbox,
        intake: Intake,
        *,
        start_check: Callable[[Upload, CommandFile], bool],
        finish: Callable[[Upload], None],
    ) -> None:
        self._inbox = inbox
        self._intake = intake
        self._start_check = start_check
        self._finish = finish

    async def go_on(self, upload: Upload, saved: SavedUpload) -> None:
        """Finish an upload from before a restart, or let its transfer go on if it is resumable."""
        await upload.load()
        if saved.resumable and not saved.is_accepted and await self._reopen(upload):
            return
        if not upload.has_arrived:
            upload.steps = _planned_steps(upload)
            events = upload.topic.retained_items()
            published = [fields.get("received", 0) for _, fields in events]
            written = await to_thread.run_sync(self._inbox.remove, upload.id)
            upload.received = max(written, *published, 0)
            upload.publish_failure(NOT_ARRIVED)
        elif not saved.is_accepted:
            await to_thread.run_sync(self._inbox.remove, upload.id)
            upload.publish_failure(RESTARTED)
        else:
            try:
                stored = await to_thread.run_sync(self._inbox.recover, upload.id, upload.sha256)
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
            upload.steps = Steps(self._intake.steps())
            upload.max_bytes = self._intake.accepts.max_bytes
            upload.file = await to_thread.run_sync(self._inbox.reopen, upload.id)
        except FileNotFoundError:
            if upload.received:
                return False
        except (OSError, SourceError):
            return False
        else:
            upload.received = upload.file.size
        if upload.file is not None and (
            upload.sha256 == upload.file.sha256 or upload.received == upload.size
        ):  # all of it had arrived
            upload.sha256 = upload.file.sha256
            upload.status = Status.VALIDATING
            return self._start_check(upload, upload.file)
        upload.publish_received("the server was restarted; the transfer can be resumed")
        return True


def _planned_steps(upload: Upload) -> Steps:
    """The steps of a check that has not begun."""
    plan = upload.report.get("plan", [])
    return Steps([Step(one["name"], one["title"]) for one in plan])
