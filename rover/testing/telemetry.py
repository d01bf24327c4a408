"""The contract of a telemetry source."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rover.testing.cancellation import cancel_everywhere
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.dictionary import known_parameters
from rover.testing.lifecycle import live
from rover.testing.reading import Reading
from rover.testing.samples import check_period, check_sample
from sources.base import Paced, SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sources.base import TelemetrySource


async def check_telemetry(
    source: TelemetrySource,
    *,
    feed: Callable[[], Awaitable[object]] | None = None,
    unreachable: TelemetrySource | None = None,
    learns: bool = False,
    samples: int = 5,
    timeout_s: float = 10.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if the source keeps its contract; takes about the time of ten samples.

    It is entered, read, cancelled at many moments, read again, and exited.

    Args:
        source: not entered yet.
        feed: runs beside it, and has the machine say something again and again.
        unreachable: one like it whose machine is not there.
        learns: the dictionary may grow as samples come; else it must be there before them.
        samples: are read and looked at.
        timeout_s: in which a sample must come.
        max_stall_s: for so long the event loop may stand still at a time.

    Raises:
        ContractBroken: it does not keep it; the text says which clause and what was seen.
        SourceError: as the source raised it: the machine cannot be read.
    """

    async def check() -> None:
        parameters = known_parameters(source)
        began = monotonic()
        async with Reading("samples()", source.samples, Clause.TELEMETRY_SAMPLES) as reading:
            for count in range(1, samples + 1):
                if not await reading.came(count, timeout_s):
                    break
            ended = reading.over
        reading.require_well()
        Clause.TELEMETRY_SAMPLES.require(
            reading.items,
            "it ended without a sample" if ended else f"no sample came in {timeout_s:g} s",
        )
        known_now = known_parameters(source)
        Clause.TELEMETRY_PARAMETERS.require(
            learns or known_now == parameters,
            "the dictionary changed as samples came; if it is learned from them, say `learns=True`",
        )
        kinds = {parameter.name: parameter.kind for parameter in known_now}
        for sample in reading.items:
            check_sample(sample, kinds)
        if isinstance(source, Paced):
            check_period(source.period_s, reading.came_s[:samples])
        await cancel_everywhere(
            "samples()",
            source.samples,
            Clause.TELEMETRY_RESTART,
            first_s=reading.came_s[0] - began,
            timeout_s=timeout_s,
        )

    await live(source, check, beside=feed, timeout_s=timeout_s, max_stall_s=max_stall_s)
    if unreachable is not None:
        await check_unreachable(unreachable, timeout_s, max_stall_s)


async def check_unreachable(source: TelemetrySource, timeout_s: float, max_stall_s: float) -> None:
    """Return if a source whose machine is not there says so, with a text for people.

    Raises:
        ContractBroken: it does not.
    """

    async def check() -> None:
        async with Reading("samples()", source.samples, Clause.TELEMETRY_SAMPLES) as reading:
            await reading.ended(timeout_s)
        reading.require_well()

    try:
        await live(source, check, beside=None, timeout_s=timeout_s, max_stall_s=max_stall_s)
    except SourceError as exc:
        Clause.TELEMETRY_UNREACHABLE.require(
            str(exc).strip(), f"samples() raised {exc!r}, without a text"
        )
    else:
        raise ContractBroken(
            Clause.TELEMETRY_UNREACHABLE,
            f"the machine is not there, and in {timeout_s:g} s samples() raised no SourceError",
        )
