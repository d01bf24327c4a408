"""The option `isolate` of validators, and the limits of their processes."""

from __future__ import annotations

from sources.base import SourceError
from sources.programs.process import CHECK_NICENESS, ProcessLimits
from sources.programs.validator import memory_bytes
from sources.registry.annotations import converters
from sources.registry.errors import Refused, option_text
from sources.registry.options import parse_query
from sources.values.ranges import Range

ISOLATE = "isolate"

TIMEOUT_S = 300.0

MEMORY = "2GiB"


def isolation(query: str, *, default: bool) -> tuple[str, ProcessLimits | None]:
    """The query without `isolate`, and the limits; `None` if the validator is not isolated.

    For an isolated validator, the options `timeout_s` and `memory` are those of the process.

    Args:
        query: of the URL.
        default: whether a validator without the option is isolated.

    Raises:
        Refused: a value is wrong.
    """
    options = parse_query(query)
    [flag] = converters(bool)
    try:
        isolate = flag.convert(options[ISOLATE]) if ISOLATE in options else default
    except ValueError:
        raise Refused(f"{option_text(ISOLATE, options[ISOLATE])}: must be {flag.noun}") from None
    left = [part for part in query.split("&") if part.partition("=")[0].strip() != ISOLATE]
    if not isolate:
        return "&".join(left), None
    own = ("timeout_s", "memory")
    rest = "&".join(part for part in left if part.partition("=")[0].strip() not in own)
    try:
        timeout_s = float(options.get("timeout_s", TIMEOUT_S))
        limits = ProcessLimits(
            Range(0.1, 86_400, "s").number("timeout_s", timeout_s),
            memory_bytes(options.get("memory", MEMORY)),
            niceness=CHECK_NICENESS,
        )
    except SourceError as exc:
        raise Refused(str(exc)) from exc
    except ValueError:
        text = option_text("timeout_s", options["timeout_s"])
        raise Refused(f"{text}: must be a number") from None
    return rest, limits
