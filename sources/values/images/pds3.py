"""PDS3: an image after its label in one file, as planetary missions archive it (`.IMG`).

Only what images need of the label language is read. A label in a file of its own is not an image.

Source: PDS3 Standards Reference 3.8, sections 5.3, 7, 12 and 14, and appendix A.20 (`IMAGE`).
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sources.values.images.facts import ImageFacts, Metadata, label_time, number, short_text

if TYPE_CHECKING:
    from typing import Any, BinaryIO

STARTS = (b"PDS_VERSION_ID", b"ODL_VERSION_ID", b"CCSD3ZF0000100000001NJPL3IF0PDS200000001")

MAX_LABEL_BYTES = 128 * 2**10

COMMENT = re.compile(r"/\*.{0,400}?\*/")
STATEMENT = re.compile(
    r"^[ \t]*(\^?[A-Z][A-Z0-9_:]*)[ \t]*(?:=[ \t]*"
    r'("[^"]{0,4000}"|\([^)]{0,4000}\)|\{[^}]{0,4000}\}|[^\r\n]*))?',
    re.MULTILINE,
)
POINTER = re.compile(r"(\d{1,12})\s*(<BYTES>)?")

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
    def start(self) -> int | None:
        """The offset of the image in this file; `None` if it is not in this file."""
        match = POINTER.fullmatch(self.values.get("^IMAGE", ""))
        if match is None or int(match[1]) < 1:
            return None
        return (int(match[1]) - 1) * (1 if match[2] else self.number("RECORD_BYTES"))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.number("IMAGE.LINE_SAMPLES"), self.number("IMAGE.LINES")

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.number("IMAGE.BANDS", 1)

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample."""
        return self.number("IMAGE.SAMPLE_BITS", 8) // 8

    @property
    def line_bytes(self) -> int:
        """Bytes of a line of all bands, or of one if bands follow each other."""
        width, _ = self.size
        bands = self.bands if self.storage == "SAMPLE_INTERLEAVED" else 1
        around = self.number("IMAGE.LINE_PREFIX_BYTES") + self.number("IMAGE.LINE_SUFFIX_BYTES")
        return width * bands * self.sample_bytes + around

    @property
    def storage(self) -> str:
        """How the samples of several bands are ordered."""
        return self.values.get("IMAGE.BAND_STORAGE_TYPE", "BAND_SEQUENTIAL")

    @property
    def image_bytes(self) -> int:
        """Bytes of the image."""
        lines = self.size[1] * (1 if self.storage == "SAMPLE_INTERLEAVED" else self.bands)
        return lines * self.line_bytes


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
    return label is not None and label.start is not None


def size(_: bytes, file: BinaryIO) -> tuple[int, int] | None:
    """Width and height."""
    label = read_label(file)
    return None if label is None else label.size


def is_whole(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether all records are there; in a file that has settled, whether the image is."""
    label = read_label(file)
    if label is None or label.start is None:
        return False
    image_end = label.start + label.image_bytes
    records = label.number("FILE_RECORDS") * label.number("RECORD_BYTES")
    return label.image_bytes > 0 and (
        length == max(records, image_end) or (search and length >= image_end)
    )


def facts(file: BinaryIO) -> ImageFacts:
    """The facts in the label; `taken_at` is its `START_TIME`."""
    label = read_label(file)
    if label is None:
        return ImageFacts(None, {})
    metadata: Metadata = {}
    for keyword, name in TEXTS.items():
        text = short_text(label.values.get(keyword))
        if text and text not in ("UNK", "N/A", "NULL"):
            metadata[name] = text
    for keyword, name in NUMBERS.items():
        if (value := number(label.values.get(keyword, ""))) is not None:
            metadata[name] = value
    return ImageFacts(label_time(label.values.get("START_TIME", "")), metadata)


def raster(file: BinaryIO) -> np.ndarray[Any, Any]:
    """The image: rows of samples, or of three samples if it has three bands; else its first band.

    Raises:
        ValueError: there is none, it is truncated, or its samples are of an unknown type.
    """
    label = read_label(file)
    if label is None or label.start is None:
        raise ValueError("its label has no image")
    (width, height), bands = label.size, label.bands
    lines = height if label.storage == "SAMPLE_INTERLEAVED" else height * bands
    file.seek(label.start)
    data = np.frombuffer(file.read(label.image_bytes), np.uint8).reshape(lines, label.line_bytes)
    prefix = label.number("IMAGE.LINE_PREFIX_BYTES")
    used = label.line_bytes - prefix - label.number("IMAGE.LINE_SUFFIX_BYTES")
    samples = np.ascontiguousarray(data[:, prefix : prefix + used]).view(_type(label))
    if label.storage == "SAMPLE_INTERLEAVED":
        cube = samples.reshape(height, width, bands)
    elif label.storage == "LINE_INTERLEAVED":
        cube = samples.reshape(height, bands, width).transpose(0, 2, 1)
    else:
        cube = samples.reshape(bands, height, width).transpose(1, 2, 0)
    return cube if bands == 3 else cube[:, :, 0]


def _type(label: Label) -> np.dtype[Any]:
    name = label.values.get("IMAGE.SAMPLE_TYPE", "UNSIGNED_INTEGER")
    kind = "f" if "REAL" in name else "u" if "UNSIGNED" in name else "i"
    is_little = name.startswith(("LSB", "PC", "VAX"))
    if label.sample_bytes not in (1, 2, 4, 8) or name.startswith("VAX_REAL"):
        raise ValueError(f"samples of the type {name} are not read")
    return np.dtype(f"{'<' if is_little else '>'}{kind}{label.sample_bytes}")
