"""JSON Schemas of images."""

from __future__ import annotations

from rover.api.schema import (
    BOOLEAN,
    COUNT,
    FACTS,
    TEXT,
    TIME,
    about,
    array,
    nullable,
    obj,
    one_of,
    ref,
)

IMAGE_SCHEMAS = {
    "Image": obj(
        ["skipped"],
        id=TEXT,
        camera=TEXT,
        state=one_of(("arriving", "stalled", "complete", "broken")),
        reason=about(TEXT, "why it is stalled or broken; may be empty"),
        available=about(BOOLEAN, "whether its bytes can be requested"),
        content_type=TEXT,
        size=nullable(COUNT),
        received=COUNT,
        complete=BOOLEAN,
        revision=TEXT,
        taken_at=nullable(TIME),
        received_at=nullable(TIME),
        width=nullable(COUNT),
        height=nullable(COUNT),
        sha256=nullable(TEXT),
        metadata=FACTS,
        url=about(TEXT, "relative to the mount point"),
        thumbnail=nullable(about(TEXT, "a smaller copy of a complete image")),
        stream=about(TEXT, "relative to the mount point"),
        skipped=about(COUNT, "changes of images before this event that have none"),
    ),
    "Images": obj(images=array(ref("Image")), more=BOOLEAN, next=nullable(TEXT)),
}
