"""Smaller copies of images."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

from rover.errors import NoThumbnail
from rover.images.scaling import NotScalable, scaled
from rover.images.thumbnails import CACHE_TAG, Thumbnails
from tests.fake_camera import FakeCamera, names_in, receiving, spooled
from tests.image_site import site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


def image_bytes(form: str = "PNG", size: tuple[int, int] = (640, 480), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    image = Pillow.effect_noise(size, 60).convert(mode)
    if mode.endswith("A"):
        image.putalpha(100)
    image.save(file, form)
    return file.getvalue()


def opened(data: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(data), formats=["WEBP"])


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *(("PNG", mode) for mode in ("RGB", "RGBA", "L", "P", "1", "LA")),
        *((form, "RGB") for form in ("JPEG", "GIF", "WEBP", "TIFF", "BMP")),
        ("JPEG", "CMYK"),
    ],
)
def test_each_format_is_scaled_to_a_width(form: str, mode: str) -> None:
    small = opened(scaled(image_bytes(form, mode=mode), 160))
    assert (small.width, small.height) == (160, 120)
    assert (small.mode == "RGBA") is (mode in ("RGBA", "LA"))


def test_an_image_is_not_enlarged_and_a_thin_one_keeps_a_pixel() -> None:
    assert opened(scaled(image_bytes(size=(90, 40)), 160)).size == (90, 40)
    assert opened(scaled(image_bytes(size=(2000, 1)), 160)).size == (160, 1)


def test_16_bits_are_stretched_between_the_darkest_and_the_brightest_pixel() -> None:
    values = np.linspace(1000, 5000, 64 * 64).reshape(64, 64)
    for pixels, form in ((values.astype(np.uint16), "PNG"), (values.astype(np.float32), "TIFF")):
        Pillow.fromarray(pixels).save(file := io.BytesIO(), form)
        small = np.asarray(opened(scaled(file.getvalue(), 160)).convert("L"))
        assert small.min() < 8
        assert small.max() > 247


def test_an_image_of_a_camera_held_sideways_is_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    Pillow.new("RGB", (400, 300), "red").save(file := io.BytesIO(), "JPEG", exif=exif)
    assert opened(scaled(file.getvalue(), 150)).size == (150, 200)


def test_a_damaged_image_and_an_enormous_one_are_refused() -> None:
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0"
    png = image_bytes()
    for data in (b"", b"no image", png[:200], png[:-4000], bomb + bytes(100), png[:40] + b"?" * 99):
        with pytest.raises(NotScalable):
            scaled(data, 160)


def test_an_image_that_is_higher_than_webp_allows_is_scaled() -> None:
    assert opened(scaled(image_bytes(size=(40, 20_000), mode="L"), 160)).size == (33, 16_383)


def test_a_small_file_that_would_need_a_gigabyte_is_refused() -> None:
    Pillow.new("CMYK", (64, 64)).save(file := io.BytesIO(), "JPEG", progressive=True)
    data = file.getvalue()
    size = data.index(b"\xff\xc2") + 5  # of the frame header
    enormous = struct.pack(">HH", 13_000, 13_000)
    with pytest.raises(NotScalable):
        scaled(data[:size] + enormous + data[size + 4 :], 160)


@pytest.mark.parametrize("form", ["AVIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_with_any_damage_is_scaled_or_refused(form: str) -> None:
    data = bytearray(image_bytes(form, size=(32, 24)))
    for at in range(min(len(data), 500)):
        damaged = bytes(data[:at]) + b"\xff" + bytes(data[at + 1 :])
        with suppress(NotScalable):
            scaled(damaged, 160)


@pytest.mark.parametrize("mode", ["P", "1"])
def test_pixels_of_a_palette_are_averaged(mode: str) -> None:
    black_and_white = np.indices((480, 640)).sum(axis=0) % 2 * 255
    image = Pillow.fromarray(black_and_white.astype(np.uint8)).convert(mode)
    image.save(file := io.BytesIO(), "PNG")
    small = np.asarray(opened(scaled(file.getvalue(), 160)).convert("L"))
    assert 100 < small.min() <= small.max() < 155


async def test_a_copy_is_served_with_an_entity_tag(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("a b.png", image_bytes())
        await spooled(at.images, "a b.png")
        listed = (await at.client.get("/images")).json()["images"][0]
        small = await at.client.get(f"/{listed['thumbnail']}&width=100")
        assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
        assert opened(small.content).width == 160
        tag = {"If-None-Match": small.headers["etag"]}
        again = await at.client.get("/images/a b.png/thumbnail?width=160", headers=tag)
        assert again.status_code == 304
        wider = await at.client.get(f"/{listed['thumbnail']}")
        assert wider.headers["etag"] != small.headers["etag"]
        for query, status in (("revision=0", 412), ("width=0", 400), ("width=99999", 400)):
            path = f"/images/a b.png/thumbnail?{query}"
            assert (await at.client.get(path)).status_code == status


async def test_an_image_without_a_copy_says_why(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("text.png", b"only a text")
        at.camera.send(at.camera.begin("arriving.png"), image_bytes()[:900])
        await spooled(at.images, "text.png")
        await spooled(at.images, "arriving.png", 900)
        listed = (await at.client.get("/images")).json()["images"]
        assert [image["thumbnail"] is None for image in listed] == [True, False]
        for name in ("text.png", "arriving.png"):
            response = await at.client.get(f"/images/{name}/thumbnail")
            assert response.status_code == 422
            assert response.headers["content-type"] == "application/problem+json"
        assert (await at.client.get("/images/none/thumbnail")).status_code == 404


async def test_copies_are_kept_up_to_a_size(tmp_path: Path) -> None:
    camera = FakeCamera()
    folder = tmp_path / "thumbnails"
    async with receiving(camera, tmp_path / "spool") as images:
        for name in ("a", "b", "c"):
            fake = camera.begin(name)
            camera.send(fake, image_bytes())
            camera.finish(fake)
            await spooled(images, name)
        shots = [await images.find(name) for name in ("a", "b", "c")]
        one = len((await Thumbnails().get(images, shots[0], 160)).data)
        thumbnails = Thumbnails(folder, int(one * 2.5))
        first = await thumbnails.get(images, shots[0], 160)
        await thumbnails.get(images, shots[1], 160)
        assert await thumbnails.get(images, shots[0], 160) == first
        await thumbnails.get(images, shots[2], 160)  # the second was used least lately
        kept = names_in(folder)
        assert (len(kept), first.etag in kept, CACHE_TAG in kept) == (3, True, True)
        (folder / first.etag).write_bytes(b"of the disk")
        reopened = Thumbnails(folder, int(one * 2.5))
        assert (await reopened.get(images, shots[0], 160)).data == b"of the disk"
        (folder / first.etag).unlink()
        assert await reopened.get(images, shots[0], 160) == first
        camera.begin("a", revision="2")
        with pytest.raises(NoThumbnail):
            await reopened.get(images, await images.find("a"), 160)
