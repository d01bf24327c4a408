"""Compresses arrays of times and values without loss.

Telemetry changes little from one value to the next, and most numbers have few decimals. So numbers
are stored as integers (18.44 as 1844 and an exponent of 2), as differences, and byte by byte: all
lowest bytes first. zlib then finds the repetitions.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.points import MAX_EXACT_INTEGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

LEVEL = 1
"""Level of zlib. Higher levels save 2 % and take three times as long."""

NOISE_BYTES = 64
"""Number of bytes that decide whether the lowest bytes are noise."""

MIN_NOISE_VALUES = 48
"""Number of different bytes among them from which they are noise: random bytes have 56. To compress
them takes three times as long as the rest, and makes the result larger."""

MAX_STORED_BYTES = 0xFFFF
"""Maximum size of a stored block (RFC 1951, section 3.2.4)."""

STORED = struct.Struct("<3sHH")
"""The header of the stream and of a stored block, its length, and the complement of that."""

ZLIB_HEADER = b"\x78\x01\x00"
"""The header of a zlib stream, and that of a stored block which is not the last."""

POWERS = 10.0 ** np.arange(10)[:, None]
"""The powers of 10 that make integers of most numbers."""

COLUMNS_AT_ONCE = 32
"""Maximum number of columns that are compressed together: more of 1,024 values leave the cache of a
core."""

FEW = 8
"""Number of values that exclude most powers of 10."""

HEADER = struct.Struct("<cBBq")
"""The kind of the array, its number of decimals, the bytes of a difference, and the first value."""

WIDTHS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
"""The type of a difference, by its number of bytes."""

FLOATS, INTEGERS, TIMES, RAW, BOOLEANS, OBJECTS = b"f", b"i", b"t", b"r", b"b", b"o"


def pack_all_times(columns: Sequence[NDArray[np.float64]]) -> list[bytes]:
    """Compress arrays of times.

    Args:
        columns: POSIX seconds, each of shape (n,), n at least 1.
    """
    return _together(columns, _pack_times)


def pack(values: NDArray[Any]) -> bytes:
    """Compress values.

    Args:
        values: float64, int64, booleans or JSON values (dtype object), shape (n,), n at least 1.
    """
    return pack_all([values])[0]


def pack_all(columns: Sequence[NDArray[Any]]) -> list[bytes]:
    """Compress several columns, as `pack` does.

    Numbers of the same length are computed together: most of the time of a column of 1,024 values
    is the overhead of NumPy's calls.
    """
    return _together(columns, _pack_columns)


def _together(
    columns: Sequence[NDArray[Any]],
    compress: Callable[[Sequence[NDArray[Any]]], Iterable[bytes]],
) -> list[bytes]:
    """Call a function with the columns of each type and length, and return the results in order."""
    packed = [b""] * len(columns)
    groups: dict[tuple[np.dtype[Any], int], list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault((column.dtype, len(column)), []).append(index)
    for members in groups.values():
        for start in range(0, len(members), COLUMNS_AT_ONCE):
            some = members[start : start + COLUMNS_AT_ONCE]
            for index, data in zip(some, compress([columns[i] for i in some]), strict=True):
                packed[index] = data
    return packed


def _pack_columns(columns: Sequence[NDArray[Any]]) -> Iterable[bytes]:
    dtype = columns[0].dtype
    if dtype == np.float64:
        return _pack_floats(np.stack(columns))
    if dtype == np.int64:
        numbers = np.stack(columns)
        return _pack_integers(INTEGERS, numbers, [0] * len(numbers), [0] * len(numbers))
    return map(_pack_booleans if dtype == np.bool_ else _pack_objects, columns)


def _pack_times(columns: Sequence[NDArray[np.float64]]) -> Iterator[bytes]:
    def encode(scaled: NDArray[np.int64], decimals: Sequence[int]) -> Iterator[bytes]:
        steps = np.zeros_like(scaled)  # all the same at a steady rate, so their differences are 0
        steps[:, 1:] = scaled[:, 1:] - scaled[:, :-1]
        return _pack_integers(TIMES, steps, decimals, scaled[:, 0].tolist())

    return _pack_scaled(np.stack(columns), encode)


def unpack(data: bytes) -> NDArray[Any]:
    """The array that `pack` or `pack_all_times` compressed.

    Raises:
        ValueError: the data is damaged.
    """
    kind = data[:1]
    try:
        if kind == BOOLEANS:
            (count,) = struct.unpack_from("<I", data, 1)
            return np.unpackbits(np.frombuffer(data, np.uint8, offset=5), count=count).astype(bool)
        if kind == OBJECTS:
            loaded = json.loads(zlib.decompress(data[1:]))
            values = np.empty(len(loaded), object)
            values[:] = loaded
            return values
        if kind == RAW:
            bits = _unshuffled(zlib.decompress(data[1:]), 8).view(np.uint64)
            return np.bitwise_xor.accumulate(bits).view(np.float64)
        _, decimals, width, first = HEADER.unpack_from(data)
        numbers = _unshuffled(zlib.decompress(data[HEADER.size :]), width).cumsum()
        if kind == TIMES:
            numbers = numbers.cumsum() + first
        return numbers if kind == INTEGERS else numbers / 10.0**decimals
    except (zlib.error, struct.error, KeyError, UnicodeDecodeError) as exc:
        raise ValueError(f"damaged data: {exc}") from exc


def _pack_booleans(values: NDArray[np.bool_]) -> bytes:
    return BOOLEANS + struct.pack("<I", len(values)) + np.packbits(values).tobytes()


def _pack_objects(values: NDArray[Any]) -> bytes:
    text = json.dumps(values.tolist(), ensure_ascii=False, separators=(",", ":"))
    return OBJECTS + zlib.compress(text.encode(), LEVEL)


def _pack_floats(columns: NDArray[np.float64]) -> Iterator[bytes]:
    return _pack_scaled(
        columns,
        lambda scaled, decimals: _pack_integers(FLOATS, scaled, decimals, [0] * len(decimals)),
    )


def _pack_scaled(
    columns: NDArray[np.float64],
    encode: Callable[[NDArray[np.int64], Sequence[int]], Iterator[bytes]],
) -> Iterator[bytes]:
    """Compress columns: those that are exact as integers by a function, and the others raw."""
    scaled, decimals = _scaled(columns)
    exact = np.flatnonzero(decimals >= 0)
    integers = encode(scaled[exact], decimals[exact].tolist()) if len(exact) else iter(())
    return (
        next(integers) if power >= 0 else _pack_raw(column)
        for power, column in zip(decimals.tolist(), columns, strict=True)
    )


@np.errstate(over="ignore", invalid="ignore")  # such numbers are not exact
def _scaled(columns: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The columns times powers of 10 as integers, and the powers; -1 where no power is exact."""
    integers = np.empty(columns.shape, np.int64)
    decimals = np.full(len(columns), -1)
    few = columns[:, None, :FEW]
    may_be_exact = (np.rint(few * POWERS) / POWERS == few).all(axis=2)
    for power in range(len(POWERS)):
        rows = np.flatnonzero(may_be_exact[:, power] & (decimals < 0))
        if not len(rows):
            continue
        values = columns[rows] if len(rows) < len(columns) else columns
        scaled = values * 10.0**power
        np.rint(scaled, out=scaled)
        found = scaled.astype(np.int64)
        # the bits are compared, because -0.0 is equal to 0.0
        equal = (found / 10.0**power).view(np.int64) == values.view(np.int64)
        is_small = np.abs(scaled, out=scaled).max(axis=1) < MAX_EXACT_INTEGER  # no NaN
        exact = equal.all(axis=1) & is_small
        integers[rows[exact]] = found[exact]
        decimals[rows[exact]] = power
    return integers, decimals


