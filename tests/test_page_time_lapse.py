"""The time lapse that the page makes, in Chromium."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import av
import pytest
from PIL import Image
from playwright.sync_api import expect

from rover.mission import MissionControl
from rover.settings import Settings
from tests.browser import MissionServer, Pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

T = 1_790_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MissionServer]:
    """A server with twelve images, taken a second apart."""
    folder = tmp_path / "camera"
    folder.mkdir()
    for number in range(12):
        path = folder / f"{number:02}.png"
        Image.new("RGB", (64, 32), (20 * number, 0, 0)).save(path)
        os.utime(path, (T + number, T + number))
    settings = Settings(data_dir=tmp_path / "data", camera=f"dir:{folder}", telemetry="none:")
    with MissionServer(lambda: MissionControl(settings)) as server:
        yield server


def show(page: Page, name: str) -> None:
    page.get_by_test_id("filmstrip").get_by_role("button", name=name).click()
    expect(page.locator("rover-image .caption .id")).to_have_text(name)


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_time_lapse_from_one_image_to_another_is_saved(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    page.get_by_role("button", name="Time lapse").click()
    form = page.get_by_test_id("time-lapse")
    for image, end in (("08.png", "To"), ("03.png", "From")):
        show(page, image)
        form.get_by_role("button", name=f"{end} the image shown").click()
    with page.expect_download() as download:
        form.get_by_role("button", name="Make video").click()
    assert download.value.suggested_filename == "time-lapse.mp4"
    assert frames_in(download.value.path()) == 6
    expect(form).to_have_attribute("data-state", "done")
    expect(page.get_by_test_id("time-lapse-images")).to_have_text("6 of 6 images")


def test_a_time_lapse_that_is_canceled_ends_its_request(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    page.get_by_role("button", name="Time lapse").click()
    form = page.get_by_test_id("time-lapse")
    for _ in range(2):  # a client may have one at a time
        page.route("**/stream/rover-time-lapse*", lambda _: None)  # the answer does not come
        form.get_by_role("button", name="Make video").click()
        form.get_by_role("button", name="Cancel").click()
        expect(form).to_have_attribute("data-state", "idle")
    page.unroute("**/stream/rover-time-lapse*")
    with page.expect_download() as download:
        form.get_by_role("button", name="Make video").click()
    assert frames_in(download.value.path()) == 12


def test_the_reason_is_shown_if_no_time_lapse_can_be_made(
    server: MissionServer, pages: Pages
) -> None:
    pages.allow("404")
    page = pages.open(server.url)
    page.get_by_role("button", name="Time lapse").click()
    form = page.get_by_test_id("time-lapse")
    expect(form.get_by_role("button", name="Make video")).to_be_enabled()
    page.route(
        "**/stream/rover-time-lapse*",
        lambda route: route.continue_(url=f"{server.url}stream/rover-time-lapse?until=2001-01-01"),
    )
    form.get_by_role("button", name="Make video").click()
    expect(form).to_have_attribute("data-state", "failed")
    expect(form.get_by_role("status")).to_contain_text("no complete image")
