"""Points as they are in the database: compressed times, flags and columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from rover.archive.codec import pack, pack_all, pack_all_times, unpack
from rover.archive.points import SCALAR, Points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray


class Packed(NamedTuple):
    """Compressed points.

    Attributes:
        times: the times; the same for the same times.
        parts: names of a vector's components, JSON in UTF-8; `None` for a scalar.
        late: flags; `None` if no point was late.
        data: the columns.
    """

    times: bytes
    parts: bytes | None
    late: bytes | None
    data: bytes

    def sums(self) -> tuple[int, ...]:
        """The checksums of the attributes."""
        return tuple(crc32(one or b"") for one in self)


def pack_points(pieces: Sequence[Points]) -> list[Packed]:
    """Compress several pieces together, which is faster than one by one."""
    columns = iter(pack_all([column for points in pieces for column in points.columns]))
    return [
        Packed(
            times,
            None if points.parts == SCALAR else json.dumps(points.parts).encode(),
            pack(points.late) if b"\x01" in points.late.tobytes() else None,
            _join([next(columns) for _ in points.columns]),
        )
        for points, times in zip(pieces, _packed_times(pieces), strict=True)
    ]


def _packed_times(pieces: Sequence[Points]) -> list[bytes]:
    """The compressed times of each piece. Those that several pieces have are compressed once."""
    distinct: list[NDArray[np.float64]] = []
    newest: dict[tuple[float, float, int], tuple[int, bytes]] = {}
    which = []
    for points in pieces:
        t = points.t
        key, content = (t.item(0), t.item(-1), len(t)), t.tobytes()
        index, known = newest.get(key, (-1, b""))
        if known != content:
            index = len(distinct)
            newest[key] = index, content
            distinct.append(t)
        which.append(index)
    packed = pack_all_times(distinct)
    return [packed[index] for index in which]


def unpack_points(t: NDArray[np.float64], packed: Packed) -> Points:
    """The points that were compressed.

    Args:
        t: their times.
        packed: the rest.

    Raises:
        ValueError: the data is damaged.
    """
    names = SCALAR if packed.parts is None else tuple(json.loads(packed.parts))
    flags = np.zeros(len(t), bool) if packed.late is None else unpack(packed.late)
    columns = tuple(map(unpack, _split(packed.data)))
    if len(columns) != len(names) or any(len(one) != len(t) for one in (flags, *columns)):
        raise ValueError("damaged data: the numbers of values differ")
    return Points(t, flags, names, columns)


def _join(packed: Iterable[bytes]) -> bytes:
    return b"".join(len(one).to_bytes(4, "little") + one for one in packed)


def _split(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        yield data[start + 4 : end]
        start = end
