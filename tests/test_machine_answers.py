"""Answers of machines as JSON."""

from __future__ import annotations

import pytest

from sources.base import Answer
from sources.values.answers import read_answer


def is_answer(text: str | bytes, upload_id: str = "a-1", attempt: int = 2) -> bool:
    try:
        read_answer(text, upload_id, attempt)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "accepted", "detail"),
    [
        (b'{"accepted": true}', True, ""),
        ('{"accepted": false, "detail": "sol 42"}', False, "sol 42"),
        ('{"accepted": true, "detail": 7}', True, "7"),
        ('{"accepted": true, "detail": null}', True, ""),
    ],
)
def test_an_answer_is_read(text: str | bytes, accepted: bool, detail: str) -> None:
    assert read_answer(text, "a-1", 2) == Answer("a-1", 2, accepted, detail)


def test_the_text_of_an_answer_is_one_printable_line() -> None:
    answer = read_answer(r'{"accepted": true, "detail": "\u001b[31m\n\ud800\u202e"}', "a-1", 2)
    assert answer.detail
    assert answer.detail.isprintable()


@pytest.mark.parametrize(
    "text",
    ["", "yes", "[1]", "{}", '{"accepted": 1}', '{"accepted": "true"}', "[" * 100_000, b"\xff"],
)
def test_other_texts_are_not_answers(text: str | bytes) -> None:
    assert not is_answer(text)


@pytest.mark.parametrize(("upload_id", "attempt"), [("a/b", 1), ("", 1), ("a", 0), ("a", -1)])
def test_answers_to_nothing_that_was_sent_are_refused(upload_id: str, attempt: int) -> None:
    assert not is_answer('{"accepted": true}', upload_id, attempt)
