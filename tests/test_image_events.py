"""Events of images on the telemetry stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group, fail_after
from PIL import Image as Pillow

from rover.images.announcements import MAX_EVENTS, Announcements
from rover.images.arrivals import Arrival
from rover.mission import MissionControl
from rover.settings import Settings
from rover.telemetry.events import NamedEvent
from sources.base import Image
from tests.api_schemas import check_json
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def arrival(number: int) -> Arrival:
    return Arrival("mast", Image(f"{number}.png", "image/png"), "complete")


async def test_many_changes_become_few_events_with_the_number_of_the_others() -> None:
    published: list[tuple[str, int]] = []
    pending = Announcements(lambda one, skipped: published.append((one.image.id, skipped)))
    for number in (*range(MAX_EVENTS + 5), 7):
        pending.add(arrival(number))
    async with create_task_group() as tasks:
        tasks.start_soon(pending.run)
        with fail_after(5):
            await until(lambda: bool(published))
        tasks.cancel_scope.cancel()
    assert published[0] == ("5.png", 5)
    assert published[-1] == ("7.png", 0)
    assert len(published) == MAX_EVENTS


async def test_a_new_image_is_an_event_of_the_telemetry_stream(tmp_path: Path) -> None:
    (images := tmp_path / "images").mkdir()
    settings = Settings(
        data_dir=tmp_path / "data", camera=f"dir:{images}", telemetry="none:", log="memory:"
    )
    async with MissionControl(settings) as mission:
        Pillow.new("RGB", (8, 8)).save(images / "a.png")

        def found() -> list[str]:
            items = mission.telemetry.topic.retained_items()
            return [
                one.data for one in items if isinstance(one, NamedEvent) and one.name == "image"
            ]

        await until(found)
        data = found()[-1]
    image = check_json("Image", data.encode())
    assert (image["state"], image["skipped"]) == ("complete", 0)
