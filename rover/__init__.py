"""Mission control for a rover, a robot, or any far-away machine: an ASGI app on Starlette."""

__version__ = "0.1.0"
