"""Image files: their formats, where they end, and what they say of their images.

formats  the table of formats, and the functions that read a file of any of them
exif, bmff, fits, netpbm, pds3, headers, ends  what one or several formats say
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

__all__ = [
    "Header",
    "ImageFacts",
    "is_patched",
    "is_whole",
    "read_facts",
    "read_header",
    "read_raster",
    "time_in_name",
]
