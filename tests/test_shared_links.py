"""Links to a part of the mission, which the page puts into a message."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from rover.telemetry.limits import Bound, Level, LimitChange
from tests.browser import MissionServer, Pages
from tests.test_page import (
    SCROLL_WIDTH,
    VIEWPORTS,
    accessibility_violations,
    expect_verdict,
    fast_mission,
    message,
    press_until_focused,
    upload,
    viewports,
    wait_for_value,
    wait_until_live,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from rover.mission import MissionControl

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def mission(tmp_path: Path) -> MissionControl:
    return fast_mission(tmp_path)


@pytest.fixture
def server(mission: MissionControl) -> Iterator[MissionServer]:
    with MissionServer(lambda: mission) as server:
        yield server


def share(panel: Locator) -> None:
    panel.get_by_test_id("share").click()


def compose(page: Page) -> Locator:
    return page.get_by_test_id("compose")


def chip(page: Page) -> Locator:
    return page.get_by_test_id("shared-link")


def sent(page: Page, server: MissionServer, text: str) -> dict[str, Any]:
    """The delivered message with a text, as the server has it."""
    expect(message(page, text)).to_have_attribute("data-state", "delivered")
    messages = page.request.get(f"{server.url}comms/flight/messages").json()["messages"]
    [found] = [one for one in messages if text in one["text"]]
    return dict(found)


def test_an_image_a_report_and_an_alarm_are_shared_where_they_are_shown(
    mission: MissionControl, server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    wait_until_live(page)

    page.get_by_test_id("image-stage").wait_for()
    page.get_by_test_id("follow-latest").uncheck()
    share(page.locator("rover-image"))
    expect(compose(page)).to_be_focused()
    page.keyboard.type("look at the rock")
    page.keyboard.press("Enter")
    expect(chip(page)).to_have_count(0)
    image = sent(page, server, "look at the rock")
    assert image["kind"] == "link"
    assert image["data"]["image"] in page.locator("rover-image .caption .id").inner_text()

    upload(page, "pass-first-drive.rcs")
    expect_verdict(page, "COMPLETE")
    share(page.locator("rover-commands"))
    page.keyboard.press("Enter")  # without a text
    [listed] = page.request.get(f"{server.url}uploads").json()["uploads"]
    report = sent(page, server, "pass-first-drive.rcs")
    assert report["data"] == {"upload": listed["id"]}
    page.get_by_test_id("open-report").click()
    share(page.get_by_test_id("report"))
    expect(chip(page)).to_contain_text("pass-first-drive.rcs")

    bound = Bound(Level.RED, "high", 80.0, 0.0)
    raised = LimitChange("heat", "K", Level.RED, Level.NOMINAL, 90.0, time(), bound)
    server.call(mission.telemetry.alarms.apply, raised)
    [alarm] = page.request.get(f"{server.url}alarms").json()["alarms"]
    page.reload()
    wait_until_live(page)
    row = page.locator(f'[data-alarm="{alarm["id"]}"]')
    share(row)  # in the place of the other link
    expect(chip(page)).to_contain_text("heat")
    page.keyboard.type("watch it")
    page.keyboard.press("Enter")
    assert sent(page, server, "watch it")["data"] == {"alarm": alarm["id"]}


def test_the_time_that_is_chosen_in_a_plot_is_shared_and_opens_there(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    wait_until_live(page)
    wait_for_value(page, "document.querySelector('strip-chart')?.view.t.length", "value > 20")
    page.get_by_test_id("pause").click()
    plot = page.locator("strip-chart .u-over").first
    box = plot.bounding_box()
    assert box is not None
    position: Any = {"x": box["width"] - 12, "y": box["height"] / 2}
    plot.click(position=position)
    expect(page.get_by_test_id("moment")).to_have_count(1)
    moment_s = page.evaluate("document.querySelector('strip-chart').momentS")
    share(page.get_by_role("group", name="Plot"))
    page.keyboard.type("here")
    page.keyboard.press("Enter")
    t = sent(page, server, "here")["data"]["t"]
    assert page.evaluate("t => Date.parse(t) / 1000", t) == pytest.approx(moment_s, abs=0.001)
    plot.click(position=position)  # the same time: chosen no more
    expect(page.get_by_test_id("moment")).to_have_count(0)

    message(page, "here").get_by_test_id("link").click()
    expect(page.get_by_test_id("time")).to_have_attribute("data-state", "paused")
    assert f"at={t[:19]}" in page.url


def test_a_link_waits_in_the_draft_and_can_be_removed_with_the_keyboard(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url, viewport=VIEWPORTS[0])
    wait_until_live(page)
    button = page.get_by_role("group", name="Plot").get_by_test_id("share")
    button.wait_for()
    press_until_focused(page, button)
    page.keyboard.press("Enter")
    expect(compose(page)).to_be_focused()
    expect(compose(page)).to_be_in_viewport(ratio=1)
    page.reload()
    wait_until_live(page)
    for width in viewports(page):
        expect(chip(page)).to_be_visible()
        assert accessibility_violations(page) == []
        assert page.evaluate(SCROLL_WIDTH) == width
    press_until_focused(page, chip(page).get_by_role("button"))
    page.keyboard.press("Enter")
    expect(chip(page)).to_have_count(0)
    expect(compose(page)).to_be_focused()
    page.reload()
    wait_until_live(page)
    expect(chip(page)).to_have_count(0)


def test_a_time_that_is_shared_in_a_replay_is_sent_live(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url, viewport=VIEWPORTS[0])
    wait_until_live(page)
    page.get_by_test_id("play").click()
    expect(page.get_by_test_id("time")).to_have_attribute("data-state", "paused")
    page.get_by_test_id("charts").wait_for()
    shown = str(page.get_by_test_id("replay-time").get_attribute("datetime"))
    share(page.get_by_role("group", name="Plot"))
    expect(page.get_by_test_id("send-live")).to_be_focused()
    assert page.evaluate(SCROLL_WIDTH) == VIEWPORTS[0]["width"]
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("time")).to_have_attribute("data-state", "live")
    expect(compose(page)).to_be_focused()
    page.keyboard.type("here it began")
    page.keyboard.press("Enter")
    assert sent(page, server, "here it began")["data"]["t"] == shown


def test_a_poll_that_is_written_waits_while_the_message_has_a_link(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url, viewport=VIEWPORTS[1])
    wait_until_live(page)
    page.get_by_role("button", name="Poll or call").click()
    text = page.get_by_test_id("procedure-text")
    expect(text).to_be_focused()
    page.keyboard.type("Go for drive?")
    share(page.get_by_role("group", name="Plot"))
    expect(compose(page)).to_be_focused()
    expect(text).to_have_count(0)
    page.keyboard.press("Enter")
    expect(text).to_have_value("Go for drive?")
    page.reload()
    expect(text).to_have_value("Go for drive?")
    page.get_by_role("form", name="Poll or call").get_by_role("button", name="Send").click()
    expect(page.get_by_test_id("poll")).to_have_count(1)
    page.reload()
    expect(page.get_by_test_id("poll")).to_have_count(1)
    expect(text).to_have_count(0)
