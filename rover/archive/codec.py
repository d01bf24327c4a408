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
    from numpy.typing import NDArray

LEVEL = 1
"""Level of zlib. Higher levels save 2 % and take three times as long."""

POWERS = 10.0 ** np.arange(10)[:, None]
"""The powers of 10 that make integers of most numbers."""

FEW = 8
"""Number of values that exclude most powers of 10."""

HEADER = struct.Struct("<cBBq")
"""The kind of the array, its number of decimals, the bytes of a difference, and the first value."""

WIDTHS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
"""The type of a difference, by its number of bytes."""

FLOATS, INTEGERS, TIMES, RAW, BOOLEANS, OBJECTS = b"f", b"i", b"t", b"r", b"b", b"o"


def pack_times(t: NDArray[np.float64]) -> bytes:
    """Compress times.

    Args:
        t: POSIX seconds, shape (n,), n at least 1.
    """
    if (found := _scaled(t)) is None:
        return _pack_raw(t)
    scaled, decimals = found
    steps = np.zeros_like(scaled)  # all the same at a steady rate, so their differences are 0
    steps[1:] = scaled[1:] - scaled[:-1]
    return _pack_integers(TIMES, steps, decimals, int(scaled[0]))


def pack(values: NDArray[Any]) -> bytes:
    """Compress values.

    Args:
        values: float64, int64, booleans or JSON values (dtype object), shape (n,), n at least 1.
    """
    if values.dtype == np.bool_:
        return BOOLEANS + struct.pack("<I", len(values)) + np.packbits(values).tobytes()
    if values.dtype == np.int64:
        return _pack_integers(INTEGERS, values, 0, 0)
    if values.dtype != np.float64:
        text = json.dumps(values.tolist(), ensure_ascii=False, separators=(",", ":"))
        return OBJECTS + zlib.compress(text.encode(), LEVEL)
    if (found := _scaled(values)) is None:
        return _pack_raw(values)
    return _pack_integers(FLOATS, *found, 0)


def unpack(data: bytes) -> NDArray[Any]:
    """The array that `pack` or `pack_times` compressed.

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


@np.errstate(over="ignore", invalid="ignore")  # such numbers are not exact
def _scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], int] | None:
    """The values times a power of 10 as integers, and the power; `None` if no power is exact."""
    few = values[:FEW]
    exact = (np.rint(few * POWERS) / POWERS == few).all(axis=1)
    for decimals in np.flatnonzero(exact).tolist():
        power = 10.0**decimals
        scaled = np.rint(values * power)
        if not np.abs(scaled).max() < MAX_EXACT_INTEGER:  # also for NaN
            break
        integers = scaled.astype(np.int64)
        # the bits are compared, because -0.0 is equal to 0.0
        if ((integers / power).view(np.int64) == values.view(np.int64)).all():
            return integers, decimals
    return None


def _pack_integers(kind: bytes, numbers: NDArray[np.int64], decimals: int, first: int) -> bytes:
    steps = numbers.copy()
    steps[1:] -= numbers[:-1]  # it may wrap around, and then the sum does too
    largest = max(int(steps.max()), -1 - int(steps.min()))
    width = next(width for width in WIDTHS if largest < 1 << (8 * width - 1))
    planes = steps.astype(WIDTHS[width]).view(np.uint8).reshape(-1, width).T
    return HEADER.pack(kind, decimals, width, first) + zlib.compress(planes.tobytes(), LEVEL)


def _pack_raw(values: NDArray[np.float64]) -> bytes:
    bits = values.view(np.uint64)
    changed = np.concatenate([bits[:1], bits[1:] ^ bits[:-1]])
    return RAW + zlib.compress(changed.view(np.uint8).reshape(-1, 8).T.tobytes(), LEVEL)


def _unshuffled(planes: bytes, width: int) -> NDArray[np.int64]:
    rows = np.frombuffer(planes, np.uint8).reshape(width, -1).T
    return np.ascontiguousarray(rows).view(WIDTHS[width]).reshape(-1).astype(np.int64)
