"""A camera over a folder that another program writes images into: `dir:PATH`.

camera      the source: polls the folder, and follows files that grow
folder      the images in the folder, and the changes since the last scan; blocking code
header      the format, the size and the end of an image file
"""

from sources.directory.camera import DirectoryCamera

__all__ = ["DirectoryCamera"]