def _pack_integers(
    kind: bytes, columns: NDArray[np.int64], decimals: Sequence[int], firsts: Sequence[int]
) -> Iterator[bytes]:
    steps = columns.copy()
    steps[:, 1:] -= columns[:, :-1]  # it may wrap around, and then the sum does too
    largest = np.maximum(steps.max(axis=1), -1 - steps.min(axis=1)).tolist()
    for row, power, first, most in zip(steps, decimals, firsts, largest, strict=True):
        width = next(width for width in WIDTHS if most < 1 << (8 * width - 1))
        planes = row.astype(WIDTHS[width]).view(np.uint8).reshape(-1, width).T.tobytes()
        yield HEADER.pack(kind, power, width, first) + _deflated(planes, len(row))


def _deflated(planes: bytes, count: int) -> bytes:
    """A zlib stream (RFC 1950). If the lowest bytes are noise, they are stored in it as they are.

    Args:
        planes: all lowest bytes first.
        count: number of the lowest bytes.
    """
    if len(set(planes[:NOISE_BYTES])) < MIN_NOISE_VALUES or count > MAX_STORED_BYTES:
        return zlib.compress(planes, LEVEL)
    rest = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
    return b"".join(
        [
            STORED.pack(ZLIB_HEADER, count, count ^ 0xFFFF),
            planes[:count],
            rest.compress(planes[count:]),
            rest.flush(),
            zlib.adler32(planes).to_bytes(4, "big"),
        ]
    )


def _pack_raw(values: NDArray[np.float64]) -> bytes:
    bits = values.view(np.uint64)
    changed = np.concatenate([bits[:1], bits[1:] ^ bits[:-1]])
    return RAW + zlib.compress(changed.view(np.uint8).reshape(-1, 8).T.tobytes(), LEVEL)


def _unshuffled(planes: bytes, width: int) -> NDArray[np.int64]:
    rows = np.frombuffer(planes, np.uint8).reshape(width, -1).T
    return np.ascontiguousarray(rows).view(WIDTHS[width]).reshape(-1).astype(np.int64)
