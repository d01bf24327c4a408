"""A camera behind `http:` or `https:`: a snapshot that is polled, or an index of images."""

from sources.http_camera.camera import HttpCamera

__all__ = ["HttpCamera"]
