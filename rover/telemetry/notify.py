"""Notifications: sends changes of alarms to webhooks and to services for messages.

Each receiver has a queue and a task of its own, and sends in a thread: a receiver that is slow or
down delays neither the telemetry nor another receiver.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from math import inf
from threading import Thread
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import Event, create_task_group, from_thread, move_on_after, sleep
from anyio.lowlevel import current_token

from rover.telemetry.limits import RANK, Level
from rover.telemetry.notices import ALARM_INTERVAL_S, Notice, NoticeQueue
from rover.telemetry.receivers import SendError
from rover.wire import iso_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rover.telemetry.alarm import Action, Alarm
    from rover.telemetry.notices import Message
    from rover.telemetry.receivers import Receiver

logger = logging.getLogger("rover.notify")


class Timing(NamedTuple):
    """The pauses of notifications, in seconds.

    Attributes:
        alarm_interval_s: between two messages about one alarm, unless it becomes more severe.
        pause_s: between two messages to a receiver. All changes of a pause are one message.
        first_retry_s: before the first retry of a message; each further pause is twice as long.
        max_retry_s: maximum pause before a retry.
        send_timeout_s: after which an attempt has failed.
    """

    alarm_interval_s: float = ALARM_INTERVAL_S
    pause_s: float = 5.0
    first_retry_s: float = 5.0
    max_retry_s: float = 300.0
    send_timeout_s: float = 30.0


TIMING = Timing()


class Notifier:
    """Sends the changes of alarms to all receivers.

    Args:
        receivers: may be empty.
        min_level: an alarm that was never this severe is not sent.
        timing: the pauses.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        min_level: Level = Level.YELLOW,
        timing: Timing = TIMING,
        clock: Callable[[], float] = time,
    ) -> None:
        self._min_level = min_level
        self._outboxes = [Outbox(receiver, timing, clock) for receiver in receivers]

    def report(self, alarm: Alarm, action: Action, was: Level, record: Mapping[str, Any]) -> None:
        """Report a change of an alarm. It never waits.

        Receivers get alarms that are raised, become more severe, end, or are unshelved. Shelved
        alarms are not sent.

        Args:
            alarm: as it is now.
            action: of the change.
            was: the level before.
            record: its JSON.
        """
        if not self._outboxes or action == "acknowledged":
            return
        if RANK[alarm.worst] < RANK[self._min_level]:
            return
        if alarm.shelved is not None:
            for outbox in self._outboxes:
                outbox.discard(alarm.id)
            return
        is_news = action != "changed" or RANK[alarm.level] > RANK[was]
        notice = Notice(alarm.id, str(alarm), alarm.level, {**record, "action": action})
        for outbox in self._outboxes:
            outbox.add(notice, only_update=not is_news)

    async def run(self) -> None:
        """Send messages until cancelled."""
        async with create_task_group() as tasks:
            for outbox in self._outboxes:
                tasks.start_soon(outbox.run)

    def as_json(self) -> list[dict[str, object]]:
        """The state of each receiver, for `/readyz`."""
        return [outbox.as_json() for outbox in self._outboxes]


class Outbox:
    """The messages to one receiver."""

    def __init__(self, receiver: Receiver, timing: Timing, clock: Callable[[], float]) -> None:
        self._receiver = receiver
        self._timing = timing
        self._clock = clock
        self._queue = NoticeQueue(monotonic, timing.alarm_interval_s)
        self._changed = Event()
        self._sent = self._failed = 0
        self._last_error: str | None = None
        self._last_sent: float | None = None
        self._is_failing = False
        self._is_sending = False

    def add(self, notice: Notice, *, only_update: bool) -> None:
        """Let a change wait for the next message."""
        self._queue.add(notice, only_update=only_update)
        self._changed.set()

    def discard(self, alarm_id: str) -> None:
        """Send nothing about the changes of this alarm so far."""
        self._queue.discard(alarm_id)

    def as_json(self) -> dict[str, object]:
        """The state of the receiver."""
        return {
            "receiver": self._receiver.name,
            "state": "failing" if self._is_failing else "ok",
            "sent": self._sent,
            "failed": self._failed,
            "waiting": len(self._queue),
            "dropped": self._queue.dropped,
            "last_sent": iso_or_none(self._last_sent),
            "last_error": self._last_error,
        }

    async def run(self) -> None:
        """Send what is due until cancelled."""
        try:
            while True:
                await self._next_due()
                if message := self._queue.take():
                    await self._deliver(message)
        finally:
            if waiting := len(self._queue):
                logger.warning(
                    "notify: %d changes were not sent to %s", waiting, self._receiver.name
                )

    async def _next_due(self) -> None:
        while due_in_s := self._queue.due_in_s():
            self._changed = Event()
            with move_on_after(None if due_in_s == inf else due_in_s):
                await self._changed.wait()

    async def _deliver(self, message: Message) -> None:
        retry_s = self._timing.first_retry_s
        while error := await self._send(message):
            self._record_failure(error)
            self._queue.restore(message)
            await sleep(retry_s)
            retry_s = min(2 * retry_s, self._timing.max_retry_s)
            newer = self._queue.take()
            if newer is None:
                return
            message = newer
        self._record_success(message)
        await sleep(self._timing.pause_s)

    def _record_failure(self, error: str) -> None:
        self._failed += 1
        self._is_failing = True
        self._last_error = error
        if self._failed.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … only
            logger.warning(
                "notify: message %d to %s failed: %s", self._failed, self._receiver.name, error
            )

    def _record_success(self, message: Message) -> None:
        self._queue.confirm(message)
        self._sent += 1
        self._last_sent = self._clock()
        if self._is_failing:
            logger.info("notify: %s accepts messages again", self._receiver.name)
        self._is_failing = False

    async def _send(self, message: Message) -> str:
        """Send a message in a thread, and return the error; empty if there is none.

        The thread is a daemon: a receiver that never responds must not delay the process's exit.
        """
        if self._is_sending:
            return "an earlier attempt has not ended"
        token = current_token()
        done = Event()
        errors: list[str] = []

        def finish() -> None:
            self._is_sending = False
            done.set()

        def work() -> None:
            try:
                self._receiver.send(message)
            except SendError as exc:
                errors.append(str(exc))
            except Exception as exc:
                errors.append(type(exc).__name__)
            with suppress(RuntimeError):  # the event loop has ended
                from_thread.run_sync(finish, token=token)

        self._is_sending = True
        Thread(target=work, name="rover notify", daemon=True).start()
        with move_on_after(self._timing.send_timeout_s):
            await done.wait()
            return errors[0] if errors else ""
        return f"no response within {self._timing.send_timeout_s:g} s"
