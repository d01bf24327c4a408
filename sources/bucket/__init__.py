"""Buckets of S3: a camera over the objects of one, and a store for images of other cameras.

camera   the source: lists the bucket, and announces new objects
objects  lists, reads and writes objects, and translates errors
store    copies of files as objects
"""

from sources.bucket.camera import BucketCamera
from sources.bucket.store import BucketStore

__all__ = ["BucketCamera", "BucketStore"]
