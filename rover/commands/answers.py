"""Follows the answers of the rover, and lets sequences without one time out."""

from __future__ import annotations

import logging
from time import monotonic, time
from typing import TYPE_CHECKING, cast

from anyio import create_task_group, move_on_after, sleep

from rover.commands.sending import SendingState
from rover.supervise import Supervisor, idle_state
from sources.rules import answer_mistake
from sources.rules.describe import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.commands.queue import Queue
    from rover.commands.sending import Sending
    from rover.guard import Guard
    from sources.base import Answer, Uplink

logger = logging.getLogger("rover.commands")

STEADY_S = 1.0
"""Seconds after which an uplink that waits for answers counts as live."""

MAX_EARLY_S = 1.0
"""Maximum seconds that an answer may come before light can have returned: clocks are not exact."""

MAX_EARLY = 100
"""Maximum number of answers that are kept until `send` has returned."""


class Answers:
    """The answers to the sequences of a queue.

    Args:
        uplink: yields them.
        guard: calls the uplink.
        queue: the sequences.
        clock: POSIX seconds.
        ticks: monotonic seconds, for timeouts: the clock may be set meanwhile.

    Attributes:
        supervisor: restarts the uplink when it ends or raises.
    """

    def __init__(
        self,
        uplink: Uplink,
        guard: Guard,
        queue: Queue,
        clock: Callable[[], float] = time,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self._uplink = uplink
        self._guard = guard
        self._queue = queue
        self._clock = clock
        self._ticks = ticks
        self._deadlines: dict[tuple[str, int], float] = {}  # by id and attempt
        self._early: dict[tuple[str, int], Answer] = {}
        self.supervisor = Supervisor(
            "uplink", idle=idle_state(uplink), on_change=lambda _: queue.wake()
        )

    async def run(self) -> None:
        """Follow the answers until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._time_out)
            tasks.start_soon(self.supervisor.run, self._follow_answers)

    def take_early(self, upload_id: str, attempt: int) -> None:
        """Apply the answer that arrived before `send` had returned, if there is one."""
        self.supervisor.data()
        if (early := self._early.pop((upload_id, attempt), None)) is not None:
            self._receive(early)

    async def _time_out(self) -> None:
        """Let sequences without an answer time out."""
        while True:
            changed = self._queue.changed
            left: list[float] = []
            for upload in self._queue.uploads():
                sending = self._queue.of(upload)
                if sending.state is not SendingState.SENT:
                    continue
                left.append(self._left_s(upload.id, sending))
                if left[-1] <= 0:
                    detail = "no answer of the rover has arrived in time"
                    self._queue.apply(
                        upload, sending.changed(self._clock(), SendingState.TIMED_OUT, detail)
                    )
            with move_on_after(min((one for one in left if one > 0), default=None)):
                await changed.wait()

    def _left_s(self, upload_id: str, sending: Sending) -> float:
        """Seconds until a sequence times out.

        After a restart, they are counted with the clock, and never more than the whole time.
        """
        key = (upload_id, sending.attempt)
        if key not in self._deadlines:
            due, sent_at = sending.answer_due or 0.0, sending.sent_at or 0.0
            left = min(due - self._clock(), due - sent_at)
            self._deadlines[key] = self._ticks() + left
        return self._deadlines[key] - self._ticks()

    async def _follow_answers(self) -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(self._note_steady)
            async with self._guard.iterate("answers()", self._uplink.answers) as answers:
                async for answer in answers:
                    self._guard.read("answers()", self._check_and_receive, answer)
            tasks.cancel_scope.cancel()

    async def _note_steady(self) -> None:
        await sleep(STEADY_S)
        self.supervisor.data()

    def _check_and_receive(self, answer: object) -> None:
        if (mistake := answer_mistake(answer)) is not None:
            raise TypeError(mistake.text)
        self.supervisor.data()
        self._receive(cast("Answer", answer))

    def _early_s(self, sending: Sending) -> float:
        """Seconds until light that left with the newest attempt can have returned."""
        left_at = self._clock() if sending.sent_at is None else sending.sent_at
        return left_at + 2 * (sending.light_time_s or 0.0) - self._clock()

    def _receive(self, answer: Answer) -> None:
        upload = self._queue.find(answer.id)
        sending = None if upload is None else upload.sending
        if upload is None or sending is None:
            logger.info("ignored an answer to %.80r, attempt %r", answer.id, answer.attempt)
            return
        text = one_line(answer.detail)
        detail = f"the rover has {'accepted' if answer.accepted else 'refused'} it"
        detail = f"{detail}: {text}" if text else detail
        if answer.attempt == sending.attempt and (early_s := self._early_s(sending)) > MAX_EARLY_S:
            detail += f" ({early_s:.1f} s before light can have returned: check the light time)"
        if sending.expects(answer.attempt):
            state = SendingState.ACKNOWLEDGED if answer.accepted else SendingState.REFUSED
            self._deadlines.pop((answer.id, answer.attempt), None)
            self._queue.apply(upload, sending.changed(self._clock(), state, detail))
        elif sending.state is SendingState.SENDING and sending.attempt == answer.attempt:
            if len(self._early) < MAX_EARLY:
                self._early[answer.id, answer.attempt] = answer
        elif sending.was_sent_before(answer.attempt):
            detail = f"attempt {answer.attempt}: {detail}"
            if detail != sending.detail:  # an answer may arrive again after a restart
                self._queue.apply(upload, sending.changed(self._clock(), sending.state, detail))
        else:
            logger.info("ignored an answer to %.80r, attempt %r", answer.id, answer.attempt)
