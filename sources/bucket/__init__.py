"""A camera over the objects of a bucket: `s3://BUCKET/PREFIX`.

camera   the source: lists the bucket, and announces new objects
objects  lists and reads objects, and translates errors
"""

from sources.bucket.camera import BucketCamera

__all__ = ["BucketCamera"]
