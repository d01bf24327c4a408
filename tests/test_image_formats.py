"""Formats beyond those of the web: Netpbm, AVIF, HEIC, FITS and PDS3."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

from rover.images.scaling import NotScalable, scaled
from sources.values.images import Header, is_patched, is_whole, read_facts, read_header, read_raster

if TYPE_CHECKING:
    from pathlib import Path

RAMP = np.linspace(1000, 5000, 30 * 40).reshape(30, 40)  # darkest at the top
Values = np.ndarray[Any, np.dtype[Any]]

T = 1_795_891_512.25  # 2026-11-28T18:45:12.25Z


def pillow(form: str, mode: str = "RGB") -> bytes:
    image = Pillow.fromarray((RAMP / 20).astype(np.uint8)).convert(mode)
    image.save(file := io.BytesIO(), form)
    return file.getvalue()


def fits(values: Values, *more: str) -> bytes:
    """A primary unit without data, then an image."""
    kind = values.dtype.newbyteorder(">")
    bits = kind.itemsize * (-8 if kind.kind == "f" else 8)
    first = ("SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0", *more)
    image = (
        "XTENSION= 'IMAGE   '",
        f"BITPIX  = {bits} / bits",
        "NAXIS   = 2",
        f"NAXIS1  = {values.shape[1]}",
        f"NAXIS2  = {values.shape[0]}",
    )
    headers = ["".join(f"{card:80}" for card in (*cards, "END")) for cards in (first, image)]
    data = values[::-1].astype(kind).tobytes()
    blocks = [header.encode().ljust(2880) for header in headers]
    return b"".join((*blocks, data.ljust(-(-len(data) // 2880) * 2880, b"\0")))


def pds3(values: Values, kind: str, *more: str, size: tuple[int, int] = (40, 30)) -> bytes:
    width, height = size
    label = (
        "PDS_VERSION_ID = PDS3 /* label */",
        "RECORD_BYTES = 512",
        "^IMAGE = 1025 <BYTES>",
        "START_TIME = 2026-332T18:45:12.250",
        'INSTRUMENT_NAME = "NAVIGATION\r\n   CAMERA"',
        "PLANET_DAY_NUMBER = 24",
        "OBJECT = IMAGE",
        f"LINES = {height}",
        f"LINE_SAMPLES = {width}",
        f"SAMPLE_TYPE = {kind}",
        f"SAMPLE_BITS = {8 * values.dtype.itemsize}",
        *more,
        "END_OBJECT = IMAGE",
        "END",
    )
    return "\r\n".join(label).encode().ljust(1024) + values.tobytes()


def rows(data: bytes) -> Values:
    found = read_raster(data)
    assert found is not None
    return found


FILES = {
    "image/x-portable-bitmap": pillow("PPM", "1"),
    "image/x-portable-graymap": pillow("PPM", "L"),
    "image/x-portable-pixmap": pillow("PPM"),
    "image/avif": pillow("AVIF"),
    "image/heic": pillow("HEIF"),
    "image/fits": fits(RAMP.astype(">i2")),
    "image/x-pds": pds3(RAMP.astype(">u2"), "MSB_UNSIGNED_INTEGER"),
}


@pytest.mark.parametrize("content_type", FILES)
def test_each_format_is_recognized_and_whole_only_at_its_end(content_type: str) -> None:
    data = FILES[content_type]
    assert read_header(io.BytesIO(data)) == Header(content_type, 40, 30)
    assert is_whole(io.BytesIO(data), content_type)
    assert is_whole(io.BytesIO(data + b"more"), content_type, search=True)
    for n in range(0, len(data) - 1, max(1, len(data) // 150)):
        part = io.BytesIO(data[:n])
        header = read_header(part)
        assert header is None or header.content_type == content_type
        assert not any(is_whole(part, content_type, search=search) for search in (False, True))


@pytest.mark.parametrize("content_type", FILES)
def test_each_format_is_scaled_upright_and_damage_is_reported(content_type: str) -> None:
    data = FILES[content_type]
    small = np.asarray(Pillow.open(io.BytesIO(scaled(data, 160))).convert("L"), int)
    assert small.shape == (30, 40)
    assert small[:5].mean() < small[-5:].mean() - 40
    with pytest.raises(NotScalable):
        scaled(data[: len(data) // 2], 160)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("LSB_INTEGER", "<i2"), ("IEEE_REAL", ">f4"), ("PC_REAL", "<f8"), ("UNSIGNED_INTEGER", ">u4")],
)
def test_samples_of_each_type_and_order(kind: str, dtype: str) -> None:
    values = RAMP.astype(dtype)
    assert np.array_equal(rows(pds3(values, kind)), values)
    assert np.array_equal(rows(fits(values)), values)


@pytest.mark.parametrize(
    ("storage", "axes"),
    [
        ("BAND_SEQUENTIAL", (2, 0, 1)),
        ("LINE_INTERLEAVED", (0, 2, 1)),
        ("SAMPLE_INTERLEAVED", (0, 1, 2)),
    ],
)
def test_bands_and_the_bytes_around_lines(storage: str, axes: tuple[int, int, int]) -> None:
    cube = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    ordered = cube.transpose(axes)
    lines = ordered.reshape(30 if storage.startswith("SAMPLE") else 90, -1)
    lines = np.pad(lines, ((0, 0), (5, 2)), constant_values=255)
    more = ("BANDS = 3", f"BAND_STORAGE_TYPE = {storage}", "LINE_PREFIX_BYTES = 5")
    data = pds3(lines, "UNSIGNED_INTEGER", *more, "LINE_SUFFIX_BYTES = 2", size=(40, 30))
    assert is_whole(io.BytesIO(data), "image/x-pds")
    assert np.array_equal(rows(data), cube)


def test_facts_of_labels() -> None:
    taken_at, metadata = read_facts(io.BytesIO(FILES["image/x-pds"]), "a.IMG")
    assert (taken_at, metadata) == (T, {"instrument": "NAVIGATION CAMERA", "sol": 24})
    cards = ("DATE-OBS= '2026-11-28T18:45:12.25'", "INSTRUME= 'Dave''s'", "EXPTIME = 1.5 / s")
    facts = read_facts(io.BytesIO(fits(RAMP.astype(">i2"), *cards)), "a.fits")
    assert facts == (T, {"instrument": "Dave's", "exposure_s": 1.5})
    other = fits(RAMP.astype(">i2"), *cards, "TIMESYS = 'TDB'")
    assert read_facts(io.BytesIO(other), "a.fits").taken_at is None


def test_a_label_without_an_image_in_its_file_is_not_an_image() -> None:
    for pointer in (b'^IMAGE = ("A.IMG", 3)', b"^TABLE = 1025 <BYTES>"):
        data = FILES["image/x-pds"].replace(b"^IMAGE = 1025 <BYTES>", pointer)
        assert read_header(io.BytesIO(data)) is None


def test_a_few_bright_pixels_and_nan_do_not_darken_the_rest() -> None:
    values = RAMP.astype(np.float32)
    values[0, :3] = (1e9, np.nan, np.inf)
    small = np.asarray(Pillow.open(io.BytesIO(scaled(fits(values), 160))).convert("L"))
    assert small[-5:].mean() > 200


def test_the_navcam_frame_of_curiosity(shared_data: Path) -> None:
    data = (shared_data / "images/NLA_399621413EDR_F0030308NCAM00405M1.IMG").read_bytes()
    assert read_header(io.BytesIO(data)) == Header("image/x-pds", 1024, 1024)
    assert is_whole(io.BytesIO(data), "image/x-pds")
    assert not is_whole(io.BytesIO(data[:-2048]), "image/x-pds")
    taken_at, metadata = read_facts(io.BytesIO(data), "a.IMG")
    assert taken_at == 1_346_349_563.435
    assert (metadata["sol"], metadata["received_packets"]) == (24, 130)
    small = np.asarray(Pillow.open(io.BytesIO(scaled(data, 160))).convert("L"))
    assert 60 < small.mean() < 200
    assert is_patched("image/x-pds")
