"""The contract of a telemetry source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING, get_args

from rover.telemetry.freshness import MIN_STALE_S, STALE_PERIODS
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.life import cancel_everywhere, live
from rover.testing.reading import Reading
from rover.testing.values import flaw_of_text, flaw_of_time, is_number, is_sequence_of
from sources.base import RESERVED, Kind, Limits, Paced, Parameter, Sample, SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sources.base import TelemetrySource, Value

FASTER = 10
"""A source that is so many times faster than it says would be missed too late."""


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


def known_parameters(source: TelemetrySource) -> list[Parameter]:
    """The dictionary, as it is now.

    Raises:
        ContractBroken: it is none.
    """
    try:
        parameters = source.parameters
    except Exception as exc:
        raise ContractBroken(
            Clause.TELEMETRY_PARAMETERS, f"reading `parameters` raised {exc!r}"
        ) from exc
    Clause.TELEMETRY_PARAMETERS.require(
        is_sequence_of(Parameter, parameters),
        f"`parameters` is {parameters!r} and no sequence of Parameters; is `@property` missing?",
    )
    seen: set[str] = set()
    for parameter in parameters:
        _check_parameter(parameter)
        Clause.TELEMETRY_NAMES.require(
            parameter.name not in seen, f"two parameters are called {parameter.name!r}"
        )
        seen.add(parameter.name)
    return list(parameters)


def _check_parameter(parameter: Parameter) -> None:
    name = parameter.name
    flaw = flaw_of_text(name)
    Clause.TELEMETRY_NAMES.require(not flaw, f"the name of a parameter is {flaw}")
    Clause.TELEMETRY_NAMES.require(
        name not in RESERVED,
        f"a parameter is called {name!r}; {', '.join(RESERVED)} are the server's own words",
    )
    Clause.TELEMETRY_KINDS.require(
        parameter.kind in get_args(Kind),
        f"{name!r} is of the kind {parameter.kind!r}; there are {', '.join(get_args(Kind))}",
    )
    Clause.TELEMETRY_LIMITS.require(
        parameter.limits == Limits() or parameter.kind in ("number", "integer"),
        f"{name!r} is of the kind {parameter.kind} and has limits",
    )
    yellow, red = (_bounds(name, *pair) for pair in (parameter.limits.yellow, parameter.limits.red))
    Clause.TELEMETRY_RED.require(
        red[0] <= yellow[0] and yellow[1] <= red[1],
        f"of {name!r}, red {parameter.limits.red} lies inside yellow {parameter.limits.yellow}",
    )


def _bounds(name: str, low: float | None, high: float | None) -> tuple[float, float]:
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    Clause.TELEMETRY_LIMITS.require(
        ends[0] < ends[1], f"{name!r} has the limits {(low, high)}, low above high"
    )
    return ends


def check_sample(sample: Sample, kinds: Mapping[str, Kind]) -> None:
    """Return if a sample is one, and holds what the dictionary says.

    Raises:
        ContractBroken: it is not, or does not.
    """
    Clause.TELEMETRY_SAMPLES.require(
        isinstance(sample, Sample), f"it yielded {sample!r}, which is no Sample"
    )
    flaw = flaw_of_time(sample.t)
    Clause.TELEMETRY_TIME.require(not flaw, f"a sample's t is {flaw}")
    Clause.TELEMETRY_VALUES.require(
        isinstance(sample.values, Mapping), f"a sample's values are {sample.values!r}, no mapping"
    )
    for name, value in sample.values.items():
        Clause.TELEMETRY_VALUES.require(
            name in kinds, f"a sample has {name!r}, which is not in the dictionary"
        )
        flaw = _flaw_of_value(value, kinds[name])
        Clause.TELEMETRY_VALUES.require(not flaw, f"{name!r}, of the kind {kinds[name]}, is {flaw}")


def _flaw_of_value(value: Value, kind: Kind) -> str:
    if value is None:
        return ""
    fits = {
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "text": isinstance(value, str),
        "vector": isinstance(value, Mapping),
    }[kind]
    if not fits:
        return f"{value!r}, a {type(value).__name__}"
    if isinstance(value, str):
        return flaw_of_text(value, empty=True)
    if isinstance(value, Mapping):
        for part, number in value.items():
            if flaw := flaw_of_text(part) or _flaw_of_value(number, "number"):
                return f"{dict(value)!r}, of which {part!r} is {flaw}"
    return ""


def check_period(period_s: float, came_s: Sequence[float]) -> None:
    """Return if samples came about as often as said.

    Args:
        period_s: as said.
        came_s: when they came, in monotonic seconds.

    Raises:
        ContractBroken: they came so seldom that the source would be called stale, or so often
            that nobody would notice it fall silent.
    """
    Clause.TELEMETRY_PERIOD.require(
        is_number(period_s) and period_s > 0,
        f"period_s is {period_s!r}; it must be a number above 0",
    )
    gaps_s = [after - before for before, after in pairwise(came_s)]
    if not gaps_s:
        return
    Clause.TELEMETRY_PERIOD.require(
        max(gaps_s) <= max(STALE_PERIODS * period_s, MIN_STALE_S),
        f"period_s is {period_s:g}, and {max(gaps_s):.1f} s passed between two samples; the source"
        " would be called stale",
    )
    mean_s = sum(gaps_s) / len(gaps_s)
    Clause.TELEMETRY_PERIOD.require(
        mean_s >= period_s / FASTER,
        f"period_s is {period_s:g}, and samples came every {mean_s:.3g} s; its silence would be"
        " noticed too late",
    )
