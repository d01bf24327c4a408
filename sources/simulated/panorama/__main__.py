"""Draws the view on standard input, as JSON: `… OUT.jpg NICENESS`.

Takes some seconds of two processors, and ends; the camera runs one of these per picture.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sources.simulated.camera_view import CameraView
from sources.simulated.panorama.render import draw, encode

if __name__ == "__main__":
    os.nice(int(sys.argv[2]))
    view = CameraView(**json.load(sys.stdin))
    Path(sys.argv[1]).write_bytes(encode(draw(view)))
