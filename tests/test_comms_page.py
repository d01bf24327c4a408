"""Comms on the page: unsent messages, days, lines and missing messages, and links that open."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from rover.telemetry.limits import Bound, Level, LimitChange
from rover.tokens.commands import add_token
from tests.browser import MissionServer, Pages
from tests.test_page import (
    SCROLL_WIDTH,
    VIEWPORTS,
    accessibility_violations,
    expect_verdict,
    fast_mission,
    join,
    message,
    quiet_mission,
    send,
    sign_in,
    upload,
    wait_until_live,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, WebSocketRoute

    from rover.mission import MissionControl

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def mission(request: pytest.FixtureRequest, tmp_path: Path) -> MissionControl:
    make = getattr(request, "param", quiet_mission)
    made: MissionControl = make(tmp_path)
    return made


@pytest.fixture
def server(mission: MissionControl) -> Iterator[MissionServer]:
    with MissionServer(lambda: mission) as server:
        yield server


def end_sessions(server: MissionServer, mission: MissionControl, page: Page) -> None:
    cookies = {one.get("name", ""): one.get("value", "") for one in page.context.cookies()}
    [session] = [value for name, value in cookies.items() if "session" in name]
    server.call(mission.sign_ins.sessions.end, session.partition("_")[0])
    expect(page.get_by_test_id("signed-out")).to_be_visible()


def sign_in_again(page: Page, token: str) -> None:
    with page.context.expect_page() as opened:
        page.get_by_test_id("signed-out").get_by_role("link").click()
    sign_in(opened.value, token)
    opened.value.close()
    expect(page.get_by_test_id("signed-out")).to_have_count(0)
    wait_until_live(page)


def test_an_unsent_message_is_of_its_author_and_is_sent_in_no_other_name(
    mission: MissionControl, server: MissionServer, pages: Pages
) -> None:
    pages.allow("401", "WebSocket", "net::ERR_CONTENT_LENGTH_MISMATCH")
    tokens = {name: add_token(mission.settings, name, "view,say").text for name in ("Ada", "Bo")}
    server.call(mission.tokens.refresh)
    page = pages.open(server.url)
    sign_in(page, tokens["Ada"])
    expect(page.get_by_test_id("name")).to_have_value("Ada")
    expect(page.get_by_test_id("name")).to_be_disabled()
    send(page, "Before.")
    expect(message(page, "Before.")).to_have_attribute("data-state", "delivered")

    end_sessions(server, mission, page)
    send(page, "Go for drive.")
    expect(message(page, "Go for drive.").locator(".from")).to_have_text("Ada")
    sign_in_again(page, tokens["Bo"])
    expect(message(page, "Go for drive.")).to_have_attribute("data-state", "held")
    send(page, "Hold.")
    expect(message(page, "Hold.")).to_have_attribute("data-state", "delivered")
    expect(message(page, "Go for drive.").locator(".from")).to_have_text("Ada")

    end_sessions(server, mission, page)
    sign_in_again(page, tokens["Ada"])
    expect(message(page, "Go for drive.")).to_have_attribute("data-state", "delivered")
    expect(message(page, "Go for drive.").locator(".from")).to_have_text(re.compile("^Ada"))


def test_an_unsent_message_survives_a_reload(server: MissionServer, pages: Pages) -> None:
    pages.allow("WebSocket", "net::ERR_")
    page = pages.open(server.url)
    join(page, "reload", "Ada")
    blocked = [True]

    def route(socket: WebSocketRoute) -> None:
        if blocked:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/comms/"), route)
    page.reload()
    send(page, "Go for drive.")
    for _ in range(2):
        expect(message(page, "Go for drive.")).to_have_attribute("data-state", "queued")
        page.reload()
    blocked.clear()
    page.reload()
    expect(message(page, "Go for drive.")).to_have_attribute("data-state", "delivered")
    expect(message(page, "Go for drive.")).to_have_count(1)


def test_a_mention_of_our_role_is_marked_and_an_address_is_not(
    server: MissionServer, pages: Pages, mission: MissionControl
) -> None:
    pages.allow("401")
    token = add_token(mission.settings, "Ada", "view,say", role="FD").text
    server.call(mission.tokens.refresh)
    page = pages.open(server.url)
    sign_in(page, token)
    wait_until_live(page)
    texts = {"@fd, go?": "true", "x@Ada.com": "false", "ask @Ada": "true", "@capcom": "false"}
    for text in texts:
        server.call(mission.comms.say, "flight", text, "Bo")
    for text, is_mentioned in texts.items():
        expect(message(page, text)).to_have_attribute("data-mentioned", is_mentioned)


def refuse_channels(page: Page) -> None:
    """Reload the page without a connection to its channels."""
    page.route_web_socket(re.compile("/ws/comms/"), lambda socket: socket.close())
    page.reload()


def test_an_unsent_message_survives_closing_its_tab_and_waits_for_a_person(
    server: MissionServer, pages: Pages
) -> None:
    pages.allow("WebSocket", "net::ERR_")
    profile = pages.profile(server.url)
    closed, other = profile.new_page(), profile.new_page()
    closed.goto(server.url)
    join(closed, "closed", "Ada")
    refuse_channels(closed)
    send(closed, "Go for drive.")
    unsent = message(closed, "Go for drive.")
    expect(unsent).to_have_attribute("data-state", "queued")

    other.goto(server.url)
    wait_until_live(other)
    expect(message(other, "Go for drive.")).to_have_count(0)  # its tab is still open
    closed.close()
    for _ in range(2):
        other.reload()
        wait_until_live(other)
        expect(message(other, "Go for drive.")).to_have_attribute("data-state", "refused")
    message(other, "Go for drive.").get_by_role("button", name="Edit").click()
    other.get_by_test_id("compose").press("Enter")
    expect(message(other, "Go for drive.")).to_have_attribute("data-state", "delivered")
    other.reload()
    wait_until_live(other)
    expect(message(other, "Go for drive.")).to_have_count(1)


def test_a_message_whose_tab_was_closed_before_its_acknowledgement_is_there_once(
    server: MissionServer, pages: Pages
) -> None:
    profile = pages.profile(server.url)
    page = profile.new_page()
    page.goto(server.url)
    join(page, "unacknowledged", "Ada")
    is_lost: list[bool] = []

    def route(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()
        upstream.on_message(lambda text: None if is_lost else socket.send(text))
        socket.on_message(upstream.send)

    page.route_web_socket(re.compile("/ws/comms/"), route)
    page.reload()
    wait_until_live(page)
    is_lost.append(True)
    send(page, "Go for drive.")
    page.wait_for_function(
        "url => fetch(url).then(r => r.json()).then(({ messages }) => messages.length > 0)",
        arg=f"{server.url}comms/unacknowledged/messages",
    )
    expect(message(page, "Go for drive.")).to_have_attribute("data-state", "sent")
    page.close()
    page = profile.new_page()
    page.goto(server.url)
    wait_until_live(page)
    expect(message(page, "Go for drive.")).to_have_count(1)
    expect(message(page, "Go for drive.")).to_have_attribute("data-state", "delivered")


def test_the_browser_asks_before_a_tab_with_an_unsent_message_is_closed(
    server: MissionServer, pages: Pages
) -> None:
    pages.allow("WebSocket", "net::ERR_")
    page = pages.open(server.url)
    join(page, "asks", "Ada")
    refuse_channels(page)
    send(page, "Go for drive.")
    expect(message(page, "Go for drive.")).to_have_attribute("data-state", "queued")
    with page.expect_event("dialog") as asked:
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    message(page, "Go for drive.").get_by_role("button", name="Discard").click()
    with page.expect_event("close"):
        page.close(run_before_unload=True)


def test_a_refused_message_has_its_reason_and_can_be_written_again(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url, viewport=VIEWPORTS[0])
    join(page, "refused", "Ada")
    send(page, "\u200b")
    refused = page.get_by_test_id("log").locator("[data-state=refused]")
    expect(refused.get_by_role("status")).to_be_visible()
    assert accessibility_violations(page) == []
    assert page.evaluate(SCROLL_WIDTH) == VIEWPORTS[0]["width"]
    refused.get_by_role("button", name="Edit").click()
    expect(page.get_by_test_id("compose")).to_have_value("\u200b")
    expect(refused).to_have_count(0)
    send(page, "\u200b")
    refused.get_by_role("button", name="Discard").click()
    expect(refused).to_have_count(0)


def test_days_and_missing_messages_are_marked_between_the_messages(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    opened: list[WebSocketRoute] = []

    def route(socket: WebSocketRoute) -> None:
        opened.append(socket)
        upstream = socket.connect_to_server()
        upstream.on_message(lambda text: socket.send(aged(str(text))))
        socket.on_message(upstream.send)

    def aged(text: str) -> str:
        return re.sub(r'("at":")[\d-]+', rf"\g<1>{yesterday}", text) if "old one" in text else text

    page.route_web_socket(re.compile("/ws/comms/"), route)
    page.reload()
    join(page, "days", "Ada")
    send(page, "old one")
    old = page.get_by_test_id("log").locator("[data-id]")
    expect(old).to_have_count(1)
    after = old.get_attribute("data-id")
    gap = {"type": "gap", "after": after, "resumed": after, "lost": 3, "reason": "expired"}
    opened[-1].send(json.dumps({**gap, "channel": "days"}))
    send(page, "new one")
    expect(message(page, "new one")).to_have_attribute("data-state", "delivered")
    today = datetime.now(UTC).date().isoformat()
    rows = page.get_by_test_id("log").locator(".divider, .message")
    expect(rows).to_contain_text([yesterday, "old one", today, "3 events", "new one"])
    assert accessibility_violations(page) == []


def test_a_message_has_the_lines_that_are_written(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url, viewport=VIEWPORTS[0])
    join(page, "lines", "Ada")
    page.get_by_test_id("compose").fill("1. stow\n2. ")
    page.keyboard.type("drive")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("3. look")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("compose")).to_have_value("")
    expect(message(page, "2. drive")).to_have_attribute("data-state", "delivered")
    lines = "1. stow\n2. drive\n3. look"
    [sent] = page.request.get(f"{server.url}comms/lines/messages").json()["messages"]
    assert sent["text"] == lines
    message(page, "2. drive").hover()
    message(page, "2. drive").get_by_role("button", name="Edit").click()
    expect(page.get_by_test_id("compose")).to_have_value(lines)


def test_a_very_long_text_is_refused_when_it_is_pasted(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url)
    join(page, "paste", "Ada")
    page.get_by_test_id("compose").fill("a draft ")
    page.keyboard.insert_text("x" * 1_000_000)
    expect(page.locator("rover-comms .note")).to_contain_text("1,000,000")
    expect(page.get_by_test_id("compose")).to_have_value("a draft ")
    page.keyboard.insert_text("x" * 20_000)
    expect(page.locator("#too-long")).to_be_visible()


@pytest.mark.parametrize("mission", [fast_mission], indirect=True, ids=["images"])
def test_messages_lead_to_a_time_an_image_a_report_and_an_alarm(
    mission: MissionControl, server: MissionServer, pages: Pages
) -> None:
    pages.allow("404")  # of an upload that does not exist
    page = pages.open(server.url)
    wait_until_live(page)
    upload(page, "pass-first-drive.rcs")
    expect_verdict(page, "COMPLETE")
    page.get_by_test_id("close").click()
    [report] = page.request.get(f"{server.url}uploads").json()["uploads"]
    images = f"{server.url}images?state=complete"
    page.wait_for_function(
        "url => fetch(url).then(r => r.json()).then(b => b.images.length)", arg=images
    )
    image = page.request.get(images).json()["images"][-1]
    moment = page.request.get(f"{server.url}telemetry/latest").json()["t"]
    bound = Bound(Level.RED, "high", 80.0, 0.0)
    raised = LimitChange("heat", "K", Level.RED, Level.NOMINAL, 90.0, time(), bound)
    server.call(mission.telemetry.alarms.apply, raised)
    [alarm] = page.request.get(f"{server.url}alarms").json()["alarms"]

    def open_link(name: str, target: str) -> None:
        data = {"text": f"see {target}", "kind": "link", "data": {name: target}}
        assert page.request.post(f"{server.url}comms/flight/messages", data=data).ok
        message(page, f"see {target}").get_by_test_id("link").click()

    open_link("upload", report["id"])
    expect(page.get_by_test_id("back")).to_be_visible()
    open_link("image", image["id"])
    expect(page.locator("#images")).to_contain_text(image["id"])
    page.get_by_test_id("back").click()
    for name in ("alarm", "image", "upload"):
        open_link(name, f"other-{name}")
        expect(page.locator("rover-comms .note")).to_contain_text(f"other-{name}")
    expect(page.get_by_test_id("back")).to_have_count(0)
    for name, target, t in (("t", moment, moment), ("alarm", alarm["id"], alarm["since"])):
        open_link(name, target)
        expect(page.get_by_test_id("time")).to_have_attribute("data-state", "paused")
        assert f"at={t.removesuffix('Z')[:19]}" in page.url
        page.goto(server.url)
