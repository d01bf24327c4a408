"""Render one view, given as JSON on standard input: `... OUT.jpg NICENESS`.

It uses two processors for some seconds. The camera runs one such process per image.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sources.simulated.camera_view import CameraView
from sources.simulated.panorama.render import encode_jpeg, render

if __name__ == "__main__":
    os.nice(int(sys.argv[2]))
    view = CameraView(**json.load(sys.stdin))
    Path(sys.argv[1]).write_bytes(encode_jpeg(render(view)))
