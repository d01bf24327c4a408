"""The app that the environment describes: `uvicorn rover.main:app`."""

from rover.errors import RoverError
from rover.mission import create_app
from sources.base import SourceError

try:
    app = create_app()
except (RoverError, SourceError) as exc:
    raise SystemExit(f"rover: {exc}") from None  # one sentence, no traceback
