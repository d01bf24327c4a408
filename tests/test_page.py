"""The page in a real browser, over a real server: what a person sees and does there."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import sleep
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.routing import Mount

from rover.mission import MissionControl
from rover.settings import Settings
from sources.base import Limits, Parameter, Sample
from sources.simulated.camera import SimulatedCamera
from sources.simulated.telemetry import SimulatedTelemetry
from sources.simulated.validator import SimulatedValidator
from tests.browser import Station, Visits, chromium, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Locator, Page

    Start = Callable[..., Station]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "docs" / "samples"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
STEPS = ["syntax", "checksum", "power", "thermal", "timing", "safety"]
PIXELS = "image => [image.naturalWidth, image.naturalHeight]"
PHONE = {"width": 390, "height": 844}


def lively(data_dir: Path, *, link_kbps: float = 400, **settings: Any) -> MissionControl:
    """A simulated mission that shows within seconds what else takes minutes."""
    return MissionControl(
        Settings(data_dir=data_dir, retry_ms=100, **settings),
        telemetry=SimulatedTelemetry(rate_hz=10),
        camera=SimulatedCamera(width=512, height=256, link_kbps=link_kbps, period_s=6),
        commands=SimulatedValidator(pace_s=0.05),
    )


class Scripted:
    """Telemetry that says what the test has it say."""

    parameters = (
        Parameter("battery", "%", limits=Limits(yellow=(45, None), red=(25, None))),
        Parameter("speed", "m/s"),
    )

    def __init__(self, said: Sequence[Sample] = ()) -> None:
        self.said = list(said)

    async def samples(self) -> AsyncIterator[Sample]:
        told = 0
        while True:
            while told < len(self.said):
                yield self.said[told]
                told += 1
            await sleep(0.02)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stations:
        yield lambda *args: stations.enter_context(Station(*args))


@pytest.fixture
def visit(browser: Browser, start: Start) -> Iterator[Visits]:  # which it closes before
    visits = Visits(browser)
    yield visits
    visits.close()


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    data_dir = tmp_path_factory.mktemp("rover-data")
    # slow enough that a picture is seen to grow for some seconds
    with Station(lambda: lively(data_dir, link_kbps=64)) as station:
        yield station


def scripted(source: Scripted, data_dir: Path) -> MissionControl:
    camera = SimulatedCamera(width=64, height=32)
    return MissionControl(Settings(data_dir=data_dir), telemetry=source, camera=camera)


def wait_until_live(page: Page) -> None:
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    expect(page.get_by_test_id("comms-state")).to_have_attribute("data-state", "open")


def join(page: Page, channel: str, name: str) -> None:
    page.get_by_test_id("channel").fill(channel)
    page.get_by_test_id("name").fill(name)
    page.get_by_test_id("name").press("Enter")
    expect(
        page.get_by_test_id("members").get_by_role("listitem").filter(has_text=name)
    ).to_have_count(1)


def say(page: Page, text: str) -> None:
    page.get_by_test_id("compose").fill(text)
    page.get_by_test_id("compose").press("Enter")


def message(page: Page, text: str) -> Locator:
    return page.get_by_test_id("log").locator(".message").filter(has_text=text)


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press a key until the focus is where it should be, as who has no mouse does."""
    for _ in range(60):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"60 times {key} did not lead there")


