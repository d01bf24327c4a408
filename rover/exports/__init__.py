"""Tables of past values as files: CSV, JSON lines, Parquet and MCAP, in constant memory.

Each format has a writer in a module of its name.
"""

from rover.exports.align import Aligner
from rover.exports.files import FORMATS, PIECE_BYTES, export, writer_of

__all__ = ["FORMATS", "PIECE_BYTES", "Aligner", "export", "writer_of"]
