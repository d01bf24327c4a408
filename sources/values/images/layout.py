"""How the samples of an image lie in a file, as labels state it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from typing import BinaryIO

TYPES = frozenset(
    f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)
) | {"<f4", "<f8", ">f4", ">f8"}

ORDERS = ("BSQ", "BIL", "BIP")
"""Bands one after the other, interleaved by line, or interleaved by pixel."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples of an image are, of which type, and in which order.

    Its text is one line, such as `start=45056 width=1024 height=1024 type=>u2`.

    Attributes:
        start: offset of the first line in the file, in bytes.
        width: samples of a line, at least 1.
        height: lines, at least 1.
        type: of a sample, as NumPy writes it: one of `TYPES`.
        bands: number of bands, at least 1.
        order: of the bands: one of `ORDERS`.
        prefix: bytes before each line.
        suffix: bytes after each line.
        upward: the first line is at the bottom.
        missing: value of samples that were not measured; `nan` if there is none.

    Raises:
        ValueError: an attribute is out of range.
    """

    start: int
    width: int
    height: int
    type: str
    bands: int = 1
    order: str = "BSQ"
    prefix: int = 0
    suffix: int = 0
    upward: bool = False
    missing: float = float("nan")

    def __post_init__(self) -> None:
        if self.type not in TYPES or self.order not in ORDERS:
            raise ValueError(f"samples of the type {self.type}, {self.order}, are not read")
        if min(self.width, self.height, self.bands) < 1:
            raise ValueError("it has no samples")
        if min(self.start, self.prefix, self.suffix) < 0:
            raise ValueError("it begins before its file")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The layout with this text.

        Raises:
            ValueError: it is not the text of a layout.
        """
        values = dict(part.split("=", 1) for part in text.split())
        kinds: dict[str, Any] = {"int": int, "float": float, "bool": "True".__eq__, "str": str}
        known = {one.name: kinds[str(one.type)] for one in fields(cls)}
        try:
            return cls(**{name: known[name](value) for name, value in values.items()})
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a layout: {text[:80]}") from exc

    def __str__(self) -> str:
        """The text that `parse` reads. Attributes with their default are left out."""
        return " ".join(
            f"{one.name}={value}"
            for one in fields(self)
            if repr(value := getattr(self, one.name)) != repr(one.default)
        )

    @property
    def line_bytes(self) -> int:
        """Bytes of a line; with `BIP`, of all its bands."""
        samples = self.width * (self.bands if self.order == "BIP" else 1)
        return self.prefix + samples * np.dtype(self.type).itemsize + self.suffix

    @property
    def end(self) -> int:
        """Offset after the last line."""
        lines = self.height * (1 if self.order == "BIP" else self.bands)
        return self.start + lines * self.line_bytes

    def raster(self, file: BinaryIO) -> np.ndarray[Any, Any]:
        """Rows of samples from top to bottom, or of three samples each if there are three bands.

        Of another number of bands, the first is returned.

        Raises:
            ValueError: the file is truncated.
        """
        file.seek(self.start)
        data = np.frombuffer(file.read(self.end - self.start), np.uint8)
        lines = data.reshape(-1, self.line_bytes)[:, self.prefix : self.line_bytes - self.suffix]
        samples = np.ascontiguousarray(lines).view(self.type)
        if self.order == "BIP":
            cube = samples.reshape(self.height, self.width, self.bands)
        elif self.order == "BIL":
            cube = samples.reshape(self.height, self.bands, self.width).transpose(0, 2, 1)
        else:
            cube = samples.reshape(self.bands, self.height, self.width).transpose(1, 2, 0)
        rows = cube if self.bands == 3 else cube[:, :, 0]
        if not np.isnan(self.missing) and self.missing in rows:
            rows = np.where(rows == rows.dtype.type(self.missing), np.float32("nan"), rows)
        return rows[::-1] if self.upward else rows
