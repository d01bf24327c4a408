"""The share of each limit that one client may use, counted alone and over real sockets."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import (
    connect_tcp,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rover.errors import PoolFull
from rover.mission import MissionControl
from rover.settings import Settings
from rover.shares import Pool
from tests.command_files import Script
from tests.uploading import BEGIN, FORM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

LIMIT = 6
SHARE = 2
GREEDY, OTHER = "127.0.0.2", "127.0.0.3"


@pytest.mark.parametrize(
    ("limit", "part", "share"),
    [(32, 1 / 3, 10), (30, 1 / 3, 10), (2, 1 / 3, 1), (1, 0.01, 1), (100, 0.29, 29), (7, 1, 7)],
)
def test_a_share_is_rounded_down_and_at_least_one(limit: int, part: float, share: int) -> None:
    assert Pool("views", "ROVER_MAX_VIEWS", limit, part).share == share


def test_a_client_that_holds_its_share_is_refused_and_others_are_served() -> None:
    pool = Pool("views", "ROVER_MAX_VIEWS", LIMIT, 1 / 3)
    for _ in range(SHARE):
        pool.acquire(GREEDY)
    with pytest.raises(PoolFull) as refusal:
        pool.acquire(GREEDY)
    assert (refusal.value.held, refusal.value.limit) == (SHARE, LIMIT)
    for client in (OTHER, OTHER, None, None):
        pool.acquire(client)
    with pytest.raises(PoolFull, match="ROVER_MAX_VIEWS") as refusal:
        pool.acquire("127.0.0.4")
    assert refusal.value.held == 0
    assert GREEDY not in str(refusal.value)
    assert pool.refused == {"share": 1, "limit": 1}
    pool.release(GREEDY)
    with pool.hold(GREEDY):
        assert len(pool) == LIMIT
    assert (len(pool), pool.held_by(GREEDY)) == (LIMIT - 1, SHARE - 1)


async def test_waiting_clients_get_a_place_in_turn_unless_their_share_is_used() -> None:
    pool = Pool("responses", "", LIMIT, 1 / 3)
    got: list[str] = []

    async def wait(client: str) -> None:
        async with pool.place(client, 60):
            got.append(client)
            await sleep_forever()

    async with create_task_group() as waiting:
        for client in (GREEDY, GREEDY, GREEDY, OTHER):
            waiting.start_soon(wait, client)
        await wait_all_tasks_blocked()
        assert got == [GREEDY, GREEDY, OTHER]
        pool.acquire(None)
        pool.acquire(None)
        pool.acquire(None)
        waiting.start_soon(wait, "127.0.0.4")
        pool.release(None)  # the next in turn has used its share
        await wait_all_tasks_blocked()
        assert got == [GREEDY, GREEDY, OTHER, "127.0.0.4"]
        waiting.cancel_scope.cancel()
    assert (len(pool), pool.held_by(GREEDY)) == (2, 0)


async def test_a_client_that_waits_too_long_is_refused() -> None:
    pool = Pool("responses", "", 3, 1 / 3)
    with pool.hold(GREEDY):
        with pytest.raises(PoolFull):
            async with pool.place(GREEDY, 0.01):
                pass
        async with pool.place(OTHER, 0.01):
            assert len(pool) == 2
    assert (len(pool), pool.refused) == (0, {"share": 1})


class Crowd:
    """Clients of one server, each at an address of its own of the loopback network."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack

    async def get(self, address: str, path: str) -> int:
        """Begin a response that stays open; the status."""
        transport = httpx.AsyncHTTPTransport(local_address=address)
        client = await self._stack.enter_async_context(httpx.AsyncClient(transport=transport))
        response = await self._stack.enter_async_context(client.stream("GET", self._url + path))
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) > 0
            assert address in (await response.aread()).decode()
        return response.status_code

    async def begin(self, address: str, head: str, body: bytes) -> int | None:
        """Begin a request and never finish its body; the status, if it is refused."""
        port = int(self._url.rpartition(":")[2])
        connection = await connect_tcp("127.0.0.1", port, local_host=address)
        await self._stack.enter_async_context(connection)
        await connection.send(
            f"POST {head}\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n".encode() + body
        )
        with suppress(TimeoutError), fail_after(0.3):
            return int((await connection.receive()).split()[1])
        return None

    async def join(self, address: str, channel: str) -> int | None:
        """Join a channel; the code, if the connection is closed."""
        url = self._url.replace("http", "ws") + f"/ws/comms/{channel}"
        connecting = connect(url, local_addr=(address, 0), subprotocols=["rover.comms.v1"])  # type: ignore[list-item]
        member = await self._stack.enter_async_context(connecting)
        try:
            await member.recv()
        except ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd else 1006
        return None


