"""Whatever a source raises or returns becomes a `SourceError`; cancellations of the server pass."""

from __future__ import annotations

import asyncio
import inspect
import signal
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever

from rover.guard import Guard, is_simulated
from sources.base import SourceError
from sources.rules.describe import MAX_DETAIL_CHARACTERS, describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio


class TextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def nested(levels: int) -> BaseException:
    exc: BaseException = ValueError("the innermost")
    for _ in range(levels):
        exc = BaseExceptionGroup("group", [exc])
    return exc


STRAY = [
    ValueError("driver bug"),
    asyncio.CancelledError(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    MemoryError(),
    RecursionError(),
    TextError(),
    BaseExceptionGroup("several", [asyncio.CancelledError(), SystemExit(1)]),
    nested(5_000),
]


@pytest.fixture(autouse=True)
def server_handles_sigint() -> Iterator[None]:
    """A handler of SIGINT that raises nothing, as servers install one."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


def raises(exc: BaseException) -> Any:
    raise exc


@pytest.mark.parametrize("exc", STRAY, ids=lambda exc: type(exc).__name__)
async def test_any_exception_of_a_source_is_a_source_error(exc: BaseException) -> None:
    guard = Guard("test", object())

    async def method() -> None:
        await asyncio.sleep(0)
        raise exc

    async def items() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise exc

    got = []
    with pytest.raises(SourceError):
        await guard.call("image()", method)
    with pytest.raises(SourceError):
        guard.read("steps", raises, exc)
    with pytest.raises(SourceError):
        async with guard.iterate("new()", raises, exc):
            pass
    with pytest.raises(SourceError):  # noqa: PT012 # the first item arrives
        async with guard.iterate("new()", items) as iterator:
            async for item in iterator:
                got.append(item)  # noqa: PERF401
    assert got == [1]


async def test_an_error_that_a_source_raises_on_purpose_is_unchanged() -> None:
    error = SourceError("the cable is out")
    with pytest.raises(SourceError) as caught:
        Guard("test", object()).read("steps", raises, error)
    assert caught.value is error


def sync_generator() -> Any:
    yield 1


async def coroutine() -> list[int]:
    return [1]


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (sync_generator, "a synchronous generator"),
        (coroutine, "a coroutine"),
        (lambda: [1], "list"),
        (lambda: None, "None"),
        (lambda: 5, "int"),
    ],
)
async def test_a_method_that_is_no_asynchronous_generator_is_named(method: Any, names: str) -> None:
    with pytest.raises(SourceError) as caught:
        async with Guard("test", object()).iterate("samples()", method):
            pass
    assert str(caught.value).startswith("samples() ")
    assert names in str(caught.value)


async def test_a_method_that_is_no_coroutine_function_is_named() -> None:
    method: Any = list
    with pytest.raises(SourceError, match=r"images\(\) .* list"):
        await Guard("test", object()).call("images()", method)


@pytest.mark.parametrize("native", [False, True], ids=["scope", "task"])
async def test_a_cancellation_of_the_server_or_its_host_passes(*, native: bool) -> None:
    guard = Guard("test", object())
    ended = []

    async def items() -> AsyncIterator[int]:
        await sleep_forever()
        yield 1

    async def run() -> None:
        try:
            async with guard.iterate("new()", items) as iterator:
                await anext(iterator)
        except BaseException as exc:
            ended.append(type(exc))
            raise

    with fail_after(5):
        if native:
            task = asyncio.create_task(run())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
        else:
            async with create_task_group() as tasks:
                tasks.start_soon(run)
                await asyncio.sleep(0)
                tasks.cancel_scope.cancel()
    assert ended == [asyncio.CancelledError]


async def test_closing_a_coroutine_of_the_server_passes() -> None:
    coroutine = Guard("test", object()).call("images()", asyncio.sleep, 3600)
    coroutine.send(None)
    await asyncio.to_thread(coroutine.close)  # as the garbage collector does: outside its task
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


async def test_an_error_in_the_cleanup_of_an_iterator_is_logged_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def items() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise SystemExit

    async with Guard("test", object()).iterate("new()", items) as iterator:
        assert await anext(iterator) == 1
    assert "SystemExit" in caplog.text


async def test_the_log_has_the_place_and_the_cause_of_a_failure_with_bounded_texts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> None:
        try:
            raise OSError("no device\n" * 10_000)
        except OSError as exc:
            raise ValueError("cannot open " * 10_000) from exc

    with pytest.raises(SourceError):
        Guard("test", object()).read("steps", fails)
    assert "OSError" in caplog.text
    assert "in fails" in caplog.text
    assert len(caplog.text) < 4_000


def test_a_failure_that_repeats_is_logged_rarely(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("test", object())
    for _ in range(1_000):
        with pytest.raises(SourceError):
            guard.read("steps", raises, ValueError("bug"))
    assert len(caplog.records) == 10


@pytest.mark.parametrize(
    ("exc", "shown"),
    [
        (SourceError("a\nb\r\n\tc"), "a b c"),
        (ExceptionGroup("g", [ValueError("inside")]), "ValueError: inside"),
        (KeyError(), "KeyError"),
        (ValueError("\x1b[31m\ud800\u202e"), "ValueError: \ufffd[31m\ufffd\ufffd"),
        (nested(5_000), "ValueError: the innermost"),
    ],
)
def test_a_description_is_one_printable_line(exc: BaseException, shown: str) -> None:
    assert describe(exc) == shown


@pytest.mark.parametrize(
    "exc",
    [
        SourceError("x" * 10_000_000),
        SourceError("x\n" * 10_000_000),
        ExceptionGroup("g", [ValueError("x" * 1_000)] * 1_000),
    ],
    ids=["long", "lines", "group"],
)
def test_a_description_has_bounded_length(exc: BaseException) -> None:
    assert len(describe(exc)) <= MAX_DETAIL_CHARACTERS


def test_a_source_whose_mark_of_simulation_cannot_be_read_is_not_simulated() -> None:
    class Unreadable:
        simulated = property(lambda _: raises(SystemExit()))

    assert not is_simulated(Unreadable())
