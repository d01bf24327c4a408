"""The page in a real browser with a real server."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, sleep_forever
from PIL import Image
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.routing import Mount

from rover.config import Config
from rover.logs import MemoryLog, Outage
from rover.mission import MissionControl
from rover.settings import Settings
from sources.base import Event as SourceEvent
from sources.base import Limits, Parameter, Sample, Severity, Value
from sources.simulated.camera import SimulatedCamera
from sources.simulated.telemetry import SimulatedTelemetry
from sources.simulated.validator import SimulatedValidator
from tests.browser import (
    HalfOpenProxy,
    MissionServer,
    OpenStreams,
    Pages,
    TestClock,
    run_clock,
)
from tests.recorded_video import record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Locator, Page, ViewportSize

    from sources.simulated.camera_view import CameraView

    StartServer = Callable[..., MissionServer]
    StartProxy = Callable[[MissionServer], HalfOpenProxy]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[1]
COMMAND_FILES = ROOT / "docs" / "samples"
TOKEN = "sesame-sesame-sesame"  # noqa: S105 # of this test only

HTML = "text/html"

SILENT_SPEED = 10
"""How fast the timers of the page run while no byte arrives: it waits for timeouts."""

RETRY_SPEED = 3
"""How fast they run while the page connects again: it must answer within its own timeouts."""

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
STEPS = ["syntax", "checksum", "power", "thermal", "timing", "safety"]
IMAGE_SIZE = "image => [image.naturalWidth, image.naturalHeight]"
VIEWPORTS: list[ViewportSize] = [{"width": 390, "height": 844}, {"width": 1440, "height": 900}]
"""Of a phone and of a desktop."""

MAX_PRESSES = 300
"""More than the page has places for the focus: each image in the strip is one."""

SCROLL_WIDTH = "document.documentElement.scrollWidth"


async def noise(view: CameraView, path: Path, niceness: int) -> None:
    """Write an image of noise: no process, which would take a second to render the landscape."""
    Image.effect_noise((view.width, view.height), 32).save(path, "JPEG", quality=50)


def fast_mission(data_dir: Path, *, link_kbps: float = 400, **settings: Any) -> MissionControl:
    """A simulated mission that shows within seconds what otherwise takes minutes."""
    camera = SimulatedCamera(
        width=512, height=256, link_kbps=link_kbps, period_s=6, keep=100, render=noise
    )
    return MissionControl(
        Settings(data_dir=data_dir, retry_ms=100, **settings),
        telemetry=SimulatedTelemetry(rate_hz=5),
        camera=camera,
        commands=SimulatedValidator(pace_s=0.05),
    )


class ScriptedTelemetry:
    """Telemetry with the samples and events that a test adds."""

    parameters: tuple[Parameter, ...] = (
        Parameter("battery", "%", limits=Limits(yellow=(45, None), red=(25, None))),
        Parameter("speed", "m/s"),
    )

    def __init__(self, samples: Sequence[Sample | SourceEvent] = ()) -> None:
        self._samples = list(samples)
        self._added = Event()

    def add(self, sample: Sample | SourceEvent) -> None:
        """Send another sample or event. Call it in the event loop of the server."""
        self._samples.append(sample)
        self._added.set()

    async def samples(self) -> AsyncIterator[Sample | SourceEvent]:
        for i in count():
            while i == len(self._samples):
                self._added = Event()
                await self._added.wait()
            yield self._samples[i]


def quiet_mission(data_dir: Path, **settings: Any) -> MissionControl:
    """A mission whose page changes only by what a test does: a moving one takes most of the CPU."""
    return MissionControl(
        Settings(data_dir=data_dir, retry_ms=100, **settings),
        telemetry=ScriptedTelemetry([Sample(time.time(), {"battery": 80.0, "speed": 0.1})]),
        camera="none:",
        commands=SimulatedValidator(pace_s=0.05),
    )


def scripted_mission(source: ScriptedTelemetry, data_dir: Path) -> MissionControl:
    return MissionControl(Settings(data_dir=data_dir), telemetry=source, camera="none:")


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """A function that starts a server; arguments as for `MissionServer`."""
    with ExitStack() as servers:
        yield lambda *args: servers.enter_context(MissionServer(*args))


@pytest.fixture
def start_proxy() -> Iterator[StartProxy]:
    """A function that starts a proxy to a server."""
    with ExitStack() as proxies:
        yield lambda server: proxies.enter_context(HalfOpenProxy(server.port))


@pytest.fixture
def pages(browser: Browser, start_server: StartServer, start_proxy: StartProxy) -> Iterator[Pages]:
    """Pages that are closed before the servers and proxies stop."""
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MissionServer]:
    """One mission for all tests that do not change it. Its images arrive over several seconds."""
    data_dir = tmp_path_factory.mktemp("rover-data")
    with MissionServer(lambda: fast_mission(data_dir, link_kbps=64)) as server:
        yield server


@pytest.fixture(scope="module")
def quiet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MissionServer]:
    data_dir = tmp_path_factory.mktemp("rover-data")
    with MissionServer(lambda: quiet_mission(data_dir)) as server:
        yield server


def with_clock(mission: MissionControl) -> TestClock:
    return TestClock(mission.app)


def wait_until_live(page: Page) -> None:
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    expect(page.get_by_test_id("comms-state")).to_have_attribute("data-state", "open")


def wait_for_value(page: Page, expression: str, condition: str, arg: object = None) -> Any:
    """Wait until a JavaScript condition on `value`, the expression, and `arg` holds; the value.

    The condition is passed as a function: the page's policy forbids evaluating strings.
    """
    page.wait_for_function(f"arg => {{ const value = {expression}; return {condition}; }}", arg=arg)
    return page.evaluate(expression)


def join(page: Page, channel: str, name: str) -> None:
    page.get_by_test_id("channel").fill(channel)
    page.get_by_test_id("name").fill(name)
    page.get_by_test_id("name").press("Enter")
    expect(members(page).filter(has_text=name)).to_have_count(1)
    expect(page.get_by_test_id("comms-state")).to_have_attribute("data-state", "open")


def members(page: Page) -> Locator:
    return page.get_by_test_id("members").get_by_role("listitem")


def send(page: Page, text: str) -> None:
    page.get_by_test_id("compose").fill(text)
    page.get_by_test_id("compose").press("Enter")


def message(page: Page, text: str) -> Locator:
    return page.get_by_test_id("log").locator(".message").filter(has_text=text)


def upload(page: Page, file: str) -> None:
    page.get_by_test_id("file").set_input_files(COMMAND_FILES / file)


def expect_verdict(page: Page, status: str) -> None:
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", status)


def press_until_focused(page: Page, target: Locator, key: str = "Tab") -> None:
    """Move the focus to `target` with the keyboard."""
    for _ in range(MAX_PRESSES):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"no focus after pressing {key} {MAX_PRESSES} times")


def accessibility_violations(page: Page) -> list[tuple[str, list[str]]]:
    """The rules that axe finds broken, each with the elements."""
    page.evaluate(AXE.read_text())
    violations = page.evaluate("async () => (await axe.run()).violations")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]


def viewports(page: Page) -> Iterator[int]:
    """Show the page on a phone, then on a desktop; yields the width of each."""
    for viewport in VIEWPORTS:
        page.set_viewport_size(viewport)
        yield viewport["width"]


def test_an_image_is_drawn_while_it_arrives(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url)
    progress, sizes = page.evaluate(
        """() => new Promise((resolve) => {
            let id, progress, sizes;
            const look = () => {
                const shown = document.querySelector('rover-image .id')?.textContent;
                const state = document.querySelector('[data-testid=image-state]')?.dataset.state;
                if (shown !== id) [id, progress, sizes] = [shown, new Set(), new Set()];
                if (state === 'arriving') {
                    progress.add(document.querySelector('rover-image progress').value);
                    sizes.add(document.querySelector('image-stage').blob?.size ?? 0);
                } else if (state === 'complete' && progress.size >= 5) {
                    resolve([[...progress], [...sizes]]);
                    return;
                }
                requestAnimationFrame(look);
            };
            look();
        })"""
    )
    assert progress == sorted(progress)
    assert sizes == sorted(sizes)
    assert len(sizes) >= 3
    expect(page.get_by_test_id("image-state")).to_contain_text("SHA-256 verified")
    front = page.locator("image-stage img.front")
    assert front.evaluate(IMAGE_SIZE) == [512, 256]


def test_latest_values_are_shown_and_updated_and_the_charts_as_a_table(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    wait_until_live(page)
    value = page.get_by_test_id("value-motor_temperature").locator(".value")
    before = value.inner_text()
    assert "°C" in before
    expect(value).not_to_have_text(before)
    expect(page.get_by_test_id("values").locator(".card")).to_have_count(25)
    expect(page.get_by_test_id("map").locator("svg")).to_be_visible()

    page.get_by_test_id("value-motor_temperature").click()
    page.get_by_test_id("table").click()
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader", name="motor temperature, °C")).to_be_visible()
    rows = table.locator("tbody tr")
    rows.nth(10).wait_for()
    times = rows.locator("th").all_inner_texts()
    assert times == sorted(times, reverse=True)


def test_pause_stops_the_charts_and_not_the_stream(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url)
    wait_until_live(page)
    chart_end = "document.querySelector('strip-chart')?.untilS"
    newest_sample = "document.querySelector('rover-telemetry').store.sampleAt / 1000"
    running = wait_for_value(page, chart_end, "value > 0")
    wait_for_value(page, chart_end, "value > arg", running)

    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "true")
    paused = page.evaluate(chart_end)
    chart = "document.querySelector('strip-chart').view"
    shown = f"{chart}.t.filter((_, i) => {chart}.columns[0][i] !== null)"
    points = set(page.evaluate(shown))
    # Memory drops the values while the plot is paused.
    store = "document.querySelector('rover-telemetry').store"
    page.evaluate(f"{store}.parameters.forEach(one => {store}.series(one.name)?.clear())")
    wait_for_value(page, newest_sample, "value > arg + 1", paused)
    assert page.evaluate(chart_end) == paused
    assert points
    assert points <= set(page.evaluate(shown))  # the history may extend the plot

    page.get_by_test_id("pause").click()
    wait_for_value(page, chart_end, "value > arg + 1", paused)


def test_in_a_silent_stream_alarms_are_not_current_and_an_acknowledgement_is_unconfirmed(
    start_server: StartServer, start_proxy: StartProxy, pages: Pages, tmp_path: Path
) -> None:
    source = ScriptedTelemetry([Sample(time.time(), {"battery": 20.0, "speed": 0.1})])
    server = start_server(lambda: scripted_mission(source, tmp_path), with_clock)
    proxy = start_proxy(server)
    page = pages.open(proxy.url)
    alarm = page.get_by_test_id("alarms").locator("[data-parameter=battery]")
    alarm.get_by_test_id("acknowledge").click()
    page.get_by_test_id("alarm-form").get_by_label("name").fill("Ada")
    proxy.swallows = True
    page.keyboard.press("Enter")
    run_clock(page, SILENT_SPEED)
    expect(page.get_by_test_id("alarms-silent")).to_be_visible()
    expect(alarm.get_by_test_id("alarm-action")).to_have_attribute("data-state", "unconfirmed")
    expect(page.get_by_test_id("alarm-counts")).to_have_attribute("data-unacknowledged", "1")


def test_an_alarm_is_shown_until_it_is_acknowledged(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    now = time.time()
    source = ScriptedTelemetry([Sample(now - 9, {"battery": 80.0, "speed": 0.1})])
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    battery = page.get_by_test_id("value-battery")
    expect(battery).to_have_attribute("data-level", "nominal")
    expect(page.get_by_test_id("alarms")).to_have_count(0)

    server.call(source.add, Sample(now - 8, {"battery": 44.0, "speed": 0.1}))
    alarm = page.get_by_test_id("alarms").locator("[data-parameter=battery]")
    expect(alarm).to_have_attribute("data-level", "caution")
    expect(alarm).to_contain_text("44.00 %")
    expect(alarm).to_contain_text("below 45 %")
    expect(alarm).to_contain_text(time.strftime("%H:%M:%SZ", time.gmtime(now - 8)))
    expect(battery).to_have_attribute("data-level", "caution")
    announcement = page.locator("alarm-strip").get_by_role("status")
    expect(announcement).to_contain_text("battery: caution")

    server.call(source.add, Sample(now - 7, {"battery": 45.1, "speed": 0.2}))  # within hysteresis
    expect(battery.locator(".value")).to_have_text("45.10 %")
    expect(alarm).to_be_visible()

    server.call(source.add, Sample(now - 6, {"battery": 20.0, "speed": 0.2}))
    expect(alarm).to_have_attribute("data-level", "alarm")
    expect(alarm).to_contain_text("below 25 %")
    page.get_by_test_id("table").click()
    assert accessibility_violations(page) == []
    second = pages.open(server.url)
    expect(second.get_by_test_id("alarms").get_by_role("listitem")).to_have_count(1)
    entered = announcement.inner_text()

    counts = page.get_by_test_id("alarm-counts")
    expect(counts).to_have_attribute("data-active", "1")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("alarm"))

    server.call(source.add, Sample(now - 5, {"battery": 80.0, "speed": 0.2}))
    expect(battery).to_have_attribute("data-level", "nominal")
    expect(alarm).to_have_attribute("data-state", "returned")
    expect(counts).to_have_attribute("data-active", "0")
    expect(counts).to_have_attribute("data-unacknowledged", "1")
    expect(announcement).not_to_have_text(entered)

    alarm.get_by_test_id("shelve").click()
    form = page.get_by_test_id("alarm-form")
    expect(form.get_by_label("name")).to_be_focused()
    assert accessibility_violations(page) == []
    page.keyboard.type("Ada")
    form.get_by_label("Comment").fill("known sensor fault")
    page.keyboard.press("Enter")
    for one in (page, second):
        shelved = one.get_by_test_id("alarms").locator("[data-shelved]")
        expect(shelved).to_contain_text("Ada")
        expect(shelved).to_contain_text("known sensor fault")
    expect(page).not_to_have_title(re.compile(r"^\("))
    assert page.evaluate("localStorage.getItem('rover.operator')") == "Ada"
    alarm.get_by_test_id("unshelve").click()
    expect(second.get_by_test_id("alarms").locator("[data-shelved]")).to_have_count(0)

    second.get_by_test_id("acknowledge").press("Enter")
    second.get_by_test_id("alarm-form").get_by_label("name").fill("Bo")
    second.keyboard.press("Enter")
    for one in (page, second):
        expect(one.get_by_test_id("alarms")).to_have_count(0)


def test_a_late_sample_does_not_change_the_latest_value(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    now = time.time()
    source = ScriptedTelemetry([Sample(now - 9, {"battery": 80.0, "speed": 0.1})])
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    value = page.get_by_test_id("value-battery").locator(".value")
    expect(value).to_have_text("80.00 %")

    server.call(source.add, Sample(now - 400, {"battery": 99.0, "speed": 0.3}))
    series = "document.querySelector('rover-telemetry').store.series('battery')"
    assert wait_for_value(page, f"{series}.length", "value === 2") == 2
    assert page.evaluate(f"{series}.newest - {series}.oldest") == pytest.approx(391, abs=0.002)
    expect(value).to_have_text("80.00 %")

    server.call(source.add, Sample(now - 5, {"battery": 79.0, "speed": 0.2}))
    expect(value).to_have_text("79.00 %")
    expect(page.get_by_test_id("values").locator(".card")).to_have_count(2)


def test_a_longer_time_window_loads_the_history(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    now = round(time.time())
    spike = now - 800
    history = [
        Sample(t, {"battery": 80.0, "speed": 9.0 if t == spike else 0.1})
        for t in range(now - 3000, now)
    ]
    server = start_server(lambda: scripted_mission(ScriptedTelemetry(history), tmp_path))
    page = pages.open(server.url)
    view = "document.querySelector('[data-testid=chart-speed]')?.view"
    first_time = f"{view}?.t[0]"
    wait_for_value(page, first_time, "value > arg", now - 70)
    page.get_by_test_id("window").select_option("15 min")
    wait_for_value(page, first_time, "value < arg", now - 890)
    assert 9 in page.evaluate(f"{view}.columns[0]")
    gaps_s = f"{view}.t.slice(1).map((t, i) => t - {view}.t[i])"
    assert max(page.evaluate(gaps_s)) < 10
    page.get_by_test_id("window").select_option("all")
    wait_for_value(page, first_time, "value === arg", now - 3000)


MARKS = """[...document.querySelectorAll('strip-chart')].map(one =>
  one.marks.map(({ tS, count, event }) => [tS, count, event.name]))"""


def test_events_are_marked_on_all_plots_and_selected_by_mouse_and_keyboard(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    now = round(time.time()) - 1
    fault = SourceEvent(now - 20, Severity.ERROR, "battery.fault", "cell 3 is open")
    old = SourceEvent(now - 600, Severity.INFO, "mode", "drive")
    samples = [Sample(now - s, {"battery": 80.0, "speed": 0.1}) for s in range(900, -1, -1)]
    source = ScriptedTelemetry([*samples, fault, old])
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    shown = wait_for_value(page, MARKS, "value.length === 2 && value[0].length === 1")
    assert shown == [[[now - 20, 1, "battery.fault"]]] * 2

    chart = page.get_by_test_id("chart-speed")
    plot = chart.locator(".u-over")
    box = plot.bounding_box()
    assert box is not None
    end = page.evaluate("document.querySelector('strip-chart').untilS")
    position = {"x": box["width"] * (1 - (end - now + 20) / 60) + 2, "y": box["height"] / 2}
    plot.hover(position=position)  # type: ignore[arg-type]
    expect(chart.get_by_test_id("mark")).to_contain_text("battery.fault")
    plot.click(position=position)  # type: ignore[arg-type]
    rows = page.get_by_test_id("event-rows").get_by_role("button")
    selected = page.get_by_test_id("event-rows").locator("[aria-pressed=true]")
    expect(rows).to_have_count(2)
    expect(selected).to_contain_text("battery.fault")
    page.mouse.move(1, 1)
    expect(page.get_by_test_id("mark")).to_have_count(1)
    assert accessibility_violations(page) == []

    server.call(source.add, SourceEvent(now + 0.5, Severity.INFO, "ahead"))
    rows.filter(has_text="ahead").click()  # the plots will reach it
    expect(selected).to_contain_text("ahead")
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "false")

    press_until_focused(page, rows.nth(2))
    page.keyboard.press("Enter")  # before the window: the plots go there
    expect(selected).to_contain_text("mode")
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "true")
    shown = wait_for_value(page, MARKS, "value[0][0]?.[2] === 'mode'")
    assert shown == [[[now - 600, 1, "mode"]]] * 2
    expect(page.get_by_test_id("mark")).to_contain_text("drive")
    points = "document.querySelector('[data-testid=chart-speed]').view.t.length"
    assert wait_for_value(page, points, "value > 50") > 50
    page.keyboard.press("Enter")
    expect(selected).to_have_count(0)
    expect(page.get_by_test_id("mark")).to_have_count(0)


def test_many_events_can_be_filtered_and_a_paused_plot_keeps_its_marks(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    now = round(time.time()) - 1
    # Every 20th event is an error: 30 of 600, and 15 of those from the last 30 seconds.
    events = [
        SourceEvent(now - n / 10, Severity.ERROR if n % 20 == 0 else Severity.INFO, f"name.{n % 3}")
        for n in range(600)
    ]
    source = ScriptedTelemetry([*events, Sample(now, {"battery": 80.0, "speed": 0.1})])
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    total = f"{MARKS}.map(one => one.reduce((sum, mark) => sum + mark[1], 0))"
    wait_for_value(page, total, "value.join() === '600,600'")  # the stream and GET /events
    assert max(len(marks) for marks in page.evaluate(MARKS)) <= 302

    page.get_by_test_id("events").locator("summary").click()
    page.get_by_test_id("event-severity").select_option("error")
    wait_for_value(page, total, "value.join() === '30,30'")
    expect(page.get_by_test_id("event-rows").get_by_role("button")).to_have_count(30)
    page.get_by_test_id("event-search").fill("NAME.0")
    expect(page.get_by_test_id("event-count")).to_contain_text("10 of 600")
    for width in viewports(page):
        assert accessibility_violations(page) == []
        assert page.evaluate(SCROLL_WIDTH) == width

    page.get_by_test_id("pause").click()
    server.call(source.add, SourceEvent(now + 0.5, Severity.ERROR, "name.0"))
    server.call(source.add, Sample(now + 1, {"battery": 70.0, "speed": 0.1}))
    expect(page.get_by_test_id("event-count")).to_contain_text("11 of 601")
    assert page.evaluate(total) == [10, 10]
    # Memory drops the events while the plot is paused.
    page.evaluate(
        """t => document.querySelector('rover-telemetry').store.events.add(
          Array.from({ length: 5000 }, (_, n) => ({ id: `flood-${n}`, severity: 'error',
            t: new Date(1000 * t + n).toISOString(), name: 'name.0', message: '', source: ''
          })))""",
        now + 2,
    )
    expect(page.get_by_test_id("event-count")).to_contain_text("5000 of 5000")
    assert page.evaluate(total) == [10, 10]
    page.get_by_test_id("pause").click()
    wait_for_value(page, total, "value.join() === '0,0'")


def test_the_newest_value_is_in_card_plot_and_table_in_one_frame(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    now = time.time()
    source = ScriptedTelemetry([Sample(now - 9, {"battery": 80.0, "speed": 0.1})])
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    texts = """(() => [...document.querySelectorAll(
      '[data-testid=value-battery] .value, [data-testid=strip-battery] .reading, tr.latest td')]
      .map(one => parseInt(one.textContent)))()"""
    wait_for_value(page, texts, "value.join() === '80,80'")
    page.get_by_test_id("table").click()
    for battery in (71.0, 62.0, 53.0):
        server.call(source.add, Sample(time.time(), {"battery": battery}))
        # The frame that first shows the value in the table shows it everywhere.
        seen = page.wait_for_function(
            """battery => {
              const number = one => parseInt(document.querySelector(one)?.textContent);
              const shown = [number('tr.latest td'), number('[data-testid=value-battery] .value')];
              return shown.includes(battery) && shown;
            }""",
            arg=battery,
        )
        assert seen.json_value() == [battery, battery]
    page.get_by_test_id("table").click()
    wait_for_value(page, texts, "value.join() === '53,53'")


def test_old_values_are_marked_with_their_age(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    source = ScriptedTelemetry([Sample(time.time(), {"battery": 80.0})])
    source.parameters = (
        Parameter("battery", "%", period_s=0.4),
        Parameter("speed", "m/s", period_s=600),
    )
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    battery = page.get_by_test_id("value-battery")
    expect(battery.locator(".age")).to_have_text(re.compile(r"^\d+ s old$"))
    expect(battery).to_have_attribute("data-stale", "")
    expect(page.get_by_test_id("strip-battery").locator(".age")).to_be_visible()
    server.call(source.add, Sample(time.time(), {"speed": 0.2}))
    page.get_by_test_id("value-speed").click()
    page.get_by_test_id("table").click()
    expect(page.locator("tr.latest td[data-stale]")).to_have_count(1)
    expect(page.get_by_test_id("value-speed").locator(".age")).to_have_count(0)
    assert accessibility_violations(page) == []


def test_an_outage_of_the_log_is_shown_while_it_lasts(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    mission = scripted_mission(ScriptedTelemetry(), tmp_path)
    server = start_server(lambda: mission)
    log = mission.log
    assert isinstance(log, MemoryLog)
    log.outage = Outage(1_790_000_000.0, "the disk is full")
    page = pages.open(server.url)
    shown = page.get_by_test_id("not-recording")
    expect(shown).to_contain_text("2026-09-21 14:13:20Z")
    expect(shown).to_have_attribute("title", "the disk is full")
    assert accessibility_violations(page) == []
    log.outage = None
    expect(shown).to_have_count(0)


def test_numbers_keep_their_unit_and_all_their_digits(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    values: dict[str, Value] = {
        "carrier": 1.25e15,
        "flux": 6.02e23,
        "ticks": 2**63 - 5,
        "drive_velocity": {"x": 1.0, "y": 2.0},
    }
    source = ScriptedTelemetry([Sample(time.time(), values)])
    source.parameters = (
        Parameter("carrier", "Hz"),
        Parameter("flux", "photons/s"),
        Parameter("ticks", kind="integer"),
        Parameter("drive_velocity", "m/s", "vector"),
    )
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    expect(page.get_by_test_id("value-carrier").locator(".value")).to_have_text("1.25 PHz")
    expect(page.get_by_test_id("value-flux").locator(".value")).to_contain_text("photons/s")
    ticks = page.get_by_test_id("value-ticks").locator(".value").inner_text()
    assert re.sub(r"\D", "", ticks) == str(2**63 - 5)
    cut = """[...document.querySelectorAll('.card .value')]
      .filter(one => one.scrollWidth > one.clientWidth + 1
        || one.getBoundingClientRect().right > one.closest('.card').getBoundingClientRect().right)
      .map(one => one.textContent)"""
    assert page.evaluate(cut) == []
    expect(page.get_by_test_id("value-drive_velocity").locator(".value")).to_be_visible()
    expect(page.get_by_test_id("map")).to_have_count(0)


def test_a_new_dictionary_applies_to_cards_groups_and_plots_at_once(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    source = ScriptedTelemetry([Sample(time.time(), {"battery": 80.0, "speed": 0.1})])
    server = start_server(lambda: scripted_mission(source, tmp_path))
    page = pages.open(server.url)
    battery = page.get_by_test_id("value-battery")
    expect(battery).to_have_attribute("data-level", "nominal")
    source.parameters = (
        Parameter("battery", "V", limits=Limits(red=(90, None)), group="power"),
        Parameter("current", "A", group="power"),
        Parameter("speed", "km/h", group="drive"),
        Parameter("heading", "deg", group="drive"),
    )
    server.call(source.add, Sample(time.time(), {"battery": 81.0, "speed": 0.2}))
    expect(battery.locator(".value")).to_have_text("81.00 V")
    expect(battery).to_have_attribute("data-level", "alarm")
    expect(page.get_by_test_id("strip-battery")).to_contain_text("81.00 V")
    expect(page.get_by_test_id("group")).to_have_count(2)
    expect(page.get_by_test_id("value-current")).to_be_visible()


class ManyParameters:
    """500 parameters in ten groups, one of which has a red value."""

    parameters = tuple(
        Parameter(f"part_{n % 10}.module.sensor_{n:03}_temperature", limits=Limits(red=(None, 499)))
        for n in range(500)
    )

    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(time.time(), {p.name: float(n + 0.5) for n, p in enumerate(self.parameters)})
        await sleep_forever()


def test_500_parameters_can_be_searched_and_only_visible_ones_are_rendered(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    server = start_server(
        lambda: MissionControl(
            Settings(data_dir=tmp_path), telemetry=ManyParameters(), camera="none:"
        )
    )
    page = pages.open(server.url, viewport=VIEWPORTS[0])
    cards = page.get_by_test_id("values").locator(".card")
    expect(cards).to_have_count(500)
    expect(page.get_by_test_id("group")).to_have_count(10)
    rendered = page.locator(".card .value")
    rendered.first.wait_for(state="attached")
    assert rendered.count() < 150
    last = page.get_by_test_id("value-part_9.module.sensor_499_temperature")
    last.scroll_into_view_if_needed()
    expect(last.locator(".value")).to_be_visible()
    expect(last.locator(".full")).to_have_text("part 9.module.sensor 499 temperature")

    page.get_by_test_id("only-alarms").click()
    expect(cards).to_have_count(1)
    page.get_by_test_id("only-alarms").click()
    page.get_by_test_id("search").fill("part 3 sensor_12")
    expect(cards).to_have_count(1)
    for width in viewports(page):
        assert accessibility_violations(page) == []
        assert page.evaluate(SCROLL_WIDTH) == width


def test_tabs_share_one_telemetry_stream(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    streams: list[OpenStreams] = []

    def counted(mission: MissionControl) -> OpenStreams:
        streams.append(OpenStreams(mission.app))
        return streams[-1]

    server = start_server(lambda: fast_mission(tmp_path), counted)
    profile = pages.profile(server.url)
    tabs = [profile.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(server.url)
    for tab in tabs:
        wait_until_live(tab)
    assert streams[0].count == 1
    tabs[0].close()
    newest = "document.querySelector('[data-testid=chart-speed]')?.view?.t.at(-1)"
    wait_for_value(tabs[1], newest, "value > arg", tabs[1].evaluate(newest))
    assert streams[0].count == 1


def test_a_poll_and_a_call_on_two_screens(quiet_server: MissionServer, pages: Pages) -> None:
    small, large = VIEWPORTS
    desktop = pages.open(quiet_server.url, viewport=large)
    phone = pages.open(quiet_server.url, viewport=small)
    join(desktop, "poll", "FD")
    join(phone, "poll", "CAPCOM")

    call_procedure(desktop, "Go for drive?", "FD, CAPCOM, EVA")
    poll = phone.get_by_test_id("poll")
    phone.get_by_role("button", name="NO-GO for CAPCOM").click()
    marks = desktop.get_by_test_id("poll").locator(".roll li")
    expect(marks).to_have_text(["FD waiting", "CAPCOM NO-GO", "EVA waiting"])
    expect(poll.get_by_role("button")).to_have_count(0)  # it has one vote
    assert accessibility_violations(desktop) == []
    desktop.get_by_role("button", name="GO for FD", exact=True).click()
    expect(poll.locator(".roll li")).to_have_text(["FD GO", "CAPCOM NO-GO", "EVA waiting"])

    third = pages.open(quiet_server.url)
    join(third, "poll", "EVA")
    third.get_by_role("button", name="GO for EVA", exact=True).click()
    for page in (desktop, phone, third):
        expect(page.get_by_test_id("poll")).to_have_count(0)
        expect(message(page, "Go for drive?").locator(".outcome")).to_contain_text("NO-GO")

    call_procedure(desktop, "Stow the mast", "", kind="call")
    phone.get_by_test_id("call").get_by_role("button", name="Acknowledge").click()
    expect(desktop.get_by_test_id("call").locator(".roll li")).to_have_text(
        ["CAPCOM acknowledged", "EVA waiting"]
    )
    assert phone.evaluate(SCROLL_WIDTH) == small["width"]
    third.get_by_test_id("call").get_by_role("button", name="Acknowledge").click()
    expect(phone.get_by_test_id("call")).to_have_count(0)


def call_procedure(page: Page, text: str, roll: str, kind: str = "poll") -> None:
    page.get_by_role("button", name="Poll or call").click()
    form = page.get_by_role("form", name="Poll or call")
    form.get_by_label("Kind").select_option(kind)
    form.get_by_label("Text").fill(text)
    form.get_by_label("Stations").fill(roll)
    form.get_by_role("button", name="Send").click()


def test_an_edited_and_a_retracted_message_show_what_they_were(
    quiet_server: MissionServer, pages: Pages
) -> None:
    first, second = pages.open(quiet_server.url), pages.open(quiet_server.url)
    join(first, "corrections", "Ada")
    join(second, "corrections", "Bo")
    send(first, "Drive at 12:00")
    send(first, "Never mind")
    original = second.locator(".message:not(.remark)")
    expect(original).to_have_count(2)
    expect(original.get_by_role("button")).to_have_count(0)  # they are of another member

    first.get_by_test_id("compose").fill("a draft")
    own = message(first, "Drive at 12:00")
    own.hover()
    own.get_by_role("button", name="Edit").click()
    expect(first.get_by_test_id("compose")).to_be_focused()
    send(first, "Drive at 13:00")
    expect(first.get_by_test_id("compose")).to_have_value("a draft")
    expect(original.first.locator("p").first).to_have_text("Drive at 13:00")
    original.first.get_by_text("Edited by Ada").click()
    expect(original.first.locator("del")).to_have_text("Drive at 12:00")

    own = message(first, "Never mind")
    own.hover()
    own.get_by_role("button", name="Retract").click()
    expect(original.last).to_contain_text("Retracted by Ada")


def test_members_of_a_channel_exchange_messages(quiet_server: MissionServer, pages: Pages) -> None:
    first, second = pages.open(quiet_server.url), pages.open(quiet_server.url)
    join(first, "two-members", "capcom")
    join(second, "two-members", "eecom")
    expect(members(first)).to_have_text(["capcom", "eecom"])
    expect(first.get_by_test_id("comms-state")).to_contain_text("2 members")

    send(first, "Go for drive.")
    expect(message(first, "Go for drive.")).to_have_attribute("data-state", "delivered")
    expect(message(second, "Go for drive.")).to_have_attribute("data-mine", "false")
    send(second, "Copy.")
    expect(message(first, "Copy.").locator(".from")).to_have_text("eecom")

    join(second, "another", "eecom")
    expect(message(second, "Go for drive.")).to_have_count(0)
    send(first, "@eecom, your status?")
    followed = second.get_by_test_id("followed").get_by_role("listitem")
    unread = followed.filter(has_text="two-members").locator(".unread")
    expect(unread).to_have_text("@1 unread, 1 mention")

    join(second, "two-members", "flight")
    expect(unread).to_have_count(0)
    expect(message(second, "Go for drive.")).to_have_count(1)
    send(second, "Flight is here.")
    expect(message(first, "Flight is here.").locator(".from")).to_have_text("flight")
    expect(members(first)).to_have_text(["capcom", "flight"])
    second.get_by_role("button", name="Leave two-members").click()
    expect(members(first)).to_have_text(["capcom"])


def test_a_rejected_command_file_has_findings_that_lead_to_their_lines_and_another_is_accepted(
    quiet_server: MissionServer, pages: Pages
) -> None:
    page = pages.open(quiet_server.url)
    upload(page, "fail-syntax.rcs")
    expect_verdict(page, "REJECTED")
    syntax = page.get_by_test_id("steps").locator("[data-step=syntax]")
    expect(syntax).to_have_attribute("data-state", "failed")
    findings = page.get_by_test_id("findings")
    typo = findings.get_by_role("row").filter(has_text="IMGE")
    expect(typo).to_have_attribute("data-severity", "error")
    expect(typo.locator(".place")).to_have_text("10:11")
    findings.get_by_title("Go to line 10", exact=True).first.click()
    line = page.get_by_test_id("source").locator("[aria-current=true]")
    expect(line).to_have_attribute("data-line", "10")
    expect(line).to_contain_text("IMGE")
    expect(line).to_be_in_viewport()

    page.reload()  # the page has the file no more, and the server has deleted it
    findings.get_by_title("Go to line 10", exact=True).first.click()
    expect(line).to_have_attribute("data-line", "10")
    expect(line).to_contain_text("IMGE")
    page.get_by_test_id("close").click()
    page.get_by_test_id("uploads").get_by_role("button", name="fail-syntax.rcs").click()
    findings.get_by_title("Go to line 10", exact=True).first.click()
    expect(line).to_contain_text("IMGE")
    page.get_by_test_id("back").click()

    upload(page, "warn-low-battery.rcs")
    expect_verdict(page, "COMPLETE")
    findings.locator("[data-severity=warning]").first.wait_for()
    expect(findings.locator("[data-severity=error]")).to_have_count(0)
    steps = page.get_by_test_id("steps").get_by_role("listitem")
    assert steps.evaluate_all("all => all.map(one => one.dataset.step)") == STEPS
    assert steps.evaluate_all("all => all.map(one => one.dataset.state)") == ["passed"] * 6
    digest = page.get_by_test_id("verdict").locator("code")
    expect(digest).to_have_text(re.compile("^[0-9a-f]{64}$"))


def test_an_upload_is_followed_after_a_reload(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    slow = SimulatedValidator(pace_s=0.5)
    settings = Settings(data_dir=tmp_path, camera="none:")
    page = pages.open(start_server(lambda: MissionControl(settings, commands=slow)).url)
    upload(page, "pass-first-drive.rcs")
    page.get_by_test_id("steps").locator("[data-state=running]").wait_for()
    page.reload()
    expect_verdict(page, "COMPLETE")
    steps = page.get_by_test_id("steps").locator("[data-state=passed]")
    expect(steps).to_have_count(6)


def test_a_file_that_the_validator_does_not_check_is_not_sent(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    program = tmp_path / "check"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    url = f"cmd:{program}?suffixes=.seq&max_bytes=100"
    server = start_server(lambda: MissionControl(Settings(data_dir=tmp_path), commands=url))
    page = pages.open(server.url)
    field = page.get_by_test_id("file")
    expect(field).to_have_attribute("accept", ".seq")
    sent: list[str] = []
    page.on("request", lambda one: sent.extend([one.url] * (one.method == "POST")))
    for name, size in (("a.txt", 5), ("b.seq", 101), ("c.seq", 0)):
        content = b"x" * size
        field.set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})
        expect_verdict(page, "REFUSED")
    assert sent == []
    field.set_input_files({"name": "D.SEQ", "mimeType": "text/plain", "buffer": b"x" * 100})
    expect_verdict(page, "COMPLETE")
    expect(page.get_by_test_id("steps").locator("[data-state=passed]")).to_have_count(1)


def test_the_progress_of_a_silent_program_is_shown_and_its_check_can_be_cancelled(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    program = tmp_path / "check"
    report = '{"type": "progress", "line": %d, "lines": 60, "fraction": 0.1}'
    first, second = (f"echo '{report % line}'" for line in (1, 7))
    program.write_text(f"#!/bin/sh\n{first}; sleep 0.3; {second}; sleep 60\n")
    program.chmod(0o700)
    url = f"cmd:{program}"
    server = start_server(lambda: MissionControl(Settings(data_dir=tmp_path), commands=url))
    page = pages.open(server.url)
    upload(page, "pass-drill.rcs")
    expect(page.get_by_test_id("lines")).to_have_text(re.compile(r"line 7 of 60 · .+ lines/s"))
    page.get_by_test_id("cancel").click()
    expect_verdict(page, "FAILED")
    step = page.get_by_test_id("steps").get_by_role("listitem")
    expect(step).to_have_attribute("data-state", "skipped")
    expect(step).to_contain_text("cancelled")


def test_a_sequence_is_released_on_the_page_and_acknowledged(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path, camera="none:", light_time_s=1, light_time_parameter="missing"
    )
    validator = SimulatedValidator(pace_s=0)
    server = start_server(
        lambda: MissionControl(settings, commands=validator, uplink="sim:?delay_s=0.5")
    )
    page = pages.open(server.url)
    upload(page, "pass-drill.rcs")
    expect_verdict(page, "COMPLETE")
    page.get_by_test_id("open-report").click()
    sending = page.get_by_test_id("sending")
    expect(sending).to_have_attribute("data-state", "queued")
    released: list[str] = []
    page.on("request", lambda one: released.extend([one.url] * one.url.endswith("/release")))
    expect(page.get_by_test_id("light-time-problem")).to_contain_text("missing")
    sending.get_by_label("Your name").fill("Ada")
    sending.get_by_label("Your name").press("Enter")
    sending.get_by_label("Not before").fill("2025-12-01T00:00")
    page.get_by_test_id("release").click()
    assert sending.locator("input:invalid").count() == 1  # the browser asks for a later time
    sending.get_by_label("Not before").fill("")
    page.get_by_test_id("release").click()
    expect(sending).to_have_attribute("data-state", "acknowledged")
    states = page.get_by_test_id("timeline").get_by_role("listitem")
    assert states.evaluate_all("all => all.map(one => one.dataset.state)") == [
        "queued",
        "released",
        "sending",
        "sent",
        "acknowledged",
    ]
    assert len(released) == 1  # by the button, not by Enter in a field
    with page.expect_download() as download:
        page.get_by_test_id("artifact").click()
    assert json.loads(download.value.path().read_bytes())["commands"]
    page.get_by_test_id("back").click()
    listed = page.get_by_test_id("uploads").get_by_role("listitem")
    expect(listed).to_have_attribute("data-state", "acknowledged")


def test_the_page_reconnects_after_a_server_restart(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    pages.allow("net::ERR_CONNECTION_REFUSED", "net::ERR_CONNECTION_RESET", "503", "net::ERR_EMPTY")
    pages.allow("/thumbnail?")  # of an image that only the first server has
    server = start_server(lambda: fast_mission(tmp_path), with_clock)
    page = pages.open(server.url)
    wait_until_live(page)
    join(page, "restart", "capcom")
    send(page, "Before.")
    expect(message(page, "Before.")).to_have_attribute("data-state", "delivered")

    server.stop()
    run_clock(page, RETRY_SPEED)
    lost = re.compile("reconnecting|silent|disconnected")
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", lost)
    expect(page.get_by_test_id("comms-state")).not_to_have_attribute("data-state", "open")
    send(page, "Meanwhile.")
    expect(message(page, "Meanwhile.")).to_have_attribute("data-state", "queued")

    server.start()
    wait_until_live(page)
    expect(page.get_by_test_id("gap")).to_be_visible()
    expect(message(page, "Meanwhile.")).to_have_attribute("data-state", "delivered")
    expect(message(page, "Meanwhile.")).to_have_count(1)

    other = pages.open(server.url)
    join(other, "restart", "eecom")
    expect(message(other, "Meanwhile.")).to_have_count(1)


def test_a_half_open_connection_is_noticed_and_replaced(
    start_server: StartServer, start_proxy: StartProxy, pages: Pages, tmp_path: Path
) -> None:
    state = "data-state"
    server = start_server(lambda: fast_mission(tmp_path), with_clock)
    proxy = start_proxy(server)
    page = pages.open(proxy.url)
    wait_until_live(page)
    join(page, "half-open", "capcom")
    expect(page.get_by_test_id("sources")).to_contain_text("live")

    proxy.swallows = True
    send(page, "Hold the drive.")
    run_clock(page, SILENT_SPEED)
    expect(page.get_by_test_id("connection")).to_have_attribute(state, "silent")
    expect(page.get_by_test_id("sources")).not_to_contain_text("live")
    expect(page.get_by_test_id("time")).not_to_contain_text("LIVE")
    expect(page.get_by_test_id("connection").locator(".count")).to_have_text(re.compile(r"^\d+ s$"))
    expect(page.get_by_test_id("values")).to_have_attribute("data-old", "true")
    expect(page.get_by_test_id("comms-state")).not_to_have_attribute(state, "open")
    expect(message(page, "Hold the drive.")).to_have_attribute(state, "unconfirmed")

    run_clock(page, RETRY_SPEED)
    proxy.swallows = False
    wait_until_live(page)
    expect(page.get_by_test_id("sources")).to_contain_text("live")
    expect(page.get_by_test_id("time")).to_contain_text("LIVE")
    expect(page.get_by_test_id("values")).to_have_attribute("data-old", "false")
    expect(message(page, "Hold the drive.")).to_have_attribute(state, "delivered")
    expect(message(page, "Hold the drive.")).to_have_count(1)
    other = pages.open(server.url)
    join(other, "half-open", "eecom")
    expect(message(other, "Hold the drive.")).to_have_count(1)


def test_the_verdict_of_an_upload_is_read_after_a_half_open_connection(
    start_server: StartServer, start_proxy: StartProxy, pages: Pages, tmp_path: Path
) -> None:
    slow = SimulatedValidator(pace_s=0.5)
    settings = Settings(data_dir=tmp_path, camera="none:")
    server = start_server(lambda: MissionControl(settings, commands=slow), with_clock)
    proxy = start_proxy(server)
    page = pages.open(proxy.url)
    upload(page, "pass-first-drive.rcs")
    page.get_by_test_id("steps").locator("[data-state=running]").wait_for()
    proxy.swallows = True
    run_clock(page, SILENT_SPEED)
    silent = page.get_by_test_id("upload-silent")
    expect(silent).to_contain_text(re.compile(r"[1-9]\d s"))
    expect(page.get_by_test_id("verdict")).to_have_count(0)
    run_clock(page, RETRY_SPEED)
    proxy.swallows = False
    expect_verdict(page, "COMPLETE")
    expect(silent).to_have_count(0)


def test_simulated_sources_and_parts_that_are_off_are_labelled(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, telemetry="sim:", camera="none:", commands="none:")
    page = pages.open(start_server(lambda: MissionControl(settings)).url)
    wait_until_live(page)
    expect(page.get_by_test_id("sources").locator(".simulated")).to_have_count(1)
    expect(page.locator("rover-telemetry").get_by_test_id("simulated")).to_be_visible()
    for panel in ("rover-image", "rover-commands"):
        expect(page.locator(panel).get_by_test_id("source-state")).to_have_text("off")
        expect(page.locator(panel).get_by_test_id("simulated")).to_have_count(0)
    for promise in ("follow-latest", "file"):
        expect(page.get_by_test_id(promise)).to_have_count(0)


def test_unusable_values_are_counted_with_the_last_reason(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    unusable: Any = object()
    now = time.time()
    source = ScriptedTelemetry([Sample(now - 1, {"battery": 80.0, "speed": unusable})])
    page = pages.open(start_server(lambda: scripted_mission(source, tmp_path)).url)
    label = page.locator("rover-telemetry").get_by_test_id("unusable")
    expect(label).to_contain_text(re.compile(r"\b1\b.*speed"))
    expect(page.get_by_test_id("value-battery")).to_be_visible()


def test_the_page_works_under_a_prefix(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    def mounted(mission: MissionControl) -> Starlette:
        return Starlette(routes=[Mount("/deep/rover", mission.app)], lifespan=mission.lifespan)

    server = start_server(lambda: fast_mission(tmp_path), mounted)
    page = pages.open(server.url + "deep/rover/")
    wait_until_live(page)
    expect(page.get_by_test_id("image-state")).to_have_attribute("data-state", "complete")
    join(page, "deep", "capcom")
    send(page, "Under a prefix.")
    expect(message(page, "Under a prefix.")).to_have_attribute("data-state", "delivered")
    upload(page, "pass-drill.rcs")
    expect_verdict(page, "COMPLETE")


def sign_in(page: Page, token: str = TOKEN) -> None:
    page.get_by_label("Access token").fill(token)
    page.keyboard.press("Enter")
    wait_until_live(page)


def test_a_token_in_the_url_becomes_a_session(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    server = start_server(lambda: quiet_mission(tmp_path, tokens=TOKEN))
    page = pages.open(f"{server.url}?token={TOKEN}")
    wait_until_live(page)
    assert page.url == server.url
    upload(page, "pass-night.rcs")
    expect_verdict(page, "COMPLETE")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in cookie["value"]


def test_a_person_signs_in_and_out(start_server: StartServer, pages: Pages, tmp_path: Path) -> None:
    pages.allow("401")
    server = start_server(lambda: quiet_mission(tmp_path, tokens=TOKEN))
    page = pages.open(server.url)
    assert accessibility_violations(page) == []
    page.get_by_label("Access token").fill("wrong-wrong-wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert accessibility_violations(page) == []
    sign_in(page)
    assert page.url == server.url
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_label("Access token")).to_be_visible()
    assert "rover_session" not in str(page.context.cookies())
    page.goto(server.url)
    expect(page.locator("mission-control")).to_have_count(0)


def test_a_page_whose_session_ends_keeps_a_draft_and_continues_after_signing_in(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    pages.allow("401", "WebSocket")
    mission = quiet_mission(tmp_path, tokens=TOKEN)
    server = start_server(lambda: mission)
    page = pages.open(server.url)
    sign_in(page)
    join(page, "flight", "capcom")
    page.get_by_test_id("compose").fill("half a thought")
    cookies = {c.get("name", ""): c.get("value", "") for c in page.context.cookies()}
    [session] = [value for name, value in cookies.items() if "session" in name]
    server.call(mission.sign_ins.sessions.end, session.partition("_")[0])
    expect(page.get_by_test_id("signed-out")).to_be_visible()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "signed-out")
    expect(page.get_by_test_id("comms-state")).not_to_have_attribute("data-state", "open")
    assert accessibility_violations(page) == []
    with page.context.expect_page() as opened:
        page.get_by_test_id("signed-out").get_by_role("link").click()
    sign_in(opened.value)
    expect(page.get_by_test_id("signed-out")).to_have_count(0)
    wait_until_live(page)
    expect(page.get_by_test_id("comms-state")).to_have_attribute("data-state", "open")
    expect(page.get_by_test_id("compose")).to_have_value("half a thought")


def test_a_link_of_another_site_signs_in_after_a_button_and_finds_a_session(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    pages.allow("401", "other.example")
    server = start_server(lambda: quiet_mission(tmp_path, tokens=TOKEN))
    page = pages.profile(server.url).new_page()
    links = f'<a href="{server.url}?token={TOKEN}">one</a> <a href="{server.url}">two</a>'
    page.route("http://other.example/", lambda route: route.fulfill(body=links, content_type=HTML))
    page.goto("http://other.example/")
    page.get_by_role("link", name="one").click()
    page.get_by_role("button", name="Sign in").click()
    wait_until_live(page)
    page.goto("http://other.example/")
    page.get_by_role("link", name="two").click()  # the browser sends no strict cookie at first
    wait_until_live(page)
    assert page.url == server.url


def test_real_mission_data_is_shown(
    start_server: StartServer, pages: Pages, tmp_path: Path, shared_data: Path
) -> None:
    (camera := tmp_path / "camera").mkdir()
    mosaic = shared_data / "images" / "N_L000_1051_ILT048CYL_S_2470_UNCORM1.jpg"
    (camera / mosaic.name).write_bytes(mosaic.read_bytes())
    settings = Settings(
        data_dir=tmp_path / "data",
        camera=f"dir:{camera}",
        telemetry=f"replay:{shared_data / 'telemetry' / 'rover-drive.csv'}?speed=4",
    )
    server = start_server(lambda: MissionControl(settings))
    page = pages.open(server.url)
    page.get_by_test_id("filmstrip").get_by_role("button", name="N_L000_1051").click()
    expect(page.get_by_test_id("image-state")).to_have_attribute("data-state", "complete")
    width = "document.querySelector('image-stage img.front')?.naturalWidth"
    wait_for_value(page, width, "value === 7696")
    assert page.locator("image-stage img.front").evaluate(IMAGE_SIZE) == [7696, 1800]
    expect(page.locator(".caption")).to_contain_text("7696 \N{MULTIPLICATION SIGN} 1800")

    position = page.get_by_test_id("value-X_Position").locator(".value")
    before = position.inner_text()
    expect(position).not_to_have_text(before)
    expect(page.get_by_test_id("map").locator("path.track")).to_be_visible()


def test_the_page_is_accessible_and_fits_the_screen(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url)
    wait_until_live(page)
    send(page, "For the record.")
    upload(page, "fail-syntax.rcs")
    page.get_by_test_id("findings").wait_for()
    for width in viewports(page):
        assert accessibility_violations(page) == []
        assert page.evaluate(SCROLL_WIDTH) == width
        for panel in ("rover-image", "rover-telemetry", "rover-comms", "rover-commands"):
            box = page.locator(panel).bounding_box()
            assert box is not None
            assert box["width"] > 200
            assert box["x"] + box["width"] <= width


def test_the_page_works_with_the_keyboard_alone(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url)
    wait_until_live(page)
    card = page.get_by_test_id("value-solar_power")
    press_until_focused(page, card)
    plotted = card.get_attribute("aria-pressed")
    page.keyboard.press("Space")
    expect(card).not_to_have_attribute("aria-pressed", str(plotted))
    expect(page.get_by_test_id("chart-solar_power")).to_be_visible()

    press_until_focused(page, page.get_by_test_id("compose"))
    page.keyboard.type("No mouse here.")
    page.keyboard.press("Enter")
    expect(message(page, "No mouse here.")).to_have_attribute("data-state", "delivered")

    press_until_focused(page, page.get_by_test_id("pause"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "true")


def test_reduced_motion_slows_updates_and_stops_animations(
    server: MissionServer, pages: Pages
) -> None:
    update_gaps_ms = """() => new Promise((resolve) => {
        const card = document.querySelector('[data-testid=value-motor_temperature] .value');
        const times = [];
        new MutationObserver(() => {
            times.push(performance.now());
            if (times.length === 3) resolve(times.slice(1).map((t, i) => t - times[i]));
        }).observe(card, { subtree: true, characterData: true, childList: true });
    })"""
    reduced = pages.open(server.url, reduced_motion="reduce")
    reduced.get_by_test_id("value-motor_temperature").wait_for()
    assert min(reduced.evaluate(update_gaps_ms)) > 800
    assert reduced.evaluate("document.getAnimations().length") == 0

    full = pages.open(server.url, reduced_motion="no-preference")
    full.get_by_test_id("value-motor_temperature").wait_for()
    assert min(full.evaluate(update_gaps_ms)) < 800


def test_errors_of_a_page_fail_its_test(quiet_server: MissionServer, pages: Pages) -> None:
    page = pages.open(quiet_server.url)
    with page.expect_console_message(lambda message: "connect-src" in message.text):
        page.evaluate("fetch('http://192.0.2.1/').catch(() => undefined)")
    with page.expect_console_message(lambda message: "logged" in message.text):
        page.evaluate("console.error('logged')")
    with page.expect_response(lambda response: response.status == 404):
        page.evaluate("fetch('no-such-path').then(() => undefined)")
    with page.context.expect_event("weberror"):
        page.evaluate("void setTimeout(() => { throw new Error('thrown') })")
    with pytest.raises(AssertionError) as raised:
        pages.close()
    for error in ("connect-src", "logged", "404", "thrown"):
        assert error in str(raised.value)


def test_older_images_are_loaded_when_the_strip_is_scrolled(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    folder = tmp_path / "camera" / "sol24"
    folder.mkdir(parents=True)
    for number in range(60):
        Image.new("RGB", (8, 8), (4 * number, 0, 0)).save(folder / f"{number}.png")
    settings = Settings(
        data_dir=tmp_path / "data", camera=f"dir:{folder.parent}", telemetry="none:"
    )
    server = start_server(lambda: MissionControl(settings))
    page = pages.open(server.url)
    strip = page.get_by_test_id("filmstrip")
    expect(strip.locator("li")).to_have_count(24)
    for listed in (48, 60):
        strip.evaluate("strip => strip.scrollTo(strip.scrollWidth, 0)")
        expect(strip.locator("li")).to_have_count(listed)
    page.get_by_role("button", name="Compare").click()
    strip.locator("button").last.click()
    expect(page.get_by_test_id("compared").locator("img")).to_be_visible()
    page.get_by_role("button", name="Video").click()
    wait_for_value(page, "document.querySelector('[data-testid=video]')?.naturalWidth", "value > 0")


def test_a_camera_without_images_shows_its_video_and_no_image_of_another(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    record(tmp_path / "drive.avi", "mjpeg")
    config = tmp_path / "rover.toml"
    config.write_text(
        f"""
        [settings]
        data_dir = "data"
        [telemetry]
        source = "none:"
        [camera.mast]
        source = "dir:{tmp_path}/images"
        [camera.film]
        source = "av:{tmp_path}/drive.avi?still_s=0"
        """
    )
    server = start_server(lambda: MissionControl(config=Config.load(config, {})))
    page = pages.open(server.url)
    shown = page.get_by_test_id("image-state")
    expect(shown).to_have_attribute("data-state", "complete")
    page.get_by_test_id("camera").select_option("film")
    expect(shown).to_have_count(0)
    page.get_by_role("button", name="Video").click()
    wait_for_value(page, "document.querySelector('[data-testid=video]')?.naturalWidth", "value > 0")
    page.get_by_role("button", name="Video").click()
    page.get_by_test_id("camera").select_option("mast")
    expect(shown).to_have_attribute("data-state", "complete")


def test_an_image_has_the_name_of_its_camera_and_is_shown_above_no_other_image(
    start_server: StartServer, pages: Pages, tmp_path: Path
) -> None:
    for folder, name in (("mast", "a.png"), ("mast", "b.tif"), ("belly", "c.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.effect_noise((80, 80), 60).save(tmp_path / folder / name)
    half = tmp_path / "belly" / "c.png"
    half.write_bytes(half.read_bytes()[:3_000])
    config = tmp_path / "rover.toml"
    config.write_text(
        f"""
        [settings]
        data_dir = "data"
        [telemetry]
        source = "none:"
        [camera.mast]
        source = "dir:{tmp_path}/mast"
        [camera.belly]
        source = "dir:{tmp_path}/belly"
        """
    )
    server = start_server(lambda: MissionControl(config=Config.load(config, {})))
    page = pages.open(server.url)
    state, drawn = page.get_by_test_id("image-state"), page.locator("image-stage img")
    names = page.get_by_test_id("filmstrip").locator(".camera")
    expect(names).to_have_text(["belly", "mast", "mast"])
    page.get_by_test_id("filmstrip").get_by_role("button").filter(has_text="a.png").click()
    expect(page.get_by_test_id("image-camera")).to_contain_text("mast")
    page.get_by_test_id("camera").select_option("mast")
    strip = page.get_by_test_id("filmstrip").get_by_role("button")
    for _ in range(2):
        strip.filter(has_text="a.png").click()
        expect(state).to_have_attribute("data-state", "complete")
        expect(drawn).to_have_count(1)
        strip.filter(has_text="b.tif").click()
        expect(page.get_by_test_id("image-copy")).to_be_visible()
        expect(drawn).to_have_count(0)
    strip.filter(has_text="a.png").click()
    expect(drawn).to_have_count(1)
    page.get_by_test_id("camera").select_option("belly")
    expect(page.locator("rover-image .id")).to_have_text("c.png")
    expect(page.locator("image-stage img.front")).to_be_visible()
    expect(drawn).to_have_count(1)