def barriers(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds: each rule that is broken, and where."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


# ---------------------------------------------------------------------------------- pictures


def test_a_picture_grows_before_the_eyes_with_a_bar_that_moves(
    station: Station, visit: Visits
) -> None:
    page = visit(station.url)
    seen = page.evaluate(
        """() => new Promise((resolve) => {
            const bars = new Set(), sizes = new Set();
            const look = () => {
                const state = document.querySelector('[data-testid=image-state]')?.dataset.state;
                if (state === 'arriving') {
                    bars.add(document.querySelector('rover-image progress').value);
                    sizes.add(document.querySelector('image-stage').blob?.size ?? 0);
                } else if (state === 'complete' && bars.size > 2) {
                    resolve({ bars: [...bars], sizes: [...sizes] });
                    return;
                }
                requestAnimationFrame(look);
            };
            look();
        })"""
    )
    assert seen["bars"] == sorted(seen["bars"])
    assert len(seen["bars"]) >= 5
    assert len(seen["sizes"]) >= 3
    expect(page.get_by_test_id("image-state")).to_contain_text("SHA-256 verified")
    [drawn] = page.locator("image-stage img").all()
    assert drawn.evaluate(PIXELS) == [512, 256]


# --------------------------------------------------------------------------------- telemetry


def test_values_are_shown_and_change(station: Station, visit: Visits) -> None:
    page = visit(station.url)
    wait_until_live(page)
    value = page.get_by_test_id("value-motor_temperature").locator(".value")
    before = value.inner_text()
    assert "°C" in before
    expect(value).not_to_have_text(before)
    expect(page.get_by_test_id("values").locator(".card")).to_have_count(25)
    expect(page.get_by_test_id("map").locator("svg")).to_be_visible()


def test_a_plot_stands_still_while_it_is_paused(station: Station, visit: Visits) -> None:
    page = visit(station.url)
    wait_until_live(page)
    until = "document.querySelector('strip-chart').untilS"
    eventually(lambda: page.evaluate("document.querySelector('strip-chart') !== null"))
    running = page.evaluate(until)
    eventually(lambda: page.evaluate(until) > running)

    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "true")
    paused = page.evaluate(until)
    newest = "document.querySelector('rover-telemetry').store.ring.newest"
    eventually(lambda: page.evaluate(newest) > paused + 1)  # samples come on
    assert page.evaluate(until) == paused

    page.get_by_test_id("pause").click()
    eventually(lambda: page.evaluate(until) > paused + 1)


def test_a_plot_can_be_read_as_a_table(station: Station, visit: Visits) -> None:
    page = visit(station.url)
    wait_until_live(page)
    page.get_by_test_id("value-motor_temperature").click()
    page.get_by_test_id("table").click()
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader", name="motor temperature, °C")).to_be_visible()
    rows = table.locator("tbody tr")
    eventually(lambda: rows.count() > 10)
    assert rows.first.locator("th").inner_text() > rows.nth(5).locator("th").inner_text()


def test_alarms_stand_until_they_are_over_and_late_samples_change_nothing(
    start: Start, visit: Visits, tmp_path: Path
) -> None:
    now = time.time()
    source = Scripted([Sample(now - 9, {"battery": 80.0, "speed": 0.1})])
    station = start(lambda: scripted(source, tmp_path))
    page = visit(station.url)
    battery = page.get_by_test_id("value-battery")
    expect(battery).to_have_attribute("data-level", "nominal")
    expect(page.get_by_test_id("alarms")).to_have_count(0)

    source.said.append(Sample(now - 8, {"battery": 44.0, "speed": 0.1}))
    alarm = page.get_by_test_id("alarms").locator("[data-parameter=battery]")
    expect(alarm).to_contain_text("caution")
    expect(alarm).to_contain_text("44.00 %")
    expect(alarm).to_contain_text("below 45 %")
    started = time.strftime("%H:%M:%SZ", time.gmtime(now - 8))
    expect(alarm).to_contain_text(f"since {started}")
    expect(battery).to_have_attribute("data-level", "caution")
    told = page.locator("alarm-strip").get_by_role("status")
    expect(told).to_have_text("battery: caution, too low")

    source.said.append(Sample(now - 7, {"battery": 45.1, "speed": 0.2}))  # within hysteresis
    expect(page.get_by_test_id("value-battery").locator(".value")).to_have_text("45.10 %")
    expect(alarm).to_be_visible()

    source.said.append(Sample(now - 6, {"battery": 20.0, "speed": 0.2}))
    expect(alarm).to_have_attribute("data-level", "alarm")
    expect(alarm).to_contain_text("below 25 %")

    page.get_by_test_id("table").click()
    assert barriers(page) == []

    second = visit(station.url)  # who comes later sees it too
    expect(second.get_by_test_id("alarms").get_by_role("listitem")).to_have_count(1)

    source.said.append(Sample(now - 400, {"battery": 99.0, "speed": 0.3}))
    source.said.append(Sample(now - 5, {"battery": 19.0, "speed": 0.2}))
    expect(battery.locator(".value")).to_have_text("19.00 %")
    ring = "document.querySelector('rover-telemetry').store.ring"
    assert page.evaluate(f"[{ring}.length, {ring}.newest - {ring}.oldest]") == [6, 395]
    expect(page.get_by_test_id("values").locator(".card")).to_have_count(2)

    source.said.append(Sample(now - 4, {"battery": 80.0, "speed": 0.2}))
    expect(page.get_by_test_id("alarms")).to_have_count(0)
    expect(told).to_have_text("battery: back within its limits")
    expect(battery).to_have_attribute("data-level", "nominal")


