"""The contract of a telemetry source."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rover.testing.cancellation import check_cancellation
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.dictionary import check_dictionary
from rover.testing.lifecycle import run_check
from rover.testing.reading import Reading
from rover.testing.samples import check_period, check_sample
from rover.testing.timeouts import Timeouts
from sources.base import Paced, SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sources.base import Event, Sample, TelemetrySource


async def check_telemetry(
    source: TelemetrySource,
    *,
    feed: Callable[[], Awaitable[object]] | None = None,
    unreachable: TelemetrySource | None = None,
    learns: bool = False,
    samples: int = 5,
    timeout_s: float = 10.0,
    cancel_timeout_s: float = 2.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if a telemetry source keeps the contract.

    The check enters the source, reads samples, cancels `samples()` at many moments, reads it again,
    and exits the source. It takes about as long as ten samples.

    Args:
        source: the source; not entered yet.
        feed: runs while the source is read, and makes the machine send data until it is cancelled.
        unreachable: a second source, whose machine does not exist; it must raise `SourceError`.
        learns: whether the dictionary may grow as samples arrive; if not, it must be complete
            before the first sample.
        samples: number of samples to read and check.
        timeout_s: Seconds in which each sample must arrive.
        cancel_timeout_s: Seconds in which `samples()` and its tasks must end after a cancellation.
        max_stall_s: Seconds for which the source may block the event loop at a time.

    Raises:
        ContractBroken: it breaks a clause; the text has the code and the observed behaviour.
        SourceError: as the source raised it: the machine cannot be read.
    """
    timeouts = Timeouts(timeout_s, cancel_timeout_s, max_stall_s)

    async def check() -> None:
        await _check_samples(source, samples, timeouts, learns=learns)

    await run_check(source, check, timeouts, feed=feed)
    if unreachable is not None:
        await _check_unreachable(unreachable, timeouts)


def _read(source: TelemetrySource, timeouts: Timeouts) -> Reading[Sample | Event]:
    return Reading("samples()", source.samples, Clause.TELEMETRY_SAMPLES, timeouts)


async def _check_samples(
    source: TelemetrySource, count: int, timeouts: Timeouts, *, learns: bool
) -> None:
    before = check_dictionary(source)
    started_s = monotonic()
    async with _read(source, timeouts) as reading:
        for number in range(1, count + 1):
            if not await reading.wait_for_items(number):
                break
        ended = reading.done
    reading.raise_failure()
    Clause.TELEMETRY_SAMPLES.require(
        reading.items,
        "samples() ended without a sample"
        if ended
        else f"samples() yielded nothing for {timeouts.wait_s:g} s",
    )
    after = check_dictionary(source)
    Clause.TELEMETRY_PARAMETERS.require(
        learns or after == before,
        "the dictionary changed while samples arrived; if the source learns it from samples, pass"
        " `learns=True` to the check",
    )
    kinds = {parameter.name: parameter.kind for parameter in after}
    for sample in reading.items:
        check_sample(sample, kinds)
    if isinstance(source, Paced):
        check_period(source.period_s, reading.times_s[:count])
    await check_cancellation(
        "samples()",
        source.samples,
        Clause.TELEMETRY_RESTART,
        timeouts,
        first_s=reading.times_s[0] - started_s,
    )


async def _check_unreachable(source: TelemetrySource, timeouts: Timeouts) -> None:
    async def check() -> None:
        async with _read(source, timeouts) as reading:
            await reading.wait_until_done()
        reading.raise_failure()

    try:
        await run_check(source, check, timeouts)
    except SourceError as exc:
        Clause.TELEMETRY_UNREACHABLE.require(
            str(exc).strip(), f"samples() raised {exc!r}, without a text"
        )
    else:
        raise ContractBroken(
            Clause.TELEMETRY_UNREACHABLE,
            f"the machine does not exist, and samples() raised no SourceError for"
            f" {timeouts.wait_s:g} s",
        )
