"""Images of one camera, streamed to any number of clients while they arrive."""

from rover.images.images import Images

__all__ = ["Images"]
