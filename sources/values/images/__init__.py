"""Image files: their formats, where they end, and what they say of their images.

formats  the table of formats, and the functions that read a file of any of them
labels   labels in files of their own, beside the images that they describe
exif, xmp, bmff, fits, netpbm, pds3, pds4, headers, ends  what one or several formats say
layout   how samples lie in a file
facts    times and texts in labels and names
names    what the name of a file says of its image
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
from sources.values.images.names import is_temporary, problem_of_name, type_of_name

__all__ = [
    "MAX_LABEL_BYTES",
    "Described",
    "Header",
    "ImageFacts",
    "image_names",
    "is_patched",
    "is_temporary",
    "is_whole",
    "label_names",
    "problem_of_name",
    "read_facts",
    "read_header",
    "read_label",
    "read_raster",
    "time_in_name",
    "type_of_name",
]
