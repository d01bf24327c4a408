"""Renders an image in a process of its own: `python -m sources.simulated.panorama`.

The seconds of arithmetic neither block the event loop nor leave memory behind in the server.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from sources.base import SourceError

if TYPE_CHECKING:
    from sources.simulated.camera_view import CameraView

RENDER_TIMEOUT_S = 120.0
"""Seconds after which a process is killed."""

_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `sources`; the working directory of the server may be another."""


async def render_in_process(
    view: CameraView, path: Path, niceness: int, python: str = sys.executable
) -> None:
    """Render the view to a JPEG file at `path`.

    If it is cancelled, the process is killed.

    Args:
        view: the view to render.
        path: the file to write; its folder must exist.
        niceness: added to the priority of this process, 0 to 19.
        python: the interpreter to run.

    Raises:
        SourceError: the process could not be started, failed, or took too long. The text includes
            the last line of its standard error.
    """
    root = str(_ROOT)
    inherited = os.environ.get("PYTHONPATH")
    # The renderer starts two threads of its own; BLAS must not add more.
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([root, inherited] if inherited else [root]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [python, "-P", "-m", "sources.simulated.panorama", str(path), str(niceness)]
    request = json.dumps(view.as_json()).encode()
    try:
        with anyio.fail_after(RENDER_TIMEOUT_S):
            # With a session of its own, it does not receive the Ctrl-C meant for the server.
            result = await anyio.run_process(
                command, input=request, check=False, env=environment, start_new_session=True
            )
    except TimeoutError as error:
        raise SourceError(
            f"the simulated camera did not render an image within {RENDER_TIMEOUT_S:g} s"
        ) from error
    except OSError as error:
        raise SourceError(f"the simulated camera cannot start {python}: {error}") from error
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {result.returncode}"
        raise SourceError(f"the simulated camera could not render an image: {reason}")
