"""The types of arguments, and how their values are encoded: big-endian, without padding.

Source: the F Prime dictionary specification; fprime-gds 4.4, `common/models/serialize`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Protocol

from sources.base import Severity
from sources.fprime.syntax import FLOAT, INTEGER, Value
from sources.values.floats import HIGHEST_F32
from sources.values.wording import listed, quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_DIGITS = 400
"""Maximum length of a number. No type has a number as long as this."""

MAX_CHANGE = Decimal(2) ** -22
"""Relative change of a number that surprises people: more than rounding to 32 bits makes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of an argument; its attributes are those of a finding."""

    code: str
    message: str
    offset: int
    hint: str = ""
    severity: Severity = Severity.ERROR


class Type(Protocol):
    """A type of the dictionary."""

    @property
    def expected(self) -> str:
        """The values that it takes, for people."""
        ...

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """The bytes of a value. Its problems are appended; with errors, the bytes are of no use."""
        ...


def _mismatch(type_: Type, value: Value, hint: str = "") -> Problem:
    return Problem("argument.type", f"must be {type_.expected}, not {value}", value.offset, hint)


def _number(type_: Type, value: Value, problems: list[Problem]) -> int | float | None:
    """The number of a value; `None` after a problem."""
    kind, text = value.kind, value.text
    if kind == "text" and len(text) <= MAX_DIGITS:
        stripped = text.strip()
        kind = (
            "integer"
            if INTEGER.fullmatch(stripped)
            else "float"
            if FLOAT.fullmatch(stripped)
            else "text"
        )
        if kind != "text":
            text = stripped
            message, hint = f"the number {text} is in quotes", f"write {text}"
            problem = Problem("argument.quoted", message, value.offset, hint, Severity.WARNING)
            problems.append(problem)
    if kind == "name" and text.lower() in ("nan", "inf", "infinity"):
        message = f"must be a finite number, not {quoted(text)}"
        problems.append(Problem("argument.finite", message, value.offset))
        return None
    if kind not in ("integer", "float"):
        problems.append(_mismatch(type_, value))
        return None
    if len(text) > MAX_DIGITS:
        return math.inf
    if kind == "float":
        return float(text)
    return int(text, 16) if "x" in text.lower() else int(text)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number of 8, 16, 32 or 64 bits."""

    name: str
    code: str
    low: int
    high: int

    @property
    def expected(self) -> str:
        """Its range."""
        return f"a whole number from {self.low} to {self.high} ({self.name})"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """Its bytes; a fraction is an error, because F Prime's tool would truncate it."""
        number = _number(self, value, problems)
        if number is None:
            return b""
        if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
            number = int(number)
            message, hint = f"{value.text} is not written as a whole number", f"write {number}"
            problem = Problem("argument.whole", message, value.offset, hint, Severity.WARNING)
            problems.append(problem)
        if isinstance(number, float) and math.isfinite(number):
            problems.append(_mismatch(self, value))
            return b""
        if not self.low <= number <= self.high:
            message = f"must be {self.expected}, not {quoted(value.text)}"
            problems.append(Problem("argument.range", message, value.offset))
            return b""
        return struct.pack(self.code, number)


@dataclass(frozen=True, slots=True)
class Float:
    """A number of 32 or 64 bits."""

    name: str
    code: str
    highest: float

    @property
    def expected(self) -> str:
        """Its range."""
        return f"a number from -{self.highest:.8g} to {self.highest:.8g} ({self.name})"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """Its bytes. A number that changes in a way that surprises people is a warning."""
        number = _number(self, value, problems)
        if number is None:
            return b""
        try:
            encoded = struct.pack(self.code, number)  # rounds to the nearest
            [kept] = struct.unpack(self.code, encoded)
        except (OverflowError, struct.error):
            encoded, kept = b"", math.inf
        if math.isinf(kept):
            message = f"must be {self.expected}, not {quoted(value.text)}"
            problems.append(Problem("argument.range", message, value.offset))
            return b""
        if kept != number if isinstance(number, int) else _changes(value.text.strip(), kept):
            message = f"{self.name} changes {quoted(value.text)} to {kept!r}"
            problem = Problem("argument.precision", message, value.offset, "", Severity.WARNING)
            problems.append(problem)
        return encoded


