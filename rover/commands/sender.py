"""Sends released sequences with the uplink, one at a time.

That a sequence is about to be sent is on disk before the uplink is called. A sequence of which it
is not certain that it has not left is never sent again without a person's word.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING

from anyio import (
    CancelScope,
    create_task_group,
    get_cancelled_exc_class,
    move_on_after,
    to_thread,
)

from rover.abandon import Abandonable, stop
from rover.commands.answers import Answers
from rover.commands.sending import BLOCKING, SendingState
from rover.errors import FileChanged
from rover.guard import Guard
from rover.supervise import State
from sources.base import NotSent, Outgoing, SourceError
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.commands.inbox import Inbox
    from rover.commands.light_time import LightTime
    from rover.commands.queue import Queue
    from rover.commands.sending import Sending
    from rover.commands.upload import Upload
    from rover.settings import Settings
    from rover.supervise import Health
    from sources.base import Uplink

logger = logging.getLogger("rover.commands")

STOP_TIMEOUT_S = 0.4
"""Seconds that the uplink has to end after it was cancelled. Then it is abandoned.

A shutdown may take 2 s, of which a running sending has `ROVER_DRAIN_S`.
"""

SYNC_TIMEOUT_S = 0.4
"""Maximum seconds that a shutdown waits for the record of an interrupted sending."""

CLOCK_CHECK_S = 1.0
"""Maximum seconds between two looks at the clock before a release time: it may be set."""

NOT_RECORDED = (
    "not sent: the log cannot record that it is being sent; release it again when the disk works"
)
NOT_BEGUN = "the server was shut down before it called the uplink"
INTERRUPTED = "the server was shut down while the uplink was sending it: it may have left, or not"


class Sender:
    """Sends what the queue releases.

    Args:
        uplink: sends.
        queue: the sequences.
        inbox: has their files.
        settings: the timeouts.
        sync: writes the log to disk; returns whether that worked.
        light_time: to the rover.
        clock: POSIX seconds.

    Attributes:
        answers: of the rover.
        is_sending: whether the uplink is called now.
    """

    def __init__(
        self,
        uplink: Uplink,
        queue: Queue,
        inbox: Inbox,
        settings: Settings,
        *,
        sync: Callable[[], Awaitable[bool]],
        light_time: LightTime,
        clock: Callable[[], float] = time,
    ) -> None:
        self._uplink = uplink
        self._queue = queue
        self._inbox = inbox
        self._settings = settings
        self._sync = sync
        self._light_time = light_time
        self._clock = clock
        self._guard = Guard("uplink", uplink)
        self._is_stopping = False
        self.is_sending = False
        self.answers = Answers(uplink, self._guard, queue, clock)

    @property
    def health(self) -> Health:
        """The state of the uplink."""
        return self.answers.supervisor.health

    def stop(self) -> None:
        """Begin no other sending: the server shuts down."""
        self._is_stopping = True

    async def run(self) -> None:
        """Send, and follow the answers, until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._send_released)
            tasks.start_soon(self.answers.run)

    async def _send_released(self) -> None:
        while True:
            changed = self._queue.changed
            upload, pause_s = self._next()
            if upload is not None:
                await self._send(upload)
                continue
            with move_on_after(pause_s):
                await changed.wait()

    def _next(self) -> tuple[Upload | None, float | None]:
        """The next upload to send; without one, the seconds to wait, `None` for the next change."""
        self._queue.drop_lapsed()
        uploads = self._queue.uploads()
        if self._is_stopping or self.health.state is State.DOWN:
            return None, None
        if any(self._queue.of(upload).state in BLOCKING for upload in uploads):
            return None, None
        now, pauses = self._clock(), [CLOCK_CHECK_S]
        waits = False
        for upload in uploads:
            sending = self._queue.of(upload)
            if sending.state is not SendingState.RELEASED:
                continue
            if sending.release_at is None or sending.release_at <= now:
                return upload, None
            waits = True
            pauses.append(sending.release_at - now)
        return None, min(pauses) if waits else None

    async def _send(self, upload: Upload) -> None:
        self.is_sending = True
        try:
            await self._record_and_send(upload)
        finally:
            self.is_sending = False

    async def _record_and_send(self, upload: Upload) -> None:
        settings, before = self._settings, self._queue.of(upload)
        self._light_time.warn()
        begun = self._queue.apply(
            upload,
            before.begin(self._clock(), self._light_time.seconds, settings.answer_timeout_s),
        )
        interrupted = before.fail(self._clock(), NOT_BEGUN)
        try:
            if not await self._sync():
                held = before.hold(self._clock(), "")
                self._queue.apply(upload, held.changed(held.t, SendingState.QUEUED, NOT_RECORDED))
                return
            try:
                outgoing = await to_thread.run_sync(self._outgoing, upload, begun)
            except FileChanged:
                ended = before.fail(self._clock(), "another program has changed its file")
            except OSError as exc:
                ended = before.fail(self._clock(), f"its file cannot be read: {exc.strerror}")
            else:
                interrupted = begun.changed(self._clock(), SendingState.UNKNOWN, INTERRUPTED)
                ended = await self._call(outgoing, before, begun)
        except get_cancelled_exc_class():
            self._queue.apply(upload, replace(interrupted, t=self._clock()))
            with CancelScope(shield=True), move_on_after(SYNC_TIMEOUT_S):
                await self._sync()
            raise
        self._queue.apply(upload, ended)
        if ended.state is SendingState.SENT:
            self.answers.take_early(upload.id, ended.attempt)
        await self._sync()

    async def _call(self, outgoing: Outgoing, before: Sending, begun: Sending) -> Sending:
        """What became of a sending: sent, failed, or unknown."""
        work = Abandonable(lambda: self._guard.call("send()", self._uplink.send, outgoing))

        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        timeout_s = self._settings.uplink_timeout_s
        try:
            await asyncio.wait([task], timeout=timeout_s)
        finally:
            is_done = task.done()
            if not is_done and not await stop(task, work, STOP_TIMEOUT_S):
                logger.error("the uplink suppresses its cancellation; it was abandoned")
        now = self._clock()
        if not is_done:
            detail = f"the uplink has not returned for {timeout_s:g} s (ROVER_UPLINK_TIMEOUT_S)"
            return begun.changed(now, SendingState.UNKNOWN, f"{detail}: it may have left, or not")
        error = SourceError("it cancelled its own task") if task.cancelled() else task.exception()
        if isinstance(error, NotSent):
            return before.fail(now, describe(error))
        if error is not None:
            detail = f"the uplink failed: {describe(error)}; it may have left, or not"
            return begun.changed(now, SendingState.UNKNOWN, detail)
        return begun.changed(now, SendingState.SENT, "no answer yet", sent_at=now)

    def _outgoing(self, upload: Upload, begun: Sending) -> Outgoing:
        """What the uplink sends; its bytes are those of the record. It reads the file.

        Raises:
            FileChanged: another program has changed the file.
            OSError: it cannot be read.
        """
        found = upload.artifact
        digest = upload.sha256 if found is None else found.sha256
        folder = self._inbox.accepted if found is None else self._inbox.artifacts
        size = self._inbox.check_stored(folder / digest)
        kind = "application/octet-stream" if found is None else found.type
        path = (folder / digest).absolute()
        return Outgoing(
            upload.id,
            begun.attempt,
            upload.name,
            path,
            digest,
            size,
            kind,
            begun.light_time_s or 0.0,
        )
