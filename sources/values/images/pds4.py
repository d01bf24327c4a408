"""PDS4: a label in XML that says where in another file an image is.

Only the label is read here, and only what images need of it. It names its file, but never a file
that is opened. (`pds4_tools`, the reader of the PDS, opens the file that a label names, anywhere on
the disk, and replaces `sys.excepthook`. The tests compare the images of both.)

Source: PDS4 Information Model 1.22, `File`, `Array`, `Element_Array`, `Axis_Array` and
`Special_Constants`; PDS4 Standards Reference 1.22, section 4B.1 (storage of arrays) and 5
(data types); the dictionaries `disp`, `img` and `msn_surface`.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from sources.values.images.facts import ImageFacts, Metadata, label_time, number, short_text
from sources.values.images.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

FILE_AREAS = ("File_Area_Observational", "File_Area_Browse", "File_Area_Ancillary")

IMAGES = re.compile("Array_[23]D(_.*)?")

SAMPLE = re.compile(
    "(?:(Unsigned|Signed)(?:(?:(LSB|MSB)([248]))|Byte))|IEEE754(LSB|MSB)(Single|Double)"
)

ORDERS = {"band line sample": "BSQ", "line band sample": "BIL", "line sample band": "BIP"}

MISSING = ("missing_constant", "invalid_constant")

TEXTS = {
    "logical_identifier": "product",
    "sequence_id": "sequence",
    "filter_name": "filter",
    "local_true_solar_time": "local_solar_time",
    "product_completion_status": "completion",
}
NUMBERS = {
    "sol_number": "sol",
    "start_sol_number": "sol",
    "expected_packets": "expected_packets",
    "received_packets": "received_packets",
    "exposure_duration": "exposure_s",
}
NAMES = {
    "Investigation_Area": "mission",
    "Target_Identification": "target",
}

SECONDS = {"s": 1.0, "ms": 1e-3, "microseconds": 1e-6}


class Label:
    """A label.

    Args:
        data: of its file.

    Raises:
        ValueError: it is no XML, or has not arrived.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._root = ElementTree.fromstring(data)  # noqa: S314 # expat bounds the expansion
        except ElementTree.ParseError as exc:
            raise ValueError(f"it is not XML: {exc}") from exc

    def layout(self, name: str) -> Layout:
        """How the samples of the first image in a file lie in it.

        Args:
            name: of the file, in any case.

        Raises:
            ValueError: the label has no image in that file, or of a kind that is not read.
        """
        for area in _elements(self._root, *FILE_AREAS):
            if _text(area, "file_name").lower() == name.lower():
                for array in area:
                    if IMAGES.fullmatch(_tag(array)):
                        return _layout(array, upward=self._is_upward(array))
        raise ValueError(f"it has no image in {name}")

    def file_size(self, name: str) -> int | None:
        """Bytes of a file, if the label says it."""
        for area in _elements(self._root, *FILE_AREAS):
            if _text(area, "file_name").lower() == name.lower():
                text = _text(area, "file_size")
                return int(text) if text.isdecimal() else None
        return None

    def facts(self) -> ImageFacts:
        """The facts in the label; `taken_at` is its `start_date_time`."""
        metadata: Metadata = {}
        for element in self._root.iter():
            tag, text = _tag(element), short_text(element.text)
            if tag in TEXTS and text:
                metadata.setdefault(TEXTS[tag], text)
            elif tag in NUMBERS and (value := number(text)) is not None:
                value *= SECONDS.get(element.get("unit", ""), 1)
                metadata.setdefault(NUMBERS[tag], value)
            elif tag in NAMES and (text := short_text(_text(element, "name"))):
                metadata.setdefault(NAMES[tag], text)
            elif tag == "Observing_System_Component" and _text(element, "type") == "Instrument":
                metadata.setdefault("instrument", short_text(_text(element, "name")))
        return ImageFacts(label_time(_text(self._root, "start_date_time")), metadata)

    def _is_upward(self, array: Element) -> bool:
        """Whether the first line of an array is at the bottom."""
        identifier = _text(array, "local_identifier")
        for settings in _elements(self._root, "Display_Settings"):
            if _text(settings, "local_identifier_reference") in ("", identifier):
                return _text(settings, "vertical_display_direction") == "Bottom to Top"
        return False


def _layout(array: Element, *, upward: bool) -> Layout:
    axes = sorted(
        (int(_text(axis, "sequence_number")), _text(axis, "axis_name"), _text(axis, "elements"))
        for axis in _elements(array, "Axis_Array")
    )
    lengths = {name.lower(): int(length) for _, name, length in axes}
    if len(axes) == 2:
        order, (height, width), bands = "BSQ", lengths.values(), 1
    else:
        order = ORDERS.get(" ".join(lengths), "")
        width, height, bands = (lengths.get(name, 0) for name in ("sample", "line", "band"))
    missing = (number(_text(array, name)) for name in MISSING)
    return Layout(
        int(_text(array, "offset")),
        width,
        height,
        _type(_text(array, "data_type")),
        bands,
        order,
        upward=upward,
        missing=next((one for one in missing if one is not None and isfinite(one)), float("nan")),
    )


def _type(name: str) -> str:
    match = SAMPLE.fullmatch(name)
    if match is None:
        raise ValueError(f"samples of the type {name} are not read")
    sign, order, size, float_order, precision = match.groups()
    if precision:
        return f"{'<' if float_order == 'LSB' else '>'}f{4 if precision == 'Single' else 8}"
    return f"{'<' if order == 'LSB' else '>'}{'u' if sign == 'Unsigned' else 'i'}{size or 1}"


def _tag(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]  # the parser leaves out comments, whose tag is not a text


def _elements(root: Element, *tags: str) -> Iterator[Element]:
    return (element for element in root.iter() if _tag(element) in tags)


def _text(root: Element, tag: str) -> str:
    """The text of the first element with that name; empty without one."""
    element = next(_elements(root, tag), None)
    return ((element.text if element is not None else None) or "").strip()
