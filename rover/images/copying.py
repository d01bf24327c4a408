"""Copies kept images to a store in another place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio import Event, sleep

from rover.images.kept import copy_name
from sources.base import SourceError
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.images.kept import KeptImages

logger = logging.getLogger("rover.images")

FIRST_PAUSE_S, MAX_PAUSE_S = 1.0, 30.0
"""Seconds after the first failure of a row, and at most; each pause is twice as long."""


async def copy_to_store(kept: KeptImages, report: Callable[[str], None]) -> None:
    """Copy the images that have no copy until cancelled, the oldest first.

    Images wait in their folder while the store cannot be reached.

    Args:
        kept: the images of a camera.
        report: called with what prevents the copies; with an empty text when they work again.
    """
    pause_s = FIRST_PAUSE_S
    while kept.store is not None:
        if not kept.waiting:
            kept.changed = Event()
            await kept.changed.wait()
        one = next(iter(kept.waiting.values()))
        image = one.image
        try:
            if image.path is not None:
                name = copy_name(kept.camera, image)
                kept.copied(one, await kept.store.write(name, image.path, image.content_type))
        except SourceError as exc:
            if kept.waiting.get(image.id) is not one:
                continue  # its file was deleted meanwhile
            lost = f"deleted without a copy: {kept.lost:,}; " if kept.lost else ""
            report(f"images without a copy: {len(kept.waiting):,}; {lost}{describe(exc)}")
            await sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
        else:
            report("")
            pause_s = FIRST_PAUSE_S
