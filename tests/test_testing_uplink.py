"""The contract of an uplink, as `rover.testing` checks it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rover.testing import check_uplink
from sources.base import Answer, NotSent, Outgoing, SourceError
from tests.contract_cases import Cases, assert_breaks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


class Radio:
    """An uplink that keeps the contract, to a machine that accepts each sequence at once."""

    def __init__(self) -> None:
        self.received: dict[tuple[str, int], bytes] = {}
        self._answers: asyncio.Queue[Any] = asyncio.Queue()

    def read(self, outgoing: Outgoing) -> bytes:
        return outgoing.path.read_bytes()

    def answer(self, outgoing: Outgoing) -> Any:
        return Answer(outgoing.id, outgoing.attempt, accepted=True)

    async def send(self, outgoing: Outgoing) -> None:
        self.received[outgoing.id, outgoing.attempt] = self.read(outgoing)
        await self._answers.put(self.answer(outgoing))

    async def answers(self) -> AsyncIterator[Answer]:
        while True:
            yield await self._answers.get()


class Silent(Radio):
    async def answers(self) -> AsyncIterator[Answer]:
        await asyncio.Event().wait()
        yield await self._answers.get()


class ForgetsAtRestart(Radio):
    async def answers(self) -> AsyncIterator[Answer]:
        self._answers = asyncio.Queue()
        while True:
            yield await self._answers.get()


class ReturnsList(Radio):
    def answers(self) -> Any:
        return []


class SendsText(Radio):
    def read(self, outgoing: Outgoing) -> bytes:
        return outgoing.path.read_bytes().replace(b"\n", b"\r\n")


class DeletesFile(Radio):
    def read(self, outgoing: Outgoing) -> bytes:
        content = outgoing.path.read_bytes()
        outgoing.path.unlink()
        return content


class SendsOnce(Radio):
    async def send(self, outgoing: Outgoing) -> None:
        if outgoing.attempt > 10:
            raise SourceError("the port is in use")
        await super().send(outgoing)


class Unreachable(Radio):
    error: Exception | None = NotSent("no carrier")

    async def send(self, outgoing: Outgoing) -> None:
        if self.error is not None:
            raise self.error


def with_answer(**changes: Any) -> Any:
    class OtherAnswer(Radio):
        def answer(self, outgoing: Outgoing) -> Any:
            return replace(Answer(outgoing.id, outgoing.attempt, accepted=True), **changes)

    return OtherAnswer


async def check(radio: Radio, **options: Any) -> None:
    async def received(outgoing: Outgoing) -> bytes:
        return radio.received[outgoing.id, outgoing.attempt]

    await check_uplink(radio, received=received, timeout_s=0.5, cancel_timeout_s=0.3, **options)


async def test_an_uplink_that_keeps_the_contract_passes() -> None:
    await check(Radio(), unreachable=Unreachable())


CASES: Cases = {
    "no answer": ("uplink.answered", Silent, "yielded no answer"),
    "no answer after a restart": ("uplink.answered", ForgetsAtRestart, "yielded no answer"),
    "no iterator": ("uplink.answers", ReturnsList, "list"),
    "not an answer": ("uplink.answers", type("Text", (Radio,), {"answer": repr}), "must be Answer"),
    "another upload": ("uplink.answers", with_answer(id="another"), "another"),
    "id is no id": ("uplink.answers", with_answer(id="a/b"), "a/b"),
    "attempt is a text": ("uplink.answers", with_answer(attempt="1"), "at least 1"),
    "accepted is a number": ("uplink.answers", with_answer(accepted=1), "accepted=1"),
    "detail is bytes": ("uplink.answers", with_answer(detail=b"go"), "not bytes"),
    "sent as text": ("uplink.bytes", SendsText, "SHA-256"),
    "deletes the file": ("uplink.bytes", DeletesFile, "deleted"),
    "cannot send after a cancellation": ("uplink.send", SendsOnce, "the port is in use"),
}


@pytest.mark.parametrize(("clause", "make", "contains"), CASES.values(), ids=CASES)
async def test_an_uplink_that_breaks_a_clause_raises_its_code(
    clause: str, make: Any, contains: str
) -> None:
    await assert_breaks(check(make()), clause, contains)


UNREACHABLE = {
    "unknown": ("uplink.not-sent", lambda: SourceError("it may have left"), "it may have left"),
    "sent": ("uplink.not-sent", lambda: None, "returned"),
}


@pytest.mark.parametrize(("clause", "make", "contains"), UNREACHABLE.values(), ids=UNREACHABLE)
async def test_an_uplink_without_a_machine_has_certainly_not_sent(
    clause: str, make: Any, contains: str
) -> None:
    unreachable = Unreachable()
    unreachable.error = make()
    await assert_breaks(check(Radio(), unreachable=unreachable), clause, contains)
