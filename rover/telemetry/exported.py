"""Past telemetry as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.exports import Aligner, export, writer_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rover.telemetry.past import Past
    from sources.base import Parameter


def exported(
    past: Past,
    parameters: Iterable[Parameter],
    file_format: str,
    since: float | None,
    until: float | None,
    fields: Collection[str] | None,
    period_s: float | None,
) -> Iterator[bytes]:
    """The pieces of a file with the values of a time range; each blocks while it is read.

    Args:
        past: the values.
        parameters: the dictionary, for the units.
        file_format: one of `rover.exports.FORMATS`.
        since: POSIX seconds, inclusive; `None` for no bound.
        until: POSIX seconds, exclusive; `None` for no bound.
        fields: names of parameters; `None` for all.
        period_s: seconds from one row to the next; `None` keeps the rows.

    Raises:
        FormatMissing: the server lacks the library for the format.
        LogDamaged: the values cannot be read. Raised with a piece only.
    """
    writer = writer_of(file_format)
    units = {one.name: one.unit for one in parameters}
    align = None if period_s is None else Aligner(period_s)

    def pieces() -> Iterator[bytes]:
        if align is not None and since is not None:
            align.begin(since, past.tables_before(since, fields))
        kinds = past.kinds(since if align is None else None, until, fields)
        yield from export(past.tables(since, until, fields), kinds, writer, align, units)

    return pieces()
