"""Labels in files of their own, beside the images that they describe: PDS3 (`.LBL`) and PDS4.

The label of `N0001.IMG` is `N0001.LBL`, `N0001.xml` or `N0001.lblx` in the same folder, and names
that file.
"""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from sources.values.images import pds3, pds4
from sources.values.images.facts import ImageFacts
from sources.values.images.formats import Header

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = (".xml", ".lblx", ".lbl")
"""Endings of the names of labels."""

IMAGES = (".img", ".dat", ".bin", ".raw", ".qub", ".cub", ".fits", ".fit", ".tif", ".tiff")
"""Endings of the names of files that labels describe."""

MAX_LABEL_BYTES = 4 * 2**20


class Described(NamedTuple):
    """An image, as its label describes it.

    Attributes:
        header: its format and size.
        end: bytes of its file.
        image_end: offset after the image in its file.
        facts: from the label; with its name as `label`, and the `Layout` as `layout`.
    """

    header: Header
    end: int
    image_end: int
    facts: ImageFacts


def label_names(name: str) -> Sequence[str]:
    """The names that the label of a file may have; none if files of that kind have no label."""
    return _siblings(name, IMAGES, LABELS)


def image_names(name: str) -> Sequence[str]:
    """The names that the image of a label may have; none if it is not the name of a label."""
    return _siblings(name, LABELS, IMAGES)


def read_label(data: bytes, label: str, image: str) -> Described | None:
    """The facts in a label about an image; `None` without any, or if part of the label is missing.

    Args:
        data: the file of the label.
        label: its name.
        image: the name of the image.
    """
    name = PurePosixPath(image).name
    try:
        if data.lstrip().startswith(b"<"):
            xml = pds4.Label(data)
            content_type, layout, facts = "image/x-pds4", xml.layout(name), xml.facts()
            end = max(layout.end, xml.file_size(name) or 0)
        else:
            odl = pds3.read_label(io.BytesIO(data))
            if odl is None or odl.pointer is None or odl.pointer.file.lower() != name.lower():
                return None
            content_type, layout, facts = "image/x-pds", odl.layout(), odl.facts()
            end = odl.file_end
    except ValueError:
        return None
    known = {"label": PurePosixPath(label).name, "layout": str(layout)}
    return Described(
        Header(content_type, layout.width, layout.height),
        end,
        layout.end,
        ImageFacts(facts.taken_at, {**facts.metadata, **known}),
    )


def _siblings(name: str, ends: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    stem, dot, end = name.rpartition(".")
    if not stem or (dot + end).lower() not in ends:
        return ()
    return [stem + other for ending in others for other in (ending, ending.upper())]
