"""A camera over a folder that another program writes images into: `dir:PATH`.

header      what a file's first and last bytes say: format, size, whether its end is there
folder      what is in the folder, and what changed since the last look; plain blocking code
camera      the source: polls the folder, and follows files that grow
"""

from sources.directory.camera import DirectoryCamera

__all__ = ["DirectoryCamera"]
