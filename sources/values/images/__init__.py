"""Image files: their formats, where they end, and what they say of their images.

formats  the table of formats, and the functions that read a file of any of them
labels   labels in files of their own, beside the images that they describe
exif, bmff, fits, netpbm, pds3, pds4, headers, ends  what one or several formats say
layout   how samples lie in a file
facts    times and texts in labels and names
"""

from sources.values.images.facts import ImageFacts, time_in_name
from sources.values.images.formats import (
    Header,
    is_patched,
    is_whole,
    read_facts,
    read_header,
    read_raster,
)
from sources.values.images.labels import (
    MAX_LABEL_BYTES,
    Described,
    image_names,
    label_names,
    read_label,
)

__all__ = [
    "MAX_LABEL_BYTES",
    "Described",
    "Header",
    "ImageFacts",
    "image_names",
    "is_patched",
    "is_whole",
    "label_names",
    "read_facts",
    "read_header",
    "read_label",
    "read_raster",
    "time_in_name",
]