def test_a_longer_window_reaches_back_into_the_servers_history(
    start: Start, visit: Visits, tmp_path: Path
) -> None:
    now = round(time.time())
    spike = now - 800
    past = [
        Sample(t, {"battery": 80.0, "speed": 9.0 if t == spike else 0.1})
        for t in range(now - 3000, now)
    ]
    station = start(lambda: scripted(Scripted(past), tmp_path))
    page = visit(station.url)
    page.get_by_test_id("value-speed").wait_for()
    first = "document.querySelector('strip-chart[data-testid=chart-speed]').view.t[0]"
    eventually(lambda: page.evaluate(first) > now - 70)
    page.get_by_test_id("window").select_option("15 min")
    eventually(lambda: page.evaluate(first) < now - 890)
    view = "document.querySelector('strip-chart[data-testid=chart-speed]').view.columns[0]"
    assert 9 in page.evaluate(view)
    page.get_by_test_id("window").select_option("all")
    eventually(lambda: page.evaluate(first) == now - 3000)


def test_three_tabs_share_one_event_stream(start: Start, visit: Visits, tmp_path: Path) -> None:
    station = start(lambda: lively(tmp_path))
    profile = visit.profile(station.url)
    tabs = [profile.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(station.url)
    for tab in tabs:
        wait_until_live(tab)
    eventually(lambda: len(station.mission.serving.streams) == 1)
    tabs[0].close()
    heading = tabs[1].get_by_test_id("value-heading").locator(".value")
    expect(heading).not_to_have_text(heading.inner_text())
    assert len(station.mission.serving.streams) == 1


# ------------------------------------------------------------------------------------- comms


def test_two_people_talk(station: Station, visit: Visits) -> None:
    here, there = visit(station.url), visit(station.url)
    join(here, "two-people", "capcom")
    join(there, "two-people", "eecom")
    expect(here.get_by_test_id("members").get_by_role("listitem")).to_have_text(["capcom", "eecom"])
    expect(here.get_by_test_id("comms-state")).to_contain_text("2 members")

    say(here, "Go for drive.")
    expect(message(here, "Go for drive.")).to_contain_text("delivered")
    expect(message(there, "Go for drive.")).to_have_attribute("data-mine", "false")
    say(there, "Copy.")
    expect(message(here, "Copy.")).to_contain_text("eecom")

    join(there, "elsewhere", "eecom")
    expect(message(there, "Go for drive.")).to_have_count(0)
    expect(here.get_by_test_id("members").get_by_role("listitem")).to_have_text(["capcom"])

    join(there, "two-people", "flight")
    expect(message(there, "Go for drive.")).to_have_count(1)
    say(there, "Flight is here.")
    expect(message(here, "Flight is here.").locator(".from")).to_have_text("flight")
    expect(here.get_by_test_id("members").get_by_role("listitem")).to_have_text(
        ["capcom", "flight"]
    )


# ------------------------------------------------------------------------------------ uplink


def test_a_good_sequence_is_accepted_step_by_step(station: Station, visit: Visits) -> None:
    page = visit(station.url)
    page.get_by_test_id("file").set_input_files(SAMPLES / "pass-first-drive.rcs")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "COMPLETE")
    steps = page.get_by_test_id("steps").get_by_role("listitem")
    assert steps.evaluate_all("all => all.map(one => one.dataset.step)") == STEPS
    assert steps.evaluate_all("all => all.map(one => one.dataset.state)") == ["done"] * 6
    expect(page.get_by_test_id("verdict")).to_contain_text("Accepted")
    expect(page.get_by_test_id("verdict").locator("code")).to_have_text(
        re.compile("^[0-9a-f]{64}$")
    )


