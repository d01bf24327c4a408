"""A signal requests a shutdown and reaches the server, and every handler is restored."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest
from anyio import current_time, fail_after

from rover.asgi.shutdown import SIGNALS, Shutdown, listen_for_signals
from tests.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

pytestmark = pytest.mark.anyio


class Server:
    """A server's signal handler."""

    def __init__(self) -> None:
        self.received: Recorder[int] = Recorder()

    def handle(self, signum: int, _: FrameType | None) -> None:
        self.received.append(signum)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    before = {sig: signal.signal(sig, server.handle) for sig in SIGNALS}
    yield server
    assert all(signal.getsignal(sig) == server.handle for sig in SIGNALS)
    for sig, handler in before.items():
        signal.signal(sig, handler)


@pytest.mark.parametrize("sig", SIGNALS)
async def test_a_signal_requests_the_shutdown_and_reaches_the_server(
    server: Server, sig: signal.Signals
) -> None:
    shutdown = Shutdown()
    with listen_for_signals(shutdown):
        assert not shutdown.requested.is_set()
        signal.raise_signal(sig)
        with fail_after(5):
            await shutdown.requested.wait()
    assert server.received == [sig]
    assert not shutdown.immediate


async def test_a_second_signal_makes_it_immediate_and_reaches_the_server_after_a_delay(
    server: Server,
) -> None:
    shutdown = Shutdown()
    with listen_for_signals(shutdown, second_signal_delay_s=0.05):
        signal.raise_signal(signal.SIGINT)
        with fail_after(5):
            signal.raise_signal(signal.SIGINT)
            await shutdown.wait_while(lambda: 1, current_time() + 10)
            assert server.received == [signal.SIGINT]
            await server.received.until(lambda received: len(received) == 2)
        signal.raise_signal(signal.SIGINT)  # a third signal is not delayed
        assert server.received == [signal.SIGINT] * 3


async def test_a_different_signal_within_a_second_is_a_copy_from_the_parent_process(
    server: Server,
) -> None:
    now = 100.0
    shutdown = Shutdown(clock=lambda: now)
    with listen_for_signals(shutdown):
        signal.raise_signal(signal.SIGINT)
        now += 0.9
        signal.raise_signal(signal.SIGTERM)
        immediate = [shutdown.immediate]
        now += 0.2
        signal.raise_signal(signal.SIGTERM)
        assert [*immediate, shutdown.immediate] == [False, True]
    assert server.received[:2] == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
async def test_handlers_are_restored_in_whatever_order_missions_end(
    server: Server, order: tuple[int, ...]
) -> None:
    shutdowns = [Shutdown() for _ in order]
    stacks = [ExitStack() for _ in order]
    for shutdown, stack in zip(shutdowns, stacks, strict=True):
        stack.enter_context(listen_for_signals(shutdown))
    first, *others = order
    stacks[first].close()
    signal.raise_signal(signal.SIGTERM)
    await anyio.lowlevel.checkpoint()
    assert [n for n, shutdown in enumerate(shutdowns) if not shutdown.requested.is_set()] == [first]
    assert server.received == [signal.SIGTERM]  # once, although several listeners received it
    for other in others:
        stacks[other].close()  # the fixture checks the handlers


async def test_a_handler_that_was_set_later_is_kept(server: Server) -> None:
    with listen_for_signals(Shutdown()):
        ours = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *args: ours(*args))  # type: ignore[operator, misc]
        theirs = signal.getsignal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is theirs
    signal.raise_signal(signal.SIGTERM)  # our stopped handler passes it on
    assert server.received == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, ours)
    with listen_for_signals(Shutdown()):
        pass  # restores the handler before all stopped ones


def test_the_server_receives_signals_after_the_event_loop_has_closed(server: Server) -> None:
    async def enter() -> None:
        stack.enter_context(listen_for_signals(shutdown))

    shutdown, stack = Shutdown(), ExitStack()
    asyncio.run(enter())
    signal.raise_signal(signal.SIGTERM)
    assert server.received == [signal.SIGTERM]
    stack.close()