@asynccontextmanager
async def crowd(
    serve: Serve, tmp_path: Path, max_readers: int = LIMIT
) -> AsyncIterator[tuple[MissionControl, Crowd]]:
    limits: dict[str, Any] = dict.fromkeys(
        ["max_views", "max_uploads", "max_channels", "max_members", "max_ingests"], LIMIT
    )
    settings = Settings(data_dir=tmp_path, max_readers=max_readers, **limits)
    mission = MissionControl(settings, telemetry="push:", camera="none:", commands=Script())
    async with serve(mission.app) as url, AsyncExitStack() as stack:
        yield mission, Crowd(url, stack)


async def test_one_client_takes_at_most_its_share_of_the_readers_and_views(
    serve: Serve, tmp_path: Path
) -> None:
    async with crowd(serve, tmp_path, max_readers=9) as (mission, clients):
        streams = [f"/stream/rover-telemetry?hz={n}" for n in range(1, 5)]
        assert [await clients.get(GREEDY, path) for path in streams[:3]] == [200, 200, 503]
        assert await clients.get(OTHER, streams[2]) == 200
        assert await clients.get(GREEDY, streams[2]) == 200  # the view is open already
        assert await clients.get(GREEDY, streams[0]) == 503
        assert await clients.get(OTHER, streams[3]) == 200
        assert mission.telemetry.views.pool.refused == {"share": 1}
        assert mission.serving.readers.refused == {"share": 1}


async def test_one_client_takes_at_most_its_share_of_the_uploads_and_ingests(
    serve: Serve, tmp_path: Path
) -> None:
    async with crowd(serve, tmp_path) as (_, clients):
        upload = f"/upload/rover-commands HTTP/1.1\r\nContent-Type: {FORM}"
        for head, body in ((upload, BEGIN + b"G"), ("/ingest/telemetry HTTP/1.1", b"{")):
            own = [await clients.begin(GREEDY, head, body) for _ in range(SHARE + 1)]
            other = await clients.begin(OTHER, head, body)
            assert own[SHARE] == 503
            assert 503 not in [*own[:SHARE], other]


async def test_one_client_takes_at_most_its_share_of_the_channels_and_members(
    serve: Serve, tmp_path: Path
) -> None:
    async with crowd(serve, tmp_path) as (mission, clients):
        assert [await clients.join(GREEDY, "eva") for _ in range(3)] == [None, None, 1013]
        assert await clients.join(GREEDY, "ops") is None
        assert await clients.join(GREEDY, "third") == 1013
        assert await clients.join(OTHER, "eva") is None
        assert await clients.join(OTHER, "third") is None
        assert (
            mission.comms.channels.pool.refused
            == mission.comms.channels.members_refused
            == {"share": 1}
        )


async def test_a_client_with_its_share_of_channels_replaces_only_its_own(tmp_path: Path) -> None:
    mission = MissionControl(Settings(data_dir=tmp_path, max_channels=LIMIT), telemetry="none:")
    comms = mission.comms
    for name, client in (("theirs", OTHER), ("a", GREEDY), ("b", GREEDY), ("c", GREEDY)):
        with comms.join(name, client=client):
            pass
    assert [channel.name for channel in comms.channels.listed()] == ["b", "c", "theirs"]
