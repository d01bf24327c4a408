"""The app that the environment describes: `uvicorn rover.main:app`."""

from rover.config import Config
from rover.errors import RoverError
from rover.log_lines import protect_server_logs
from rover.mission import create_app
from sources.base import SourceError

protect_server_logs()
try:
    app = create_app(config=Config.load().recorded())
except (RoverError, SourceError) as exc:
    raise SystemExit(f"rover: {exc}") from None  # one sentence, no traceback
