"""Polls on the page: their order, and votes over lost connections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser import MissionServer, Pages
from tests.test_page import (
    VIEWPORTS,
    call_procedure,
    join,
    message,
    quiet_mission,
    send,
    wait_until_live,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import ViewportSize, WebSocketRoute

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

IS_HIT = """button => {
  const { left, top, width, height } = button.getBoundingClientRect();
  return button.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""
"""Whether a click at the centre of a button reaches it, without scrolling."""

THREE_LINES_PX = 54

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MissionServer]:
    with MissionServer(lambda: quiet_mission(tmp_path)) as server:
        yield server


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


@pytest.mark.parametrize(
    "viewport",
    [
        {"width": 1280, "height": 720},
        {"width": 1440, "height": 900},
        {"width": 1920, "height": 1080},
        {"width": 390, "height": 844},
    ],
    ids=lambda viewport: f"{viewport['width']}x{viewport['height']}",
)
def test_two_open_polls_show_their_buttons_and_lines_of_the_log_without_scrolling(
    server: MissionServer, pages: Pages, viewport: ViewportSize
) -> None:
    page = pages.open(server.url, viewport=viewport)
    join(page, "dense", "Ada")
    for number in range(8):
        send(page, f"{number}. battery nominal")
    for question in ("Go for drive?", "Go for the arm at the second target. " * 20):
        poll = {"roll": ["FD", "CAPCOM", "EVA", "Ada"], "seconds": 300}
        said = {"name": "FD", "text": question, "kind": "poll", "data": poll}
        assert httpx.post(f"{server.url}comms/dense/messages", json=said).is_success
    buttons = page.get_by_test_id("procedures").get_by_role("button", name="for Ada")
    expect(buttons).to_have_count(4)
    page.get_by_test_id("compose").scroll_into_view_if_needed()
    assert [button.evaluate(IS_HIT) for button in buttons.all()] == [True] * 4
    log = page.get_by_test_id("log")
    assert log.evaluate("log => log.clientHeight") >= THREE_LINES_PX
    buttons.first.click()
    expect(buttons).to_have_count(2)


def test_the_tally_of_an_open_poll_unfolds_to_its_stations(
    server: MissionServer, pages: Pages
) -> None:
    page = pages.open(server.url)
    join(page, "tally", "Ada")
    call_procedure(page, "Go?", "Ada, EVA")
    poll = page.get_by_test_id("poll")
    page.get_by_role("button", name="GO for Ada", exact=True).click()
    expect(poll.locator("summary .mark")).to_have_text(["1 GO", "1 waiting"])
    expect(poll.locator(".roll")).to_be_hidden()
    poll.locator("summary").click()
    expect(poll.locator(".roll li")).to_have_text(["Ada GO", "EVA waiting"])
    expect(poll.locator(".roll")).to_be_visible()
