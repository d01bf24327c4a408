"""The kind of each column of a table, and its telemetry parameter.

Every row counts for the kind, not only the first few: a column of ten million whole numbers and one
`2.5` is a column of numbers. A few cells that do not fit do not change the kind; they are replayed
as not measured, and counted.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sources.base import RESERVED, Kind, Parameter, Value
from sources.values.cells import Cell, Form, form_of, number_of
from sources.values.names import clean_name, free_name
from sources.values.units import split_unit
from sources.values.vectors import has_vector_names

if TYPE_CHECKING:
    from collections.abc import Mapping

MISFIT_RATIO = 20
"""Minimum number of fitting cells for each cell that does not fit."""


@dataclass(slots=True)
class Survey:
    """The forms of the cells of one column."""

    seen: dict[Form, int] = field(default_factory=dict)
    first: dict[Form, tuple[int, str]] = field(default_factory=dict)

    def add(self, cell: Cell, line: int) -> None:
        """Count a cell, and remember the first cell of each form for messages."""
        form = form_of(cell)
        if form in self.seen:
            self.seen[form] += 1
        else:
            self.seen[form] = 1
            self.first[form] = (line, str(cell)[:40])

    @property
    def empty(self) -> bool:
        """Whether the column has no values."""
        return self.seen.keys() <= {"missing"}


@dataclass(frozen=True, slots=True)
class Column:
    """One parameter, and its place in a row.

    Attributes:
        source: the column's name in the file; for a vector, the common start of its columns' names.
        parameter: of its values.
        decimal: the decimal mark, `.` or `,`.
        misfits: the cells that do not fit its kind, as text for the log; may be empty.
        members: for a vector, its columns by the names of its components.
    """

    source: str
    parameter: Parameter
    decimal: str = "."
    misfits: str = ""
    members: Mapping[str, str] = field(default_factory=dict)

    def value(self, cells: Mapping[str, Cell]) -> Value:
        """The value in a row; `None` if it has none."""
        if self.members:
            members = {name: _finite(cells.get(column)) for name, column in self.members.items()}
            return {name: number for name, number in members.items() if number is not None} or None
        cell = cells.get(self.source)
        form = form_of(cell)
        if form == "missing":
            return None
        match self.parameter.kind:
            case "text":
                return cell.strip() if isinstance(cell, str) else json.dumps(cell)
            case "boolean":
                return str(cell).strip().lower() == "true" if form == "boolean" else None
            case "integer":
                return int(cell) if form == "integer" and cell is not None else None
            case _:
                number = _finite(cell, self.decimal)
                if form == "integer" and cell is not None and int(cell) != number:
                    return int(cell)  # a float would be rounded
                return number


def _finite(cell: Cell, decimal: str = ".") -> float | None:
    number = number_of(cell, decimal)
    return number if number is not None and math.isfinite(number) else None


def decide(
    surveys: Mapping[str, Survey],
    file: str,
    comma: bool | None = None,
    clock: str = "",
    nested: bool = False,
) -> list[Column]:
    """The columns of a file, with parameters of unique names.

    Args:
        surveys: by the column's name.
        file: its name, for descriptions.
        comma: whether `1,5` is a number: always, never, or (`None`) if it is more common than
            `1.5`.
        clock: the column that holds the time.
        nested: whether `a.x` and `a.y` are members of one object `a`.
    """
    vectors = _vectors(surveys) if nested else {}
    parents = {source.rpartition(".")[0] for source in surveys} if nested else set()
    columns: dict[str, Column] = {}
    taken = {"t"}
    for source, survey in surveys.items():
        parent = source.rpartition(".")[0]
        if parent in columns or (source in parents and survey.empty):
            continue  # a member of a known vector; or an object that was null in some row
        members = vectors.get(parent, {})
        kind, decimal, misfits = _kind(survey.seen, comma)
        if members:
            source, kind = parent, "vector"
        name, unit = split_unit(source)
        name = clean_name(name, default="column")
        name = free_name(f"{name}_recorded" if name in RESERVED else name, taken)
        taken.add(name)
        role = ", the time" if source == clock else ""
        parameter = Parameter(name, unit, kind, f"Column {source!r} of {file}{role}")
        text = _misfits_text(survey, misfits, kind)
        columns[source] = Column(source, parameter, decimal, text, members)
    return list(columns.values())


def _vectors(surveys: Mapping[str, Survey]) -> dict[str, dict[str, str]]:
    """The objects with the members of a vector, which are numbers in all rows: members by name."""
    found: dict[str, dict[str, str]] = {}
    others: set[str] = set()
    for source, survey in surveys.items():
        parent, _, name = source.rpartition(".")
        if set(survey.seen) <= {"integer", "point", "missing"}:
            found.setdefault(parent, {})[name] = source
        else:
            others.add(parent)
        grandparent = parent.rpartition(".")[0]
        if grandparent:
            others.add(grandparent)
    found.pop("", None)
    return {
        parent: members
        for parent, members in found.items()
        if has_vector_names(members)
        and parent not in others
        and (parent not in surveys or surveys[parent].empty)
    }


def _kind(seen: Mapping[Form, int], comma: bool | None) -> tuple[Kind, str, list[Form]]:
    """The kind, the decimal mark, and the forms that do not fit the kind."""
    forms: list[Form] = [form for form in seen if form != "missing"]
    if set(forms) <= {"blank"}:
        return ("text" if forms else "number"), ".", []
    decimal = "."
    if comma or (comma is None and seen.get("comma", 0) > seen.get("point", 0)):
        decimal = ","
    fraction: Form = "comma" if decimal == "," else "point"
    # whole numbers and a few fractions are numbers, not whole numbers with misfits
    number: Kind = "number" if fraction in forms else "integer"
    fitting: tuple[tuple[Kind, set[Form]], ...] = (
        (number, {"integer", fraction}),
        ("boolean", {"boolean"}),
    )
    for kind, fits in fitting:
        fit = sum(seen.get(form, 0) for form in fits)
        misfits: list[Form] = [form for form in forms if form not in fits and form != "blank"]
        if fit and fit >= MISFIT_RATIO * sum(seen[form] for form in misfits):
            return kind, decimal, misfits
    return "text", ".", []


def _misfits_text(survey: Survey, misfits: list[Form], kind: Kind) -> str:
    if not misfits:
        return ""
    line, text = min(survey.first[form] for form in misfits)
    count = sum(survey.seen[form] for form in misfits)
    return f"{count} cells are not of kind {kind} (the first is {text!r} in line {line})"
