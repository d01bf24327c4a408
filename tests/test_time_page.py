"""The time control of the page: a mission that was recorded before a restart, in a real browser."""

from __future__ import annotations

import re
from datetime import datetime
from time import time
from typing import TYPE_CHECKING

import pytest
from anyio import sleep, sleep_forever
from playwright.sync_api import expect

from rover.imports.base import Imported
from rover.imports.folder import FolderImport
from rover.mission import MissionControl
from rover.settings import Settings
from rover.wire import iso
from sources.base import Limits, Parameter, Sample
from tests.browser import MissionServer, Pages
from tests.test_page import SCROLL_WIDTH, accessibility_violations, message, send, viewports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PAST_S = 600
"""Seconds of telemetry before the start of the tests."""


class Past:
    """A count that rose by 1 each second, and a charge that was low only in the last minute.

    Of these, the source sends the newest, once: after a restart it is silent.

    Attributes:
        start: the time of the first sample.
        recorded: the samples before the start of the server.
    """

    parameters = (
        Parameter("count", kind="integer", period_s=1),
        Parameter("charge", "%", limits=Limits(red=(25, None)), period_s=1),
    )

    def __init__(self) -> None:
        self.start = float(int(time()) - PAST_S)
        self.recorded = [
            Sample(self.start + n, {"count": n, "charge": 80.0 if n < PAST_S - 60 else 20.0})
            for n in range(PAST_S)
        ]
        self._is_sent = False

    async def samples(self) -> AsyncIterator[Sample]:
        if not self._is_sent:
            self._is_sent = True
            yield Sample(time(), self.recorded[-1].values)
        await sleep_forever()


@pytest.fixture(scope="module")
def past() -> Past:
    return Past()


@pytest.fixture(scope="module")
def server(
    browser: Browser, past: Past, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MissionServer]:
    """A server after a restart: it has the samples of `past`, an alarm, and a message."""
    data_dir: Path = tmp_path_factory.mktemp("mission")
    with FolderImport(data_dir) as folder:
        folder.add([Imported("a test", one) for one in past.recorded])
    settings = Settings(data_dir=data_dir, log="sqlite:")
    server = MissionServer(
        lambda: MissionControl(settings, telemetry=past, camera="none:", commands="none:")
    )
    with server:
        pages = Pages(browser)
        page = pages.open(server.url)
        expect(value(page, "count")).to_have_text(str(PAST_S - 1))
        expect(page.get_by_test_id("alarms").get_by_role("listitem")).to_have_count(1)
        send(page, "halt")
        expect(message(page, "halt")).to_have_attribute("data-state", "delivered")
        pages.close()
        server.stop()
        server.start()
        yield server


def value(page: Page, name: str) -> Locator:
    return page.get_by_test_id(f"value-{name}").locator(".value")


def shown_at(page: Page) -> str:
    """The time of the replay."""
    return page.get_by_test_id("replay-time").get_attribute("datetime") or ""


def expect_state(page: Page, state: str) -> None:
    expect(page.get_by_test_id("time")).to_have_attribute("data-state", state)


def test_a_url_with_a_time_shows_that_moment_from_before_the_restart(
    server: MissionServer, pages: Pages, past: Past
) -> None:
    at = iso(past.start + 300.5)
    page = pages.open(f"{server.url}?at={at}&paused=1")
    expect_state(page, "paused")
    expect(value(page, "count")).to_have_text("300")
    expect(value(page, "charge")).to_have_text(re.compile("^80"))
    assert shown_at(page) == at
    expect(page).to_have_title(re.compile("^REPLAY "))
    # no alarm and no message yet
    expect(page.get_by_test_id("alarms")).to_have_count(0)
    expect(message(page, "halt")).to_have_count(0)
    plotted = page.locator("strip-chart").first
    expect(plotted).to_be_visible()
    newest = plotted.evaluate("chart => [chart.view.t.at(-1), chart.untilS]")
    assert newest == [past.start + 300, past.start + 300.5]


def test_the_scrubber_marks_the_restart_and_the_alarm(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url)
    marks = page.get_by_test_id("mark")
    expect(page.locator("[data-testid=mark][data-kind=alarm]")).to_have_count(1)
    expect(marks.first.locator("title")).not_to_be_empty()


def test_seeking_pausing_and_the_way_back_to_live(
    server: MissionServer, pages: Pages, past: Past
) -> None:
    page = pages.open(f"{server.url}?at={iso(past.start + 200.5)}&speed=10")
    expect(value(page, "count")).to_have_text(re.compile("^2[0-9][0-9]$"))
    page.keyboard.press("Space")
    expect_state(page, "paused")
    assert f"at={shown_at(page)}&speed=10&paused=1" in page.url
    still = int(datetime.fromisoformat(shown_at(page)).timestamp() - past.start)
    expect(value(page, "count")).to_have_text(str(still))
    colleague = pages.open(page.url)
    expect_state(colleague, "paused")
    expect(value(colleague, "count")).to_have_text(str(still))
    assert shown_at(colleague) == shown_at(page)

    page.get_by_test_id("back-1").click()
    expect(value(page, "count")).to_have_text(str(still - 60))
    page.keyboard.press(".")
    expect(value(page, "count")).to_have_text(str(still - 59))
    page.get_by_test_id("go-to").fill(iso(past.start + 100.5))
    page.keyboard.press("Space")  # while typing
    page.get_by_test_id("go-to").press("Enter")
    expect(value(page, "count")).to_have_text("100")
    expect_state(page, "paused")
    page.get_by_test_id("scrubber").press("ArrowRight")
    expect(value(page, "count")).to_have_text("110")
    page.get_by_test_id("speed").select_option("100")
    page.get_by_test_id("play").click()
    expect(value(page, "count")).to_have_text(re.compile("^[3-5][0-9][0-9]$"))

    page.locator("h1").click()
    page.keyboard.press("Escape")
    expect_state(page, "live")
    assert "?" not in page.url
    expect(page).not_to_have_title(re.compile("REPLAY"))
    expect(value(page, "count")).to_have_text(str(PAST_S - 1))