def _changes(text: str, kept: float) -> bool:
    """Whether a number differs much from its text, as subnormal ones do."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return True  # its exponent is beyond that of any float
    if kept == 0:
        return number != 0
    if number == Decimal(repr(kept)):
        return False  # its shortest form: a subnormal number has few digits
    return abs(Decimal(kept) - number) > abs(number) * MAX_CHANGE


@dataclass(frozen=True, slots=True)
class Boolean:
    """`true` or `false`, as the bytes that the dictionary has for them."""

    true: bytes
    false: bytes
    expected = "true or false"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """Its byte. Like F Prime's tool, it also takes `yes` and `no`."""
        word = value.text.strip().lower() if value.kind in ("name", "text") else ""
        if word in ("true", "yes"):
            return self.true
        if word in ("false", "no"):
            return self.false
        hint = {"1": "did you mean true?", "0": "did you mean false?"}.get(value.text)
        problems.append(_mismatch(self, value, hint or ""))
        return b""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of at most `size` bytes in UTF-8, after its length as `length_code`."""

    size: int
    length_code: str

    @property
    def expected(self) -> str:
        """Its length."""
        return f"a text of at most {self.size} bytes"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """Its length and its bytes. F Prime's tool counts characters, the machine bytes."""
        if value.kind not in ("text", "name"):
            problems.append(_mismatch(self, value, "write it in quotes"))
            return b""
        encoded = value.text.encode()
        if len(encoded) > self.size:
            message = f"must be {self.expected}, not {len(encoded):,}"
            problems.append(Problem("argument.length", message, value.offset))
            return b""
        return struct.pack(self.length_code, len(encoded)) + encoded


@dataclass(frozen=True, slots=True)
class Enum:
    """One of several names, as the bytes of its number."""

    name: str
    members: Mapping[str, bytes]
    numbers: Mapping[int, str]

    @property
    def expected(self) -> str:
        """Its members."""
        return f"one of {listed(self.members)} ({self.name})"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """The bytes of the member."""
        if value.kind in ("name", "text") and value.text in self.members:
            return self.members[value.text]
        if value.kind == "integer" and len(value.text) < 20:
            member = self.numbers.get(int(value.text, 0))
            hint = f"did you mean {member}?" if member else ""
        else:
            hint = suggestion(value.text.rpartition(".")[2], self.members) if value.text else ""
        code = "argument.member" if value.kind in ("name", "text") else "argument.type"
        message = f"must be {self.expected}, not {value}"
        problems.append(Problem(code, message, value.offset, hint))
        return b""


@dataclass(frozen=True, slots=True)
class Array:
    """A fixed number of elements of one type."""

    name: str
    element: Type
    size: int

    @property
    def expected(self) -> str:
        """Its number of elements."""
        return f"an array of {self.size} elements ({self.name})"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """The bytes of its elements."""
        if value.kind != "array":
            hint = "write it without quotes" if value.text[:1] == "[" else ""
            problems.append(_mismatch(self, value, hint))
            return b""
        if len(value.items) != self.size:
            message = f"must be {self.expected}, not {len(value.items)}"
            problems.append(Problem("argument.elements", message, value.offset))
        return b"".join([self.element.encode(item, problems) for item in value.items])


@dataclass(frozen=True, slots=True)
class Struct:
    """Named fields, in the order of `members`."""

    name: str
    members: Mapping[str, Type] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """Its fields."""
        return f"an object with {listed(self.members)} ({self.name})"

    def encode(self, value: Value, problems: list[Problem]) -> bytes:
        """The bytes of its fields; they may be written in any order."""
        if value.kind != "object":
            hint = "write it without quotes" if value.text[:1] == "{" else ""
            problems.append(_mismatch(self, value, hint))
            return b""
        encoded: dict[str, bytes] = {}
        for (key, offset), item in zip(value.keys, value.items, strict=True):
            if key not in self.members:
                message, hint = (
                    f"{self.name} has no field {quoted(key)}",
                    suggestion(key, self.members),
                )
                problems.append(Problem("argument.field", message, offset, hint))
            elif key in encoded:
                message = f"the field {key} is a duplicate"
                problems.append(Problem("argument.field", message, offset, "delete it"))
            else:
                encoded[key] = self.members[key].encode(item, problems)
        missing = [name for name in self.members if name not in encoded]
        if missing:
            message = f"{self.name} lacks {listed(missing)}"
            hint = f"the fields are {listed(self.members)}"
            problems.append(Problem("argument.field", message, value.offset, hint))
            return b""
        return b"".join([encoded[name] for name in self.members])


def integers() -> dict[str, Integer]:
    """The integer types of F Prime by name."""
    codes: Sequence[tuple[int, str]] = ((8, "b"), (16, "h"), (32, "i"), (64, "q"))
    found = {}
    for bits, code in codes:
        found[f"I{bits}"] = Integer(f"I{bits}", f">{code}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        found[f"U{bits}"] = Integer(f"U{bits}", f">{code.upper()}", 0, 2**bits - 1)
    return found


INTEGERS = integers()

FLOATS = {
    "F32": Float("F32", ">f", HIGHEST_F32),
    "F64": Float("F64", ">d", (2 - 2**-52) * 2.0**1023),
}
