"""An uplink that does what a test says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from anyio import Event, sleep_forever

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sources.base import Answer, Outgoing


class FakeUplink:
    """Records what it sends.

    Args:
        behave: for each sending: an exception to raise, an event to wait for, a function to call,
            or `None`. The last one counts for all later sendings.
    """

    def __init__(self, *behave: Any) -> None:
        self.sent: list[Outgoing] = []
        self.contents: list[bytes] = []
        self._behave = list(behave) or [None]
        self.arriving: asyncio.Queue[Any] = asyncio.Queue()

    async def send(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)
        self.contents.append(outgoing.path.read_bytes())  # a small file
        how = self._behave.pop(0) if len(self._behave) > 1 else self._behave[0]
        if isinstance(how, BaseException):
            raise how
        if isinstance(how, Event):
            await how.wait()
        elif how is not None:
            await how(self, outgoing)

    async def answers(self) -> AsyncIterator[Answer]:
        while True:
            yield await self.arriving.get()


async def hang(*_: object) -> None:
    await sleep_forever()


async def hang_for_ever(*_: object) -> None:
    """Suppress every cancellation."""
    while True:
        try:
            await sleep_forever()
        except BaseException as exc:
            if type(exc).__name__ == "AbandonedError":
                raise
