"""Lists of images by time, state and text, in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rover.images.cameras import Shot
from rover.images.gallery import ANY, Cursor, ImageFilter, page
from sources.base import Image
from tests.image_site import DATA, site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rover.images.arrivals import ImageState
    from tests.conftest import Serve
    from tests.image_site import Site

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


def shot(image_id: str, at: float | None, camera: str = "mast", **known: Any) -> Shot:
    state: ImageState = known.pop("state", "complete")
    image = Image(image_id, "image/png", received_at=at, complete=True, **known)
    return Shot(camera, image, state)


MAST = [
    shot("arriving.png", None, state="arriving"),
    shot("c.png", T + 30, metadata={"filter": "L0 Clear", "sol": 12}),
    shot("b/1.png", T + 20, taken_at=T - 900),
    shot("b/2.png", T + 20, taken_at=T - 800, state="broken"),
    shot("\udcff.png", T, metadata={"filter": None}),
]
REAR = [shot("b.png", T + 20, "rear"), shot("a.png", T + 10, "rear")]


async def ids(lists: Sequence[Sequence[Shot]], **chosen: Any) -> list[str]:
    found, more = await page(lists, ImageFilter(**chosen), 10, None)
    assert not more
    return [one.image.id for one in found]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"since": T + 20}, ["c.png", "b/1.png", "b/2.png"]),
        ({"since": T + 10, "until": T + 30}, ["b/1.png", "b/2.png"]),
        ({"taken_since": T - 800}, ["b/2.png"]),
        ({"taken_until": T - 800}, ["b/1.png"]),
        ({"states": ("arriving", "broken")}, ["arriving.png", "b/2.png"]),
        ({"text": "l0 CLEAR"}, ["c.png"]),
        ({"text": "12"}, ["c.png"]),
        ({"text": "B/"}, ["b/1.png", "b/2.png"]),
        ({"text": "none of them"}, []),
    ],
)
async def test_a_filter_chooses_images(chosen: dict[str, Any], expected: list[str]) -> None:
    assert await ids([MAST], **chosen) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
async def test_pages_have_each_image_once(limit: int) -> None:
    whole, _ = await page([MAST, REAR], ANY, 10, None)
    found: list[Shot] = []
    after, more = None, True
    while more:
        part, more = await page([MAST, REAR], ANY, limit, after)
        after = Cursor.parse(str(Cursor.of(part[-1])))
        found += part
    assert found == whole
    assert len(whole) == len(MAST) + len(REAR)


async def test_a_page_begins_after_an_image_that_was_deleted() -> None:
    after = Cursor.of(MAST[2])
    left, _ = await page([[*MAST[:2], *MAST[3:]]], ANY, 10, after)
    assert left == MAST[3:]


async def complete(at: Site, image_id: str) -> None:
    """Let an image arrive, and receive all of it."""
    at.complete(image_id)
    assert (await at.client.get(f"/images/{image_id}")).content == DATA


async def test_a_client_follows_the_pages_of_a_list(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        for number in range(5):
            await complete(at, f"{number}.png")
        found, query = [], {"limit": "2", "state": "complete", "q": ".PNG"}
        while True:
            listed = (await at.client.get("/images", params=query)).raise_for_status().json()
            found += [image["id"] for image in listed["images"]]
            if listed["next"] is None:
                break
            query["cursor"] = listed["next"]
    assert found == ["4.png", "3.png", "2.png", "1.png", "0.png"]
    assert not listed["more"]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=bmFuL2EvYg==", "at=5&q=a", "state=lost"])
async def test_a_wrong_query_is_refused(serve: Serve, tmp_path: Path, query: str) -> None:
    async with site(serve, tmp_path) as at:
        assert (await at.client.get(f"/images?{query}")).status_code == 400


async def test_a_client_asks_whether_its_list_is_current(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        await complete(at, "a.png")
        tag = (await at.client.get("/images")).headers["ETag"]
        again = await at.client.get("/images", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        await complete(at, "b.png")
        changed = await at.client.get("/images", headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != tag
