"""What is heard of a signal, and that every handler is given back."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest
from anyio import current_time, fail_after, sleep

from rover.asgi import shutdown as signals
from rover.asgi.shutdown import End, hear_the_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

pytestmark = pytest.mark.anyio


class Server:
    """Handles the signals as a server does that was there first."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def handle(self, signum: int, _: FrameType | None) -> None:
        self.heard.append(signum)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    before = {sig: signal.signal(sig, server.handle) for sig in signals.SIGNALS}
    yield server
    assert all(signal.getsignal(sig) == server.handle for sig in signals.SIGNALS)
    for sig, handler in before.items():
        signal.signal(sig, handler)


@pytest.mark.parametrize("sig", signals.SIGNALS)
async def test_a_signal_is_told_and_reaches_the_server(server: Server, sig: signal.Signals) -> None:
    end = End()
    with hear_the_end(end):
        assert not end.told.is_set()
        signal.raise_signal(sig)
        with fail_after(1):
            await end.told.wait()
    assert server.heard == [sig]
    assert not end.hurry


async def test_told_again_it_hurries_and_the_server_is_told_once_that_had_its_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "IMPATIENT_S", 0.05)
    end = End()
    with hear_the_end(end):
        signal.raise_signal(signal.SIGINT)
        with fail_after(1):
            signal.raise_signal(signal.SIGINT)
            await end.wait_while(lambda: 1, current_time() + 10)
            assert server.heard == [signal.SIGINT]
            while len(server.heard) < 2:
                await sleep(0.01)
        signal.raise_signal(signal.SIGINT)  # whoever insists is heard at once
        assert server.heard == [signal.SIGINT] * 3


async def test_what_a_parent_process_relays_is_no_impatience(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(signals, "monotonic", lambda: now)
    end = End()
    with hear_the_end(end):
        signal.raise_signal(signal.SIGINT)
        now += 0.9
        signal.raise_signal(signal.SIGTERM)
        hurried = [end.hurry]
        now += 0.2
        signal.raise_signal(signal.SIGTERM)
        assert [*hurried, end.hurry] == [False, True]
    assert server.heard[:2] == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
async def test_missions_that_end_in_any_order_give_the_handlers_back(
    server: Server, order: tuple[int, ...]
) -> None:
    ends = [End() for _ in order]
    stacks = [ExitStack() for _ in order]
    for end, stack in zip(ends, stacks, strict=True):
        stack.enter_context(hear_the_end(end))
    first, *others = order
    stacks[first].close()
    signal.raise_signal(signal.SIGTERM)
    await anyio.lowlevel.checkpoint()
    assert [n for n, end in enumerate(ends) if not end.told.is_set()] == [first]
    assert server.heard == [signal.SIGTERM]  # once, however many listen
    for other in others:
        stacks[other].close()  # the fixture looks whose handlers there are now


async def test_a_handler_that_somebody_put_since_is_theirs_to_take_away(server: Server) -> None:
    with hear_the_end(End()):
        ours = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *args: ours(*args))  # type: ignore[operator, misc]
        theirs = signal.getsignal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is theirs
    signal.raise_signal(signal.SIGTERM)  # ours, which hears no more, passes it on
    assert server.heard == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, ours)
    with hear_the_end(End()):
        pass  # whoever goes takes those away that stopped before it


def test_a_loop_that_was_closed_too_early_keeps_no_signal_from_the_server(server: Server) -> None:
    async def enter() -> None:
        stack.enter_context(hear_the_end(end))

    end, stack = End(), ExitStack()
    asyncio.run(enter())
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == [signal.SIGTERM]
    stack.close()
