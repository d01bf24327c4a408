"""The contract of an uplink."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import move_on_after

from rover.testing.cancellation import check_cancellation
from rover.testing.clauses import Clause, require_no_mistake
from rover.testing.lifecycle import run_check
from rover.testing.reading import Reading, call
from rover.testing.timeouts import Timeouts
from sources.base import NotSent, Outgoing
from sources.rules import answer_mistake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from sources.base import Answer, Uplink

CONTENTS: Mapping[str, bytes] = {
    "sol 42 ☄.seq": b"DRIVE 10\n",
    "every byte.bin": bytes(range(256)) * 4096,
    "-n": b"\0",
}
"""The sequences, by the names of their files."""

ANSWER_INTERVAL_S = 0.2
"""Seconds after which the machine is made to answer again: an answer may be lost."""


async def check_uplink(
    uplink: Uplink,
    *,
    answer: Callable[[Outgoing], Awaitable[object]] | None = None,
    received: Callable[[Outgoing], Awaitable[bytes]] | None = None,
    unreachable: Uplink | None = None,
    timeout_s: float = 30.0,
    cancel_timeout_s: float = 2.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if an uplink keeps the contract.

    The check enters the uplink, sends sequences and waits for their answers, reads `answers()`
    again after a restart, cancels both at many moments, and exits the uplink. It sends about
    twenty sequences: do not let the machine execute them.

    Args:
        uplink: the uplink; not entered yet.
        answer: makes the machine answer a sequence. It is called until the answer arrives. Without
            it, the machine answers each sequence by itself.
        received: returns the bytes that the machine has received of a sequence; without it, they
            are not compared.
        unreachable: a second uplink, whose machine does not exist; `send` must raise `NotSent`.
        timeout_s: Seconds in which a sequence must be sent, and in which its answer must arrive.
        cancel_timeout_s: Seconds in which `send` and `answers` must end after a cancellation.
        max_stall_s: Seconds for which the uplink may block the event loop at a time.

    Raises:
        ContractBroken: it breaks a clause; the text has the code and the observed behaviour.
        SourceError: as the uplink raised it: a sequence could not be sent.
    """
    timeouts = Timeouts(timeout_s, cancel_timeout_s, max_stall_s)
    with tempfile.TemporaryDirectory(prefix="rover-testing-") as folder:
        sequences = _Sequences(Path(folder))
        check = _UplinkCheck(uplink, sequences, answer, received, timeouts)
        await run_check(uplink, check.run, timeouts)
        if unreachable is not None:
            other = _UplinkCheck(unreachable, sequences, None, None, timeouts)
            await run_check(unreachable, other.require_not_sent, timeouts)


class _Sequences:
    """Sequences in a folder.

    Attributes:
        sent: id and attempt of each sequence.
    """

    def __init__(self, folder: Path) -> None:
        self.sent: set[tuple[str, int]] = set()
        self._folder = folder

    def next(self, name: str) -> Outgoing:
        """Return a file of `CONTENTS`, as an attempt that was not made before."""
        content = CONTENTS[name]
        digest = sha256(content).hexdigest()
        path = self._folder / digest
        path.write_bytes(content)
        attempt = len(self.sent) + 1
        upload_id = f"rover-testing_{attempt % 2}"
        self.sent.add((upload_id, attempt))
        kind = "application/octet-stream"
        return Outgoing(upload_id, attempt, name, path, digest, len(content), kind)


class _UplinkCheck:
    def __init__(
        self,
        uplink: Uplink,
        sequences: _Sequences,
        answer: Callable[[Outgoing], Awaitable[object]] | None,
        received: Callable[[Outgoing], Awaitable[bytes]] | None,
        timeouts: Timeouts,
    ) -> None:
        self._uplink = uplink
        self._sequences = sequences
        self._answer = answer
        self._received = received
        self._timeouts = timeouts

    async def run(self) -> None:
        async with self._read_answers() as reading:
            for name in CONTENTS:
                outgoing = await self._send(name)
                await self._require_answer(reading, outgoing)
        outgoing = await self._send(name)
        async with self._read_answers() as reading:
            await self._require_answer(reading, outgoing)
        await check_cancellation(
            "answers()",
            self._uplink.answers,
            Clause.UPLINK_ANSWERS,
            self._timeouts,
            first_s=0.1,
            has_items=False,
        )
        await check_cancellation(
            "send()", self._send_once, Clause.UPLINK_SEND, self._timeouts, first_s=0.1
        )

    async def require_not_sent(self) -> None:
        """Return if `send` raises `NotSent`."""
        outgoing = self._sequences.next(next(iter(CONTENTS)))
        try:
            await call("send()", lambda: self._uplink.send(outgoing), self._timeouts)
        except NotSent:
            return
        except Exception as exc:
            observed = f"raised {exc!r}"
        else:
            observed = "returned"
        Clause.UPLINK_NOT_SENT.require(
            kept=False, observed=f"the machine does not exist, and send() {observed}"
        )

    def _read_answers(self) -> Reading[Answer]:
        return Reading("answers()", self._uplink.answers, Clause.UPLINK_ANSWERS, self._timeouts)

    async def _send_once(self) -> AsyncIterator[None]:
        await self._uplink.send(self._sequences.next(next(iter(CONTENTS))))
        yield

    async def _send(self, name: str) -> Outgoing:
        """Send a file; it must arrive as it is."""
        outgoing = self._sequences.next(name)
        await call("send()", lambda: self._uplink.send(outgoing), self._timeouts)
        path = outgoing.path
        Clause.UPLINK_BYTES.require(
            path.is_file() and path.read_bytes() == CONTENTS[name],
            "send() changed or deleted the file of the sequence",
        )
        if self._received is not None:
            received = await self._received(outgoing)
            Clause.UPLINK_BYTES.require(
                sha256(received).hexdigest() == outgoing.sha256,
                f"the machine has received {len(received):,} bytes with another SHA-256: must be"
                f" the {outgoing.size:,} bytes of the file",
            )
        return outgoing

    async def _require_answer(self, reading: Reading[Answer], outgoing: Outgoing) -> None:
        """Wait until `answers()` has yielded the answer to a sequence."""
        key = (outgoing.id, outgoing.attempt)
        with move_on_after(self._timeouts.wait_s):
            while not self._has_answer(reading, key) and not reading.done:
                if self._answer is not None:
                    await self._answer(outgoing)
                with move_on_after(ANSWER_INTERVAL_S):
                    await reading.wait_for_items(len(reading.items) + 1)
        reading.raise_failure()
        Clause.UPLINK_ANSWERED.require(
            self._has_answer(reading, key),
            f"answers() {'ended' if reading.done else 'yielded no answer'} after sequence "
            f"{key!r} was sent; waited {self._timeouts.wait_s:g} s; yielded {reading.items[-3:]!r}",
        )

    def _has_answer(self, reading: Reading[Answer], key: tuple[str, int]) -> bool:
        for answer in reading.items:
            require_no_mistake(answer_mistake(answer))
            Clause.UPLINK_ANSWERS.require(
                (answer.id, answer.attempt) in self._sequences.sent,
                f"answers() yielded {answer!r}, and no such sequence was sent",
            )
        return any((answer.id, answer.attempt) == key for answer in reading.items)
