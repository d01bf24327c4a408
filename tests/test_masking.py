"""The filter that hides tokens in log records."""

from __future__ import annotations

import logging

import pytest

from rover.masking import MaskTokens

SECRET = "open-sesame-4f1c"  # noqa: S105 # of this test only


@pytest.mark.parametrize(
    "path",
    [
        f"/?token={SECRET}",
        f"/x?a=b&token={SECRET}&c=d",
        f"/x?%74oken={SECRET}",
        f"/x?token={SECRET[:4]}&token={SECRET}",
    ],
)
def test_tokens_are_masked_in_messages_and_arguments(path: str) -> None:
    args = ("127.0.0.1:4000", "GET", path, "1.1", 200)
    record = logging.LogRecord("a", 20, "", 1, '%s - "%s %s HTTP/%s" %d', args, None)
    assert MaskTokens().filter(record)
    assert SECRET not in record.getMessage()
    assert record.getMessage().endswith("200")
    plain = logging.LogRecord("a", 20, "", 1, f"opened {path}", None, None)
    assert MaskTokens().filter(plain)
    assert SECRET not in plain.getMessage()


def test_other_parameters_are_kept() -> None:
    text = "/x?fields=speed&hz=2&tokens=no and a=b"
    record = logging.LogRecord("a", 20, "", 1, "%s", (text,), None)
    assert MaskTokens().filter(record)
    assert record.getMessage() == text
