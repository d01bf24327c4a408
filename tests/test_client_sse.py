"""The parser of server-sent events follows the WHATWG standard."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.client import EventParser, ServerSentEvent
from rover.client.sse import EventTooBig

STREAM = (
    "\ufeffid: 1790000000-1\r\ndata: \u00e9t\u00e9\r\n\r\n"
    ": comment\rdata:a\rdata: b\r\r"
    "event: gap\nid: x\0y\ndata: {}\n\n"
    "id\ndata\n\nretry: 250\nretry: +9\ndata: not dispatched"
).encode()

EVENTS = [
    ServerSentEvent("message", "\u00e9t\u00e9", "1790000000-1"),
    ServerSentEvent("message", "a\nb", "1790000000-1"),
    ServerSentEvent("gap", "{}", "1790000000-1"),
    ServerSentEvent("message", "", ""),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_the_events_do_not_depend_on_where_chunks_end(cuts: list[int]) -> None:
    parser = EventParser()
    edges = [0, *cuts, len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(edges)]
    assert [event for chunk in chunks for event in parser.feed(chunk)] == EVENTS
    assert (parser.retry_ms, parser.last_id) == (250, "")


def test_an_event_that_ends_with_cr_is_returned_at_once() -> None:
    assert EventParser().feed(b"data: 1\r\r") == [ServerSentEvent("message", "1", "")]


def test_an_id_without_data_counts_for_the_next_connection() -> None:
    parser = EventParser("1790000000-4")
    assert parser.feed(b"id: 1790000000-5\n\n") == []
    assert parser.last_id == "1790000000-5"


def test_an_id_of_an_event_that_was_cut_does_not_count() -> None:
    parser = EventParser("1790000000-4")
    parser.feed(b"id: 1790000000-5\ndata: half")
    assert parser.last_id == "1790000000-4"


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 2000, b"data: x\n" * 300])
def test_an_event_without_end_is_refused(chunk: bytes) -> None:
    with pytest.raises(EventTooBig):
        EventParser(max_bytes=1000).feed(chunk)
