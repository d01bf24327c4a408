"""The messages of channels as one file, from a server and from the files of a mission."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread

from rover.cli import main
from rover.cli.connection import WRONG_USE
from rover.comms.events import MessageEvent
from rover.comms.history import Kept
from rover.comms.kinds import Content
from rover.comms.transcript_writers import FORMATS
from rover.comms.transcripts import PIECE_BYTES, pieces
from rover.events import EventId
from tests.test_comms_messages import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
"""2026-09-21T14:13:20Z."""

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "\x1b[2J\x9b31mred\rover",
    "a\n# b\n- c\n1. d\n\n<img src=x onerror=alert(1)> [a](javascript:b) `c` **d**",
    "\u202egnp.exe",
]


def messages(*texts: str, at: float = T, **fields: Any) -> list[Kept]:
    """One message each second."""
    return [
        Kept(EventId("a", n), MessageEvent("Ada", text, at + n, **fields))
        for n, text in enumerate(texts, 1)
    ]


def transcript(file_format: str, **channels: list[Kept]) -> str:
    return b"".join(pieces(channels, file_format)).decode()


def test_the_messages_of_several_channels_are_in_the_order_of_their_times() -> None:
    flight, ops = messages("f1", "f2", "f3"), messages("o1", "o2", at=T + 0.5)
    found = [json.loads(line) for line in transcript("jsonl", flight=flight, ops=ops).splitlines()]
    assert [one["text"] for one in found] == ["f1", "o1", "f2", "o2", "f3"]
    assert [one["channel"] for one in found] == ["flight", "ops", "flight", "ops", "flight"]
    assert found[0]["id"] == "a-1"


def test_people_read_dates_channels_roles_and_links() -> None:
    link = Content("link", {"t": "2026-09-21T14:13:20Z"})
    flight = messages("GO", role="FD") + messages("Look", at=T + 86_400, content=link)
    text = transcript("txt", flight=flight, ops=[])
    assert text.splitlines() == [
        "Comms: flight, ops",
        "",
        "2026-09-21",
        "14:13:21 flight Ada (FD): GO",
        "",
        "2026-09-22",
        '14:13:21 flight Ada: Look [link {"t":"2026-09-21T14:13:20Z"}]',
    ]
    assert "- 14:13:21 **Ada** (FD): GO\n" in transcript("md", flight=flight)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_message_has_no_effect_on_a_terminal_a_spreadsheet_or_a_page(text: str) -> None:
    kept = messages(text)
    plain = transcript("txt", flight=kept)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert all(line.startswith("    ") for line in plain.splitlines()[4:])
    markdown = transcript("md", flight=kept)
    body = markdown.split("\n\n", 2)[2]
    assert not re.search(r"(?<!\\)[<\[`]|^\s*([-#]|\d+\.)", body.removeprefix("- "), re.MULTILINE)
    [row] = csv.DictReader(StringIO(transcript("csv", flight=kept), newline=""))
    assert row["text"][0] not in "=+-@"
    assert not set(row["text"]) & {"\x1b", "\x9b"}
    assert json.loads(transcript("jsonl", flight=kept))["text"] == text


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_long_file_needs_no_more_of_its_messages_than_one_piece(file_format: str) -> None:
    read = 0

    def endless() -> Iterator[Kept]:
        nonlocal read
        while True:
            read += 1
            yield Kept(EventId("a", read), MessageEvent("Ada", "GO", T + read))

    found = list(islice(pieces({"flight": endless()}, file_format), 3))
    assert all(PIECE_BYTES <= len(piece) < 2 * PIECE_BYTES for piece in found)
    assert read * len("14:13:20 Ada: GO\n") < 4 * PIECE_BYTES


async def test_a_server_and_its_files_give_the_same_file(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    data_dir, record = tmp_path / "data", str(tmp_path / "drive.rover")
    async with client_of(data_dir) as client:
        for n in range(3):
            for channel in ("flight", "Ops"):
                path = f"/comms/{channel}/messages"
                (await client.post(path, json={"text": f"{channel} {n}"})).raise_for_status()
        found = {}
        for file_format in FORMATS:
            query = {"channel": "flight,ops", "format": file_format}
            answer = await client.get("/comms/export", params=query)
            found[file_format] = answer.raise_for_status().content
        rows = list(map(json.loads, found["jsonl"].splitlines()))
        since, until = rows[2]["at"], rows[5]["at"]
        between = [row for row in rows if since <= row["at"] < until]
        both = "/comms/export?channel=flight&channel=ops&format=jsonl"
        answer = await client.get(f"{both}&since={since}&until={until}")
        assert list(map(json.loads, answer.text.splitlines())) == between
        for wrong in ("", "fligth", "a/b"):
            answer = await client.get("/comms/export", params={"channel": wrong})
            assert answer.status_code == 400

    async def exported(path: str, *more: str) -> bytes:
        command = ["export", "comms", "flight", "ops", "--from", path, *more]
        assert await to_thread.run_sync(main, command) == 0
        return capfdbinary.readouterr().out

    assert len(rows) == 6
    assert await to_thread.run_sync(main, ["record", "--from", str(data_dir), record]) == 0
    capfdbinary.readouterr()
    for file_format in FORMATS:
        assert await exported(str(data_dir), "--format", file_format) == found[file_format]
    assert await exported(record) == found["txt"]
    options = ["--format", "jsonl", "--since", since, "--until", until]
    assert list(map(json.loads, (await exported(record, *options)).splitlines())) == between


@pytest.mark.parametrize(
    "command",
    [
        ["export", "comms"],
        ["export", "comms", "flight", "-o", "shift.xlsx"],
        ["export", "comms", "flight", "--from", "/nowhere"],
        ["export", "--force", "comms", "flight"],
    ],
    ids=" ".join,
)
def test_wrong_use_has_status_2(command: list[str]) -> None:
    assert main(command) == WRONG_USE
