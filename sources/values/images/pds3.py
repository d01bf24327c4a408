"""PDS3: an image after its label in one file (`.IMG`), or beside its label (`.LBL`).

Only what images need of the label language is read.

Source: PDS3 Standards Reference 3.8, sections 5.3, 7, 12 and 14, and appendix A.20 (`IMAGE`).
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sources.values.images.facts import ImageFacts, Metadata, label_time, number, short_text
from sources.values.images.layout import Layout

if TYPE_CHECKING:
    from typing import Any, BinaryIO

    import numpy as np

STARTS = (b"PDS_VERSION_ID", b"ODL_VERSION_ID", b"CCSD3ZF0000100000001NJPL3IF0PDS200000001")

MAX_LABEL_BYTES = 128 * 2**10

COMMENT = re.compile(r"/\*.{0,400}?\*/")
STATEMENT = re.compile(
    r"^[ \t]*(\^?[A-Z][A-Z0-9_:]*)[ \t]*(?:=[ \t]*"
    r'("[^"]{0,4000}"|\([^)]{0,4000}\)|\{[^}]{0,4000}\}|[^\r\n]*))?',
    re.MULTILINE,
)
POINTER = re.compile(
    r"""\(?\s*(?:"?(?P<file>[\w./ -]{0,200}\.\w{1,20})"?\s*,?\s*)?"""
    r"""(?P<place>\d{1,12})?\s*(?P<bytes><BYTES>)?\s*\)?"""
)
"""Where an object is: a record or byte of this file, or a file and perhaps a place in it."""

ORDERS = {"SAMPLE_INTERLEAVED": "BIP", "LINE_INTERLEAVED": "BIL"}

TEXTS = {
    "INSTRUMENT_NAME": "instrument",
    "MISSION_NAME": "mission",
    "TARGET_NAME": "target",
    "FILTER_NAME": "filter",
    "SEQUENCE_ID": "sequence",
    "PRODUCT_ID": "product",
    "IMAGE_TYPE": "image_type",
    "LOCAL_TRUE_SOLAR_TIME": "local_solar_time",
    "PRODUCT_COMPLETION_STATUS": "completion",
}
NUMBERS = {
    "PLANET_DAY_NUMBER": "sol",
    "EXPECTED_PACKETS": "expected_packets",
    "RECEIVED_PACKETS": "received_packets",
}


class Pointer(NamedTuple):
    """Where an image is.

    Attributes:
        file: name of its file; empty for that of the label.
        start: offset in it.
    """

    file: str
    start: int


class Label:
    """The statements of a label.

    Args:
        text: before its `END`.
    """

    def __init__(self, text: str) -> None:
        self.values: dict[str, str] = {}
        """The first value of each keyword, without quotes; `IMAGE.LINES` in an object or group."""
        within: list[str] = []
        for match in STATEMENT.finditer(COMMENT.sub("", text)):
            keyword, value = match[1], (match[2] or "").strip().strip('"')
            if keyword in ("OBJECT", "GROUP"):
                within.append(value)
            elif keyword in ("END_OBJECT", "END_GROUP"):
                del within[-1:]
            else:
                self.values.setdefault(".".join([*within[-1:], keyword]), value)

    def number(self, keyword: str, default: int = 0) -> int:
        """A whole number; `default` if it is not there, or another value."""
        text = self.values.get(keyword, "")
        return int(text) if re.fullmatch(r"\d{1,12}", text) else default

    @cached_property
    def pointer(self) -> Pointer | None:
        """Where the image is; `None` if the label does not say it."""
        match = POINTER.fullmatch(self.values.get("^IMAGE", "").strip())
        if match is None or not (match["file"] or match["place"]):
            return None
        place = int(match["place"] or 1)
        start = (place - 1) * (1 if match["bytes"] else self.number("RECORD_BYTES"))
        return Pointer(match["file"] or "", start) if start >= 0 else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.number("IMAGE.LINE_SAMPLES"), self.number("IMAGE.LINES")

    @property
    def order(self) -> str:
        """How the samples of several bands are ordered, as `Layout` names it."""
        return ORDERS.get(self.values.get("IMAGE.BAND_STORAGE_TYPE", ""), "BSQ")

    @property
    def image_bytes(self) -> int:
        """Bytes of the image."""
        width, height = self.size
        bands = self.number("IMAGE.BANDS", 1)
        across, down = (bands, 1) if self.order == "BIP" else (1, bands)
        around = self.number("IMAGE.LINE_PREFIX_BYTES") + self.number("IMAGE.LINE_SUFFIX_BYTES")
        return height * down * (width * across * self._sample_bytes + around)

    @property
    def file_end(self) -> int:
        """Bytes of the file with the image, with the records after it; 0 without an image."""
        if self.pointer is None or not self.image_bytes:
            return 0
        records = self.number("FILE_RECORDS") * self.number("RECORD_BYTES")
        return max(records, self.pointer.start + self.image_bytes)

    def layout(self) -> Layout:
        """How the samples lie in the file.

        Raises:
            ValueError: there are none, or they are of an unknown type.
        """
        if self.pointer is None:
            raise ValueError("its label has no image")
        name = self.values.get("IMAGE.SAMPLE_TYPE", "UNSIGNED_INTEGER")
        kind = "f" if "REAL" in name else "u" if "UNSIGNED" in name else "i"
        byte_order = "<" if name.startswith(("LSB", "PC", "VAX")) else ">"
        if name.startswith("VAX_REAL") or "IMAGE.ENCODING_TYPE" in self.values:
            raise ValueError(f"encoded samples, or samples of the type {name}, are not read")
        missing = number(self.values.get("IMAGE.MISSING_CONSTANT", ""))
        return Layout(
            self.pointer.start,
            *self.size,
            f"{byte_order}{kind}{self._sample_bytes}",
            self.number("IMAGE.BANDS", 1),
            self.order,
            self.number("IMAGE.LINE_PREFIX_BYTES"),
            self.number("IMAGE.LINE_SUFFIX_BYTES"),
            missing=float("nan") if missing is None else missing,
        )

    def facts(self) -> ImageFacts:
        """The facts in the label; `taken_at` is its `START_TIME`."""
        metadata: Metadata = {}
        for keyword, name in TEXTS.items():
            text = short_text(self.values.get(keyword))
            if text and text not in ("UNK", "N/A", "NULL"):
                metadata[name] = text
        for keyword, name in NUMBERS.items():
            if (value := number(self.values.get(keyword, ""))) is not None:
                metadata[name] = value
        return ImageFacts(label_time(self.values.get("START_TIME", "")), metadata)

    @property
    def _sample_bytes(self) -> int:
        return self.number("IMAGE.SAMPLE_BITS", 8) // 8


def read_label(file: BinaryIO) -> Label | None:
    """The label at the beginning of a file; `None` if it has not arrived."""
    file.seek(0)
    data = file.read(MAX_LABEL_BYTES)
    end = re.search(rb"^[ \t]*END[\s\0]", data, re.MULTILINE)
    return None if end is None else Label(data[: end.start()].decode("latin-1"))


def matches(start: bytes, file: BinaryIO) -> bool:
    """Whether a file begins with a label that says where in this file an image is."""
    if not start.startswith(tuple(one[: len(start)] for one in STARTS)):
        return False
    label = read_label(file)
    return label is not None and label.pointer is not None and not label.pointer.file


def size(_: bytes, file: BinaryIO) -> tuple[int, int] | None:
    """Width and height."""
    label = read_label(file)
    return None if label is None else label.size


def is_whole(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether all records are there; in a file that has settled, whether the image is."""
    label = read_label(file)
    if label is None or label.pointer is None or not label.image_bytes:
        return False
    return length == label.file_end or (
        search and length >= label.pointer.start + label.image_bytes
    )


def facts(file: BinaryIO) -> ImageFacts:
    """The facts in the label."""
    label = read_label(file)
    return ImageFacts(None, {}) if label is None else label.facts()


def raster(file: BinaryIO) -> np.ndarray[Any, Any]:
    """The image: rows of samples, or of three samples if it has three bands; else its first band.

    Raises:
        ValueError: there is none, it is truncated, or its samples are of an unknown type.
    """
    label = read_label(file)
    if label is None:
        raise ValueError("its label has not arrived")
    return label.layout().raster(file)