def test_a_bad_sequence_is_rejected_with_the_place_of_each_finding(
    station: Station, visit: Visits
) -> None:
    page = visit(station.url)
    page.get_by_test_id("file").set_input_files(SAMPLES / "fail-syntax.rcs")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "REJECTED")
    expect(page.get_by_test_id("steps").locator("[data-step=syntax]")).to_have_attribute(
        "data-state", "failed"
    )
    typo = page.get_by_test_id("findings").get_by_role("row").filter(has_text="IMGE")
    expect(typo).to_have_attribute("data-severity", "error")
    expect(typo.locator(".place")).to_have_text("10:11")

    page.get_by_test_id("file").set_input_files(SAMPLES / "warn-low-battery.rcs")  # the next try
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "COMPLETE")
    warnings = page.get_by_test_id("findings").locator("[data-severity=warning]")
    eventually(lambda: warnings.count() > 0)


# ----------------------------------------------------------------------- where the server is


def test_after_a_restart_of_the_server_the_page_goes_on_by_itself(
    start: Start, visit: Visits, tmp_path: Path
) -> None:
    visit.allow("net::ERR_CONNECTION_REFUSED", "net::ERR_CONNECTION_RESET", "503", "net::ERR_EMPTY")
    station = start(lambda: lively(tmp_path))
    page = visit(station.url)
    wait_until_live(page)
    join(page, "restart", "capcom")
    say(page, "Before.")
    expect(message(page, "Before.")).to_contain_text("delivered")

    station.stop()
    expect(page.get_by_test_id("connection")).to_have_attribute(
        "data-state", re.compile("reconnecting|disconnected")
    )
    expect(page.get_by_test_id("comms-state")).not_to_have_attribute("data-state", "open")
    say(page, "Meanwhile.")
    expect(message(page, "Meanwhile.")).to_have_attribute("data-state", "queued")

    station.start()
    wait_until_live(page)
    expect(page.get_by_test_id("gap")).to_contain_text("the server restarted")
    expect(message(page, "Meanwhile.")).to_contain_text("delivered")
    expect(message(page, "Meanwhile.")).to_have_count(1)

    other = visit(station.url)
    join(other, "restart", "eecom")
    expect(message(other, "Meanwhile.")).to_have_count(1)


def test_everything_works_under_a_prefix_of_another_app(
    start: Start, visit: Visits, tmp_path: Path
) -> None:
    def inside_another(mission: MissionControl) -> Starlette:
        return Starlette(routes=[Mount("/deep/rover", mission.app)], lifespan=mission.lifespan)

    station = start(lambda: lively(tmp_path), inside_another)
    page = visit(station.url + "deep/rover/")
    wait_until_live(page)
    expect(page.get_by_test_id("image-state")).to_have_attribute("data-state", "complete")
    join(page, "deep", "capcom")
    say(page, "Under a prefix.")
    expect(message(page, "Under a prefix.")).to_contain_text("delivered")
    page.get_by_test_id("file").set_input_files(SAMPLES / "pass-drill.rcs")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "COMPLETE")
    assert len(station.mission.serving.streams) == 1


