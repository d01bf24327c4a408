"""The filter that hides secrets in log records."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest

from rover.identity import EVERYONE
from rover.masking import MaskTokens, hide, masked
from rover.sessions.codes import Codes
from rover.sessions.sessions import Sessions
from rover.sessions.tickets import Tickets
from rover.settings import Settings
from rover.tokens import Tokens
from rover.tokens.commands import add_token

SECRET = "open-sesame-4f1c"  # noqa: S105 # of this test only
SHARED = "shared sésame/&4f1c"
TOKEN = "rvr_3f9a1c22_0123456789abcdef0123456789abcdef01234567"  # noqa: S105


def encoded(text: str, times: int) -> str:
    """Percent-encode every character."""
    for _ in range(times):
        text = "".join(f"%{octet:02X}" for octet in text.encode())
    return text


def twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="")


def shown(record: logging.LogRecord) -> str:
    assert MaskTokens().filter(record)
    return logging.Formatter().format(record)


@pytest.mark.parametrize(
    "path",
    [
        f"/?token={SECRET}",
        f"/x?a=b&token={SECRET}&c=d",
        f"/x?%74oken={SECRET}",
        f"/x?token={SECRET[:4]}&token={SECRET}",
        *(f"/x?{name}={SECRET}" for name in ("Token", "TICKET", "code", "%54oken", "%2574oken")),
        f"/x;token={SECRET}",
        f"/x?a=b;token={SECRET};c=d",
        f"/x#token={SECRET}",
        f"token={SECRET}",
        f"/x?next=/?token={SECRET}",
        "/x?next=" + quote(f"/?token={SECRET}", safe=""),
        "/x?next=" + twice(f"/?a=b&token={SECRET}&c=d"),
        "/x?" + encoded(f"next=/?token={SECRET}", 3),
        f"/x?token%3D{SECRET}",
        f'/x?token="{SECRET}"{SECRET}',
        f"/x?token=a%26{SECRET}",
    ],
)
def test_parameters_are_masked_in_messages_and_arguments(path: str) -> None:
    args = ("127.0.0.1:4000", "GET", path, "1.1", 200)
    line = shown(logging.LogRecord("a", 20, "", 1, '%s - "%s %s HTTP/%s" %d', args, None))
    assert SECRET not in line
    assert encoded(SECRET, 1) not in line
    assert line.endswith('HTTP/1.1" 200')
    assert SECRET not in shown(logging.LogRecord("a", 20, "", 1, f"opened {path}", None, None))
    websocket = logging.LogRecord("a", 20, "", 1, '%s - "WebSocket %s" 403', ("x", path), None)
    assert shown(websocket).endswith('" 403')


@pytest.mark.parametrize("times", [0, 1, 2])
@pytest.mark.parametrize("secret", [SHARED, TOKEN], ids=["shared", "named"])
def test_tokens_are_masked_wherever_they_are(secret: str, times: int) -> None:
    hide([SHARED])
    text = encoded(secret, times)
    for line in (text, f"/{text}/x", f'Referer: "http://a/?x={text}"', f"{{'a': '{text}'}}"):
        hidden = masked(line)
        assert text[-12:] not in hidden
        assert "…" in hidden
    for line in (quote(SHARED), quote(SHARED).replace("%20", "+"), quote(SHARED).lower()):
        assert "4f1c" not in masked(f"/x?y={line}")


def test_a_text_that_is_encoded_very_often_is_hidden_quickly() -> None:
    line = "/x?a=%" + "25" * 4000 + "74"
    assert masked(f"a {line} b") == "a … b"


def test_a_masked_line_remains_one_line() -> None:
    line = masked("/x?next=%2F%3Ftoken%3Da%0Ab%26c%3Dd%0D%1B e")
    assert line == "/x?next=/?token=…&c=d%0D%1B e"


def test_what_the_server_issues_is_masked(tmp_path: Any) -> None:
    settings = Settings(data_dir=tmp_path)
    token = add_token(settings, "Ada", "view")
    session = Sessions(Tokens.of(settings), 60, 60).start(EVERYONE, "10.0.0.7")
    for text in (token.text, Tickets().issue(EVERYONE, "10.0.0.7"), Codes().issue(), session):
        assert text.rpartition("_")[2] not in masked(f"a {text} b")
    assert token.token.id in masked(token.text)


class Atoms(dict[str, str]):
    """Values of an access log, as hypercorn passes them."""

    def __missing__(self, name: str) -> str:
        return f"/?token={SECRET}"


@pytest.mark.parametrize("values", [{"f": f"?token={SECRET}"}, Atoms(a="b")])
def test_secrets_are_masked_in_mappings(values: dict[str, str]) -> None:
    assert SECRET not in shown(logging.LogRecord("a", 20, "", 1, "%(f)s", (values,), None))


def test_secrets_are_masked_in_exceptions() -> None:
    error = ValueError(f"/?token={SECRET}")
    info = (ValueError, error, None)
    assert SECRET not in shown(logging.LogRecord("a", 40, "", 1, "%s", (error,), None))
    assert SECRET not in shown(logging.LogRecord("a", 40, "", 1, "failed", None, info))


@pytest.mark.parametrize(
    "text",
    [
        "/x?fields=speed&hz=2&tokens=no and a=b",
        "rvr_battery_pack_temperature_of_the_first_cell: down",
        "token 3f9a1c22 was revoked",
        "exit code=3",
        "\ud800 /x?fields=a%2Cb&at=2026-11-28T07%3A00%3A00%2B01%3A00 50% %zz",
    ],
)
def test_other_texts_are_kept(text: str) -> None:
    assert shown(logging.LogRecord("a", 20, "", 1, "%s", (text,), None)) == text
