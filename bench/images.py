"""Images: the CPU of downloads, their effect on telemetry, large folders, and video.

A server runs on one core, and everything else on the other. Each figure has its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx
from PIL import Image as Pillow

from bench.growing_camera import CHUNK_BYTES, TIME
from bench.image_servers import Bench, Server
from bench.machine import choose_cores, facts
from bench.processes import ROOT, BenchError, exit_on_signals
from bench.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

GIB = 2**30

VIEWERS = 200

FPS = 10


def download(url: str) -> int:
    """Read a response and forget it; returns its bytes."""
    target = httpx.URL(url)
    received, buffer = 0, bytearray(2**20)
    with socket.create_connection((target.host, target.port or 80)) as connection:
        head = f"GET {target.raw_path.decode()} HTTP/1.1\r\nHost: localhost\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        while count := connection.recv_into(buffer):
            received += count
    return received


def gibibyte(folder: Path) -> Path:
    """A folder with an image of 1 GiB."""
    folder.mkdir()
    side = 2**15
    with (folder / "big.pgm").open("wb") as file:
        file.write(f"P5 {side} {side} 255\n".encode())
        for _ in range(GIB // 2**20):
            file.write(os.urandom(2**10) * 2**10)
    return folder


def downloads(bench: Bench) -> Iterator[Target]:
    """CPU per GiB, against a plain app in the same run."""
    folder = bench.folder / "big"
    with bench.rover(f"dir:{folder}") as ours, bench.plain(folder / "big.pgm") as plain:
        costs: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(4):
            for name, server, path in (
                ("ours", ours, "/images/big.pgm"),
                ("plain", plain, "/"),
            ):
                before = server.cpu_s
                if download(server.url + path) < GIB:
                    raise BenchError(f"the download of {name} is incomplete")
                costs[name].append(server.cpu_s - before)
    own, other = (median(costs[name][1:]) for name in ("ours", "plain"))
    print(f"CPU per GiB: {own:.2f} s, plain app {other:.2f} s", flush=True)
    yield Target("CPU of a download of 1 GiB, of that of a plain app", own / other, 1.1)


async def delays_ms(server: Server, seconds: float) -> list[float]:
    """Milliseconds from the POST of a sample to its event, sorted."""
    found: list[float] = []
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=httpx.Timeout(20)) as client,
        client.stream("GET", "/stream/rover-telemetry") as stream,
    ):

        async def send() -> None:
            began = time.monotonic()
            while time.monotonic() < began + seconds:
                await client.post("/ingest/telemetry", json={"sent": time.monotonic()})
                await asyncio.sleep(0.02)

        sending = asyncio.create_task(send())
        async for line in stream.aiter_lines():
            if line.startswith("data:") and '"sent"' in line:
                found.append(1e3 * (time.monotonic() - json.loads(line[5:])["sent"]))
            if sending.done():
                break
        await sending
    return sorted(found)


def beside_downloads(bench: Bench) -> Iterator[Target]:
    """The p99 of telemetry beside four downloads, and without them."""

    def p99(values: Sequence[float]) -> float:
        return values[int(0.99 * len(values))]

    settings = {"ROVER_TELEMETRY": "push:"}
    with bench.rover(f"dir:{bench.folder / 'big'}", **settings) as server:
        httpx.post(f"{server.url}/ingest/telemetry", json={"sent": 0.5})
        idle = p99(asyncio.run(delays_ms(server, bench.seconds)))
        url = f"{server.url}/images/big.pgm"
        loop = f"while curl -s -o /dev/null {url}; do :; done"
        # in this session: with autogroups, `nice` has an effect only within a session (sched(7)),
        # and the downloads would use four fifths of the core of the client that measures
        load = [
            subprocess.Popen(["nice", "-n", "15", "sh", "-c", loop], process_group=0)
            for _ in range(4)
        ]
        try:
            beside = p99(asyncio.run(delays_ms(server, bench.seconds)))
        finally:
            for one in load:
                os.killpg(one.pid, 9)
                one.wait()
    print(f"p99 of telemetry: {idle:.1f} ms idle, {beside:.1f} ms beside downloads", flush=True)
    yield Target("p99 of telemetry beside four downloads, ms more than idle", beside - idle, 10)


def growing(bench: Bench) -> Iterator[Target]:
    """How long a byte of a growing image takes to a client."""
    with bench.rover("bench.growing_camera:GrowingCamera") as server:
        found: list[float] = []
        with httpx.stream("GET", f"{server.url}/images/growing.jpg", timeout=10) as response:
            data, began = bytearray(), time.monotonic()
            for chunk in response.iter_raw():
                now = time.time()
                data += chunk
                while len(data) >= CHUNK_BYTES:
                    found.append(1e3 * (now - TIME.unpack_from(data)[0]))
                    del data[:CHUNK_BYTES]
                if time.monotonic() > began + bench.seconds:
                    break
    recent = sorted(found[len(found) // 5 :])
    print(f"bytes of a growing image: median {median(recent):.2f} ms", flush=True)
    yield Target("median delay of a byte of a growing image, ms", median(recent), 5)


def large_folder(bench: Bench, count: int) -> Iterator[Target]:
    """The start with a large folder, a new file in it, and the CPU when nothing happens."""
    folder = bench.folder / "many"
    folder.mkdir()
    Pillow.effect_noise((64, 48), 60).save(folder / "0.jpg")
    data = (folder / "0.jpg").read_bytes()
    for number in range(1, count):
        (folder / f"{number}.jpg").write_bytes(data)
    with bench.rover(f"dir:{folder}") as server:
        yield Target(f"start with {count:,} files, s", server.start_s, 5)
        began = time.monotonic()
        while len(httpx.get(f"{server.url}/images?limit=1").json()["images"]) < 1:
            time.sleep(0.1)
        print(f"first image listed {time.monotonic() - began:.1f} s after the start", flush=True)
        _wait_until_idle(server)
        print(f"CPU of the first scan: {server.cpu_s:.1f} s", flush=True)
        seen = [_seconds_until_seen(server, folder, data, n) for n in range(5)]
        yield Target("a new file is shown, ms (median)", 1e3 * median(seen), 200)
        _wait_until_idle(server)
        before, began = server.cpu_s, time.monotonic()
        time.sleep(4 * bench.seconds)
        share = (server.cpu_s - before) / (time.monotonic() - began)
        yield Target("CPU when idle, % of a core", 100 * share, 0.5)
    shutil.rmtree(folder)


def _wait_until_idle(server: Server) -> None:
    while True:
        before = server.cpu_s
        time.sleep(2)
        if server.cpu_s - before < 0.05:
            return


def _seconds_until_seen(server: Server, folder: Path, data: bytes, number: int) -> float:
    (folder / ".part").write_bytes(data)
    began = time.monotonic()
    (folder / ".part").rename(folder / f"new{number}.jpg")
    with httpx.Client(base_url=server.url) as client:
        while client.get("/images?limit=1").json()["images"][0]["id"] != f"new{number}.jpg":
            time.sleep(0.005)
    seen_s = time.monotonic() - began
    time.sleep(0.5)
    return seen_s


async def watch(server: Server, seconds: float) -> list[int]:
    """The number of frames that each of many viewers receives."""
    counts = [0] * VIEWERS

    async def view(number: int) -> None:
        port = httpx.URL(server.url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET /stream/rover-video?hz={FPS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        try:
            while data := await reader.read(2**18):
                counts[number] += data.count(b"X-Timestamp")
        finally:
            writer.close()

    viewers = [asyncio.create_task(view(number)) for number in range(VIEWERS)]
    await asyncio.sleep(2)
    counts[:] = [0] * VIEWERS
    before = server.cpu_s
    await asyncio.sleep(seconds)
    share = (server.cpu_s - before) / seconds
    received = sorted(counts)
    for viewer in viewers:
        viewer.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    print(f"{VIEWERS} viewers: {100 * share:.0f} % of a core", flush=True)
    return received


def video(bench: Bench) -> Iterator[Target]:
    """Many viewers of a video."""
    folder = bench.folder / "film"
    folder.mkdir()
    for number in range(20):
        Pillow.effect_noise((320, 160), 20 + number).save(folder / f"{number}.jpg")
    settings = {"ROVER_MAX_VIEWERS": str(VIEWERS), "ROVER_CLIENT_SHARE": "1"}
    with bench.rover(f"dir:{folder}?fps={FPS}", **settings) as server:
        received = asyncio.run(watch(server, bench.seconds))
    slowest = received[0] / bench.seconds
    print(f"frames/s: slowest {slowest:.1f}, median {median(received) / bench.seconds:.1f}")
    yield Target(f"frames/s that the slowest of {VIEWERS} misses, of {FPS}", FPS - slowest, 1)


def main(argv: Sequence[str]) -> int:
    """Measure; return 1 if a goal was missed."""
    parts: dict[str, Callable[[Bench], Iterator[Target]]] = {
        "downloads": downloads,
        "telemetry": beside_downloads,
        "growing": growing,
        "folder": lambda bench: large_folder(bench, args.files),
        "video": video,
    }
    parser = argparse.ArgumentParser(prog="python -m bench images", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"some of {', '.join(parts)} (default: all)")
    parser.add_argument("--files", type=int, default=100_000, help="(default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="each (default %(default)s)")
    args = parser.parse_args(argv)
    if unknown := set(args.only) - parts.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    exit_on_signals()
    cores = choose_cores()
    if cores.load is not None:
        os.sched_setaffinity(0, {cores.load})
    for name, value in facts(cores).items():
        print(f"{name}: {value}")
    results: list[Target] = []
    cache = ROOT / ".cache"  # on a disk: the folder for temporary files may be in memory
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rover-bench-", dir=cache) as folder:
        bench = Bench(Path(folder), cores, args.seconds)
        chosen = args.only or list(parts)
        if {"downloads", "telemetry"} & set(chosen):
            gibibyte(bench.folder / "big")
        for name in chosen:
            try:
                for target in parts[name](bench):
                    print(target, flush=True)
                    results.append(target)
            except BenchError as exc:
                print(f"bench: {exc}", file=sys.stderr)
                return 1
    return 0 if all(target.met for target in results) else 1
