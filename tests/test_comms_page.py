"""Comms on the page: unsent messages, and messages that lead to a part of the mission."""

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
from tests.browser import MissionServer, Pages, chromium
from tests.test_page import (
    SCROLL_WIDTH,
    VIEWPORTS,
    accessibility_violations,
    call_procedure,
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

    from playwright.sync_api import Browser, Page, WebSocketRoute

    from rover.mission import MissionControl

PLACES = """element => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { currentNode: node } = walker;
    for (const { 0: word, index } of node.data.matchAll(/[^ ,]+/g)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      found.push([range.getBoundingClientRect().left, word]);
    }
  }
  return found.sort(([a], [b]) => a - b).map(([, word]) => word);
}"""
"""The words of an element from left to right."""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def mission(request: pytest.FixtureRequest, tmp_path: Path) -> MissionControl:
    make = getattr(request, "param", quiet_mission)
    made: MissionControl = make(tmp_path)
    return made


@pytest.fixture
def server(mission: MissionControl) -> Iterator[MissionServer]:
    with MissionServer(lambda: mission) as server:
        yield server


@pytest.fixture
def pages(browser: Browser, server: MissionServer) -> Iterator[Pages]:
    del server  # the pages are closed before it stops
    pages = Pages(browser)
    yield pages
    pages.close()


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


def test_a_right_to_left_name_does_not_reorder_the_time_of_its_poll(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    join(page, "rtl", "\u0639\u0627\u062f\u0644")
    call_procedure(page, "Go?", "FD")
    text = page.get_by_test_id("poll").locator(".question .dim").element_handle()
    assert text is not None
    name, minutes, unit, *_ = page.evaluate(PLACES, text)
    assert (name, unit) == ("\u0639\u0627\u062f\u0644", "min")
    assert minutes.isdecimal()


def test_polls_that_wait_for_us_come_first(server: MissionServer, pages: Pages) -> None:
    page = pages.open(server.url, viewport=VIEWPORTS[0])
    join(page, "order", "Ada")
    call_procedure(page, "Others?", "FD, EVA")
    call_procedure(page, "We?", "Ada, EVA")
    polls = page.get_by_test_id("poll").locator("strong")
    expect(polls).to_have_text(["We?", "Others?"])
    page.get_by_role("button", name="GO for Ada", exact=True).press("Enter")
    expect(polls).to_have_text(["Others?", "We?"])
    expect(page.get_by_test_id("log")).to_be_focused()


def test_a_vote_whose_acknowledgement_was_lost_counts_once_after_a_reload(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    join(page, "lost", "Ada")
    is_lost: list[bool] = []

    def route(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()
        upstream.on_message(lambda text: None if is_lost else socket.send(text))
        socket.on_message(upstream.send)

    page.route_web_socket(re.compile("/ws/comms/"), route)
    page.reload()
    call_procedure(page, "Go?", "Ada, EVA")
    button = page.get_by_role("button", name="GO for Ada", exact=True)
    button.wait_for()
    is_lost.append(True)
    button.click()
    votes = f"{server.url}comms/lost/polls"
    page.wait_for_function(
        "url => fetch(url).then(r => r.json()).then(({ polls }) => polls[0].votes.Ada)", arg=votes
    )
    expect(message(page, "GO").last).to_have_attribute("data-state", "sent")
    is_lost.clear()
    page.reload()
    expect(page.get_by_test_id("poll").locator(".roll li")).to_have_text(["Ada GO", "EVA waiting"])
    expect(page.get_by_test_id("log").locator(".remark")).to_have_count(1)
    expect(page.get_by_test_id("log").locator("[data-state=sent]")).to_have_count(0)
    expect(page.locator("rover-comms .note")).to_have_count(0)


def test_a_vote_that_was_not_sent_can_be_withdrawn(server: MissionServer, pages: Pages) -> None:
    pages.allow("WebSocket", "net::ERR_")
    page = pages.open(server.url)
    opened: list[WebSocketRoute] = []

    def route(socket: WebSocketRoute) -> None:
        if not opened:
            opened.append(socket)
            socket.connect_to_server()
        else:
            socket.close()

    page.route_web_socket(re.compile("/ws/comms/flight"), route)
    page.reload()
    wait_until_live(page)
    name = page.get_by_test_id("name").input_value()
    call_procedure(page, "Go?", "")
    no_go = page.get_by_role("button", name=f"NO-GO for {name}")
    no_go.wait_for()
    opened[0].close()
    expect(page.get_by_test_id("procedures")).to_have_attribute("data-old", "true")
    no_go.click()
    expect(no_go).to_be_disabled()
    page.get_by_test_id("log").get_by_role("button", name="Discard").click()
    expect(no_go).to_be_enabled()


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