def test_alarms_and_messages_are_shown_as_they_were_and_cannot_be_changed(
    server: MissionServer, pages: Pages, past: Past
) -> None:
    # during a replay, an alarm of the present is noticed
    page = pages.open(f"{server.url}?at={iso(past.start + 300)}&paused=1")
    expect(page.get_by_test_id("live-alarms")).to_be_visible()
    expect(page).to_have_title(re.compile(r"^REPLAY \(1\) "))
    page.get_by_test_id("go-live").click()
    page.get_by_test_id("replay-alarm").click()
    expect_state(page, "playing")
    page.get_by_test_id("go-live").click()
    page.get_by_role("button", name="Acknowledge charge").click()
    form = page.get_by_test_id("alarm-form")
    form.get_by_label("Your name").fill("Ada")
    form.get_by_role("button", name="Acknowledge").click()
    alarm = page.get_by_test_id("alarms").get_by_role("listitem")
    expect(alarm).to_have_attribute("data-acknowledged", "")
    # before the acknowledgement and after the message
    sent = message(page, "halt").locator("time").get_attribute("datetime")
    page.goto(f"{server.url}?at={sent}&paused=1")
    page.keyboard.press(".")
    expect(message(page, "halt")).to_have_count(1)
    expect(alarm).to_have_count(1)
    expect(alarm).not_to_have_attribute("data-acknowledged", "")
    expect(page.get_by_test_id("acknowledge")).to_have_count(0)
    expect(page.get_by_test_id("compose")).to_be_disabled()
    expect(page.get_by_test_id("file")).to_have_count(0)
    page.get_by_test_id("go-live").click()
    expect(alarm).to_have_attribute("data-acknowledged", "")
    expect(page.get_by_test_id("compose")).to_be_enabled()


def test_a_time_outside_the_record_gives_a_sentence_and_the_nearest_moment(
    server: MissionServer, pages: Pages, past: Past
) -> None:
    page = pages.open(f"{server.url}?at={iso(past.start - 3600)}&paused=1")
    expect_state(page, "paused")
    expect(page.get_by_test_id("time-notice")).to_be_visible()
    assert shown_at(page).startswith(iso(past.start)[:19])
    for query in ("at=2126-01-01", "at=noon"):
        page.goto(f"{server.url}?{query}")
        expect(page.get_by_test_id("time-notice")).to_be_visible()
        expect_state(page, "live")
        assert "?" not in page.url


class TwoClocks:
    """A value of a device with the right time, and one of a device that is 6 h ahead."""

    parameters = (Parameter("steady", period_s=0.2), Parameter("ahead", period_s=0.2))

    async def samples(self) -> AsyncIterator[Sample]:
        n = 0
        while True:
            yield Sample(time(), {"steady": n})
            yield Sample(time() + 6 * 3600, {"ahead": n})
            n += 1
            await sleep(0.2)


def test_plots_show_a_device_whose_clock_is_ahead_beside_the_others(
    browser: Browser, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, log="sqlite:")
    with MissionServer(
        lambda: MissionControl(settings, telemetry=TwoClocks(), camera="none:", commands="none:")
    ) as server:
        pages = Pages(browser)
        page = pages.open(server.url)
        expect(value(page, "ahead")).to_have_text(re.compile("^[2-9][0-9]"))
        for state in ("live", "playing"):
            expect_state(page, state)
            for name in ("steady", "ahead"):
                chart = page.get_by_test_id(f"chart-{name}")
                page.wait_for_function(
                    "chart => chart.view.t.length > 2 && chart.view.t.at(-1) <= chart.untilS + 1",
                    arg=chart.element_handle(),
                )
            expect(page.get_by_test_id("chart-ahead").get_by_test_id("shift")).to_be_visible()
            expect(page.get_by_test_id("chart-steady").get_by_test_id("shift")).to_have_count(0)
            page.get_by_test_id("back-1").click()
        pages.close()


def test_a_replay_is_accessible_and_fits_the_screen(
    server: MissionServer, pages: Pages, past: Past
) -> None:
    page = pages.open(f"{server.url}?at={iso(past.start + 300)}&paused=1")
    expect_state(page, "paused")
    expect(value(page, "count")).to_be_visible()
    for width in viewports(page):
        assert accessibility_violations(page) == []
        assert page.evaluate(SCROLL_WIDTH) == width
        expect(page.get_by_test_id("go-live")).to_be_in_viewport()