def test_a_token_opens_the_page_and_does_not_stay_in_the_address(
    start: Start, visit: Visits, tmp_path: Path
) -> None:
    visit.allow("401", "favicon.ico")  # which a browser asks for where a page names no icon
    station = start(lambda: lively(tmp_path, tokens="sesame"))
    stranger = visit(station.url)
    expect(stranger.locator("body")).to_contain_text("token")
    expect(stranger.locator("mission-control")).to_have_count(0)

    page = visit(station.url + "?token=sesame")
    wait_until_live(page)
    assert page.url == station.url
    page.get_by_test_id("file").set_input_files(SAMPLES / "pass-night.rcs")
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-status", "COMPLETE")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_real_mission_data_is_shown(
    start: Start, visit: Visits, tmp_path: Path, shared_data: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        camera=f"dir:{shared_data / 'images'}",
        telemetry=f"replay:{shared_data / 'telemetry' / 'rover-drive.csv'}?speed=4",
    )
    station = start(lambda: MissionControl(settings))
    page = visit(station.url)
    page.get_by_test_id("filmstrip").get_by_role("button", name="N_L000_1051").click()
    expect(page.get_by_test_id("image-state")).to_have_attribute("data-state", "complete")
    mosaic = page.locator("image-stage img.front")
    eventually(lambda: mosaic.evaluate(PIXELS) == [7696, 1800])
    expect(page.locator(".caption")).to_contain_text("7696 \N{MULTIPLICATION SIGN} 1800")

    position = page.get_by_test_id("value-X_Position").locator(".value")
    before = position.inner_text()
    expect(position).not_to_have_text(before)
    expect(page.get_by_test_id("map").locator("path.track")).to_be_visible()


# ---------------------------------------------------------------------------- for everybody


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["phone", "wall"])
def test_nothing_is_wider_than_the_screen(
    station: Station, visit: Visits, viewport: dict[str, int]
) -> None:
    page = visit(station.url, viewport=viewport)
    wait_until_live(page)
    page.get_by_test_id("file").set_input_files(SAMPLES / "fail-syntax.rcs")
    page.get_by_test_id("findings").wait_for()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == viewport["width"]
    for panel in ("rover-image", "rover-telemetry", "rover-comms", "rover-commands"):
        box = page.locator(panel).bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["phone", "wall"])
def test_axe_finds_no_barriers(station: Station, visit: Visits, viewport: dict[str, int]) -> None:
    page = visit(station.url, viewport=viewport)
    wait_until_live(page)
    say(page, "For the record.")
    page.get_by_test_id("file").set_input_files(SAMPLES / "fail-syntax.rcs")
    page.get_by_test_id("findings").wait_for()
    assert barriers(page) == []


def test_a_keyboard_is_enough(station: Station, visit: Visits) -> None:
    page = visit(station.url)
    wait_until_live(page)
    card = page.get_by_test_id("value-solar_power")
    tab_to(page, card)
    plotted = card.get_attribute("aria-pressed")
    page.keyboard.press("Space")
    expect(card).not_to_have_attribute("aria-pressed", str(plotted))
    expect(page.get_by_test_id("chart-solar_power")).to_be_visible()

    tab_to(page, page.get_by_test_id("compose"))
    page.keyboard.type("No mouse here.")
    page.keyboard.press("Enter")
    expect(message(page, "No mouse here.")).to_contain_text("delivered")

    tab_to(page, page.get_by_test_id("pause"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("pause")).to_have_attribute("aria-pressed", "true")


def test_who_wants_less_motion_gets_less(station: Station, visit: Visits) -> None:
    gaps_ms = """() => new Promise((resolve) => {
        const card = document.querySelector('[data-testid=value-motor_temperature] .value');
        const times = [];
        new MutationObserver(() => {
            times.push(performance.now());
            if (times.length === 3) resolve(times.slice(1).map((t, i) => t - times[i]));
        }).observe(card, { subtree: true, characterData: true, childList: true });
    })"""
    calm = visit(station.url, reduced_motion="reduce")
    calm.get_by_test_id("value-motor_temperature").wait_for()
    assert min(calm.evaluate(gaps_ms)) > 800
    assert calm.evaluate("document.getAnimations().length") == 0

    lively_page = visit(station.url, reduced_motion="no-preference")
    lively_page.get_by_test_id("value-motor_temperature").wait_for()
    assert min(lively_page.evaluate(gaps_ms)) < 800


def test_these_tests_see_what_a_page_may_not_do(station: Station, visit: Visits) -> None:
    page = visit(station.url)
    page.evaluate("fetch('http://192.0.2.1/').catch(() => console.error('caught'))")
    page.evaluate("fetch('no-such-path')")
    page.evaluate("void setTimeout(() => { throw new Error('thrown') })")
    signs = ("connect-src", "caught", "404", "thrown")
    eventually(lambda: page.evaluate("1") and all(sign in str(visit.complaints) for sign in signs))
    visit.complaints.clear()
