"""The client receives each image completely, or says why not."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after, run_process, to_thread

from rover.cli import main
from rover.cli.connection import FAILED, WRONG_USE
from rover.client import Client, ImageChanged, ImageDownload, ImageIncomplete, NotARover, Refused
from tests.cutting import cutting, scripted
from tests.image_site import DATA, SIZE, site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


def answer(status: str, body: bytes, etag: str, length: int = -1, more: str = "") -> bytes:
    """A response whose connection ends after `body`, with the length of `body` or another."""
    length = len(body) if length < 0 else length
    head = f'HTTP/1.1 {status}\r\nx-image-id: a.png\r\netag: "{etag}"\r\n{more}'
    return f"{head}content-length: {length}\r\n\r\n".encode() + body


async def read(download: ImageDownload) -> bytes:
    with fail_after(20):
        async with download:
            return b"".join([chunk async for chunk in download])


async def test_a_download_requests_only_the_missing_rest_after_each_cut(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete()
        async with (
            cutting(str(at.client.base_url), 500_000, 900_000) as proxy,
            Client(proxy.url) as rover,
        ):
            download = rover.image()
            assert await read(download) == DATA
    assert (download.id, download.size, download.received) == ("a.png", SIZE, SIZE)
    first, second, third = proxy.requests
    assert b"range:" not in first.lower()
    for request in (second, third):
        assert b"if-range: " + download.etag.encode() in request.lower()
        assert b"?id=a.png" in request


async def test_an_arriving_image_is_received_to_its_end_across_a_cut(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        arriving = at.camera.begin("a.png")
        at.camera.send(arriving, DATA[:1_000_000])
        async with (
            cutting(str(at.client.base_url), 400_000) as proxy,
            Client(proxy.url) as rover,
            rover.image() as download,
        ):
            assert download.size is None
            received = b""
            with fail_after(20):
                async for chunk in download:
                    received += chunk
                    if len(received) == 1_000_000:
                        at.camera.send(arriving, DATA[1_000_000:])
                        at.camera.finish(arriving)
    assert received == DATA
    assert len(proxy.requests) == 2
    assert re.search(rb"(?i)\r\nrange: bytes=\d{6}-9007199254740991\r\n", proxy.requests[1])


@pytest.mark.parametrize(
    "rest", [answer("200 OK", b"new image", "b"), answer("206 Partial Content", b"mage", "b")]
)
async def test_bytes_of_two_images_are_never_joined(rest: bytes) -> None:
    async with (
        scripted(answer("200 OK", b"old i", "a", 9), rest) as server,
        Client(server.url) as rover,
    ):
        with pytest.raises(ImageChanged):
            await read(rover.image())


@pytest.mark.parametrize(
    "rest",
    [
        answer("206 Partial Content", b"imag", "a", more="content-range: bytes 4-7/8\r\n"),
        answer("200 OK", b"old", "a"),
    ],
)
async def test_another_part_or_less_than_before_is_refused(rest: bytes) -> None:
    async with (
        scripted(answer("200 OK", b"old i", "a", 9), rest) as server,
        Client(server.url) as rover,
    ):
        with pytest.raises(ImageIncomplete):
            await read(rover.image())


async def test_a_range_that_begins_at_the_end_completes_the_image() -> None:
    end = answer("416 No", b"", "a", more="content-range: bytes */5\r\n")
    async with (
        scripted(answer("200 OK", b"old i", "a", 9), end) as server,
        Client(server.url) as rover,
    ):
        assert await read(rover.image()) == b"old i"


async def test_a_response_without_a_provable_end_is_incomplete() -> None:
    plain = b'HTTP/1.0 200 OK\r\nx-image-id: a\r\netag: "a"\r\n\r\nhalf'
    async with scripted(plain) as server, Client(server.url) as rover:
        with pytest.raises(ImageIncomplete):
            await read(rover.image())


async def test_a_page_is_no_image() -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n"
    async with scripted(page) as server, Client(server.url) as rover:
        with pytest.raises(NotARover):
            await read(rover.image())


async def test_an_unknown_image_is_refused(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at, Client(str(at.client.base_url)) as rover:
        with pytest.raises(Refused) as refused:
            await read(rover.image("none.png"))
    assert refused.value.status == 404


async def test_the_command_saves_an_image_and_replaces_a_file_only_with_force(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / "latest.png"
    file.parent.mkdir()
    async with site(serve, tmp_path / "spool") as at:
        at.complete()
        async with cutting(str(at.client.base_url), 700_000) as proxy:
            command = ["image", "--url", proxy.url, "-o", str(file)]
            assert await to_thread.run_sync(main, command) == 0
            assert file.read_bytes() == DATA
            file.write_bytes(b"mine")
            assert await to_thread.run_sync(main, command) == 2
            assert file.read_bytes() == b"mine"
            assert await to_thread.run_sync(main, [*command, "--force"]) == 0
    assert file.read_bytes() == DATA
    assert [path.name for path in file.parent.iterdir()] == ["latest.png"]
    capsys.readouterr()


async def test_the_command_begins_again_if_the_image_was_replaced(tmp_path: Path) -> None:
    file = tmp_path / "latest.png"
    new = answer("200 OK", b"new image", "b")
    async with scripted(answer("200 OK", b"old i", "a", 9), new, new) as server:
        command = ["image", "--url", server.url, "-o", str(file)]
        assert await to_thread.run_sync(main, command) == 0
    assert file.read_bytes() == b"new image"


async def test_a_file_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with scripted(answer("200 OK", b"image", "a")) as server:
        command = ["image", "--url", server.url, "-o", "/proc/latest.png"]
        assert await to_thread.run_sync(main, command) == WRONG_USE
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_a_full_disk_is_one_line_and_no_file_stays(tmp_path: Path) -> None:
    body = b"image" * 1000
    async with scripted(answer("200 OK", body, "a")) as server:
        limited = 'ulimit -f 1; exec "$0" -m rover image --url "$1" -o "$2"'
        command = ["sh", "-c", limited, sys.executable, server.url, str(tmp_path / "latest.png")]
        done = await run_process(command, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (FAILED, 1)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 # tests run on asyncio
