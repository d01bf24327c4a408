"""The app that the environment describes: `uvicorn rover.main:app`."""

from rover.mission import create_app

app = create_app()
