"""Images of cameras, streamed to any number of clients while they arrive."""

from rover.images.cameras import Cameras
from rover.images.images import Images

__all__ = ["Cameras", "Images"]
