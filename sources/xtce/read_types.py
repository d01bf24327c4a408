"""Reads an argument type of an XTCE database."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sources.values.floats import HIGHEST_ROUNDED_F32
from sources.values.patterns import Pattern
from sources.xtce.types import (
    AbsoluteTime,
    Aggregate,
    Array,
    Binary,
    Boolean,
    Enumeration,
    Number,
    Range,
    Text,
    Type,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sources.xtce.elements import Element

MAX_BITS = 1024

HIGHEST = {32: HIGHEST_ROUNDED_F32, 64: math.inf}
"""The highest number of a float by its bits."""


def read_type(element: Element, part: Callable[[str], Type]) -> Type:
    """The type of an element of `ArgumentTypeSet`.

    Args:
        element: of the type.
        part: returns the type of a reference to another type.

    Raises:
        SourceError: the element is not valid, or the type is not supported.
    """
    match element.tag:
        case "IntegerArgumentType":
            return Number(True, _integer_limits(element), _ranges(element), _unit(element))
        case "FloatArgumentType":
            high = HIGHEST.get(_bits(element, 32), math.inf)
            return Number(False, [Range(-high, high)], _ranges(element), _unit(element))
        case "EnumeratedArgumentType":
            labels = {}
            for one in element.at("EnumerationList", "Enumeration"):
                labels[one.required("label")] = int(one.number("value") or 0)
            return Enumeration(labels)
        case "BooleanArgumentType":
            true, false = element.get("oneStringValue"), element.get("zeroStringValue")
            return Boolean(true or "True", false or "False")
        case "StringArgumentType":
            return Text(_characters(element), _max_bytes(element), _pattern(element))
        case "BinaryArgumentType":
            return Binary(_max_bytes(element))
        case "AbsoluteTimeArgumentType":
            return AbsoluteTime()
        case "RelativeTimeArgumentType":
            return Number(False, unit="s")
        case "AggregateArgumentType":
            members = element.at("MemberList", "Member")
            return Aggregate(
                {one.required("name"): part(one.required("typeRef")) for one in members}
            )
        case "ArrayArgumentType":
            return Array(part(element.required("arrayTypeRef")), _array_size(element))
    raise element.error("this kind of argument type is not supported")


def _bits(element: Element, default: int) -> int:
    bits = element.number("sizeInBits")
    if bits is None:
        return default
    if not 1 <= bits <= MAX_BITS or bits != int(bits):
        raise element.error(f"sizeInBits must be a whole number from 1 to {MAX_BITS}")
    return int(bits)


def _integer_limits(element: Element) -> list[Range]:
    """The ranges of the type and of its encoding, unless a calibrator is between both."""
    is_signed = element.get("signed", "true").strip() not in ("false", "0")
    encodings = list(element.children("IntegerDataEncoding"))
    default = _bits(encodings[0], 8) if encodings else 32
    limits = [_of_bits(_bits(element, default), is_signed=is_signed)]
    for encoding in encodings:
        if not list(encoding.children("DefaultCalibrator", "ContextCalibratorList")):
            is_encoded_signed = encoding.get("encoding", "unsigned") in (
                "twosComplement",
                "twosCompliment",  # as XTCE 1.1 spells it
                "signMagnitude",
                "onesComplement",
            )
            limits.append(_of_bits(_bits(encoding, 8), is_signed=is_encoded_signed))
    return [Range(max(one.low for one in limits), min(one.high for one in limits))]


def _of_bits(bits: int, *, is_signed: bool) -> Range:
    return Range(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else Range(0, 2**bits - 1)


def _ranges(element: Element) -> list[Range]:
    """The valid ranges, which XTCE 1.2 has in a set, and older databases in the type itself."""
    found = []
    for one in (*element.at("ValidRangeSet", "ValidRange"), *element.children("ValidRange")):
        low, high = one.number("minInclusive"), one.number("maxInclusive")
        above, below = one.number("minExclusive"), one.number("maxExclusive")
        found.append(
            Range(
                next((x for x in (low, above) if x is not None), -math.inf),
                next((x for x in (high, below) if x is not None), math.inf),
                low is None and above is not None,
                high is None and below is not None,
            )
        )
    return found


def _unit(element: Element) -> str:
    return " ".join(unit.text[:20] for unit in element.at("UnitSet", "Unit"))


def _characters(element: Element) -> Range:
    for one in element.children("SizeRangeInCharacters"):
        low, high = one.number("minInclusive"), one.number("maxInclusive")
        return Range(0 if low is None else low, math.inf if high is None else high)
    return Range()


def _max_bytes(element: Element) -> float:
    """The size that the encoding fixes or limits."""
    for encoding in element.children("StringDataEncoding", "BinaryDataEncoding"):
        for size in (
            *encoding.at("SizeInBits", "Fixed", "FixedValue"),
            *encoding.at("SizeInBits", "FixedValue"),
        ):
            if size.text.isdecimal():
                return int(size.text[:20]) // 8
        for variable in encoding.children("Variable"):
            bits = variable.number("maxSizeInBits")
            return math.inf if bits is None else bits // 8
    return math.inf


def _pattern(element: Element) -> Pattern | None:
    if not (text := element.get("restrictionPattern")):
        return None
    try:
        return Pattern(text)
    except ValueError as exc:
        raise element.error(f"restrictionPattern={text[:80]!r}: {exc}") from exc


def _array_size(element: Element) -> int | None:
    """The number of items of an array with one dimension of fixed size."""
    dimensions = list(element.at("DimensionList", "Dimension"))
    if len(dimensions) != 1:
        return None
    ends = [
        int(index.text[:20])
        for side in ("StartingIndex", "EndingIndex")
        for index in dimensions[0].at(side, "FixedValue")
        if index.text.isdecimal()
    ]
    return ends[1] - ends[0] + 1 if len(ends) == 2 else None
