"""Recorded files of other tools, as samples: CSV, JSON lines, Parquet, MCAP and ROS bags.

a file ─▶ a reader ─▶ samples with their places ─▶ a data folder, or a server
"""

from rover.imports.base import Imported
from rover.imports.folder import FolderImport
from rover.imports.reading import read_samples

__all__ = ["FolderImport", "Imported", "read_samples"]
