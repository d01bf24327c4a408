"""When and how an image was taken, as its file says."""

from __future__ import annotations

import io

import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from sources.values.images import read_facts, time_in_name

T = 1_795_891_512.0  # 2026-11-28T18:45:12Z


def photo(
    original: str = "", offset: str = "", subseconds: str = "", gps: tuple[str, str] | None = None
) -> io.BytesIO:
    exif = Pillow.Exif()
    exif[0x010F], exif[0x0110] = "Acme\0", "Mast\x1b cam"
    details = exif.get_ifd(0x8769)
    details |= {0x829A: 0.005, 0x8827: 200}
    for tag, text in ((0x9003, original), (0x9011, offset), (0x9291, subseconds)):
        if text:
            details[tag] = text
    if gps is not None:
        exif.get_ifd(0x8825).update({29: gps[0], 7: tuple(map(float, gps[1].split(":")))})
    Pillow.new("RGB", (8, 8)).save(file := io.BytesIO(), "JPEG", exif=exif)
    return file


def test_the_time_of_the_shutter_with_its_offset() -> None:
    facts = read_facts(photo("2026:11:28 19:45:12", "+01:00", "25"), "a.jpg")
    assert facts.taken_at == T + 0.25
    assert facts.metadata == {
        "make": "Acme",
        "model": "Mast cam",
        "exposure_s": 0.005,
        "iso": 200,
    }


def test_the_time_of_the_satellites_is_utc() -> None:
    facts = read_facts(photo("2026:11:28 20:00:00", gps=("2026:11:28", "18:45:12")), "a.jpg")
    assert facts.taken_at == T


PACKET = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:ExposureTime="1/200"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Model="Mast" exif:FNumber="1e400">
<exif:DateTimeOriginal>{time}</exif:DateTimeOriginal>
<exif:ISOSpeedRatings><rdf:Seq><rdf:li>200</rdf:li></rdf:Seq></exif:ISOSpeedRatings>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_states_facts_too(form: str) -> None:
    packet = PACKET.format(time="2026-11-28T19:45:12.25+01:00").encode()
    file = with_xmp(form, packet)
    assert read_facts(file, "a") == (
        T + 0.25,
        {"model": "Mast", "exposure_s": 0.005, "iso": 200},
    )


def test_a_time_in_xmp_without_an_offset_is_no_time_in_utc() -> None:
    facts = read_facts(with_xmp("JPEG", PACKET.format(time="2026-11-28T19:45:12").encode()), "a")
    assert (facts.taken_at, facts.metadata["camera_time"]) == (None, "2026-11-28T19:45:12")


def test_exif_data_goes_before_xmp_also_in_webp() -> None:
    packet = PACKET.format(time="2020-01-01T00:00:00Z").encode()
    exif = Pillow.open(photo("2026:11:28 19:45:12", "+01:00")).getexif()
    for form in ("JPEG", "WEBP"):
        facts = read_facts(with_xmp(form, packet, exif=exif), "a")
        assert (facts.taken_at, facts.metadata["model"]) == (T, "Mast cam")


@pytest.mark.parametrize(
    "packet", [b"", b"<x", b"\0" * 99, PACKET.format(time="x" * 70_000).encode()]
)
def test_a_damaged_or_huge_packet_states_nothing(packet: bytes) -> None:
    assert read_facts(with_xmp("WEBP", packet), "a") == (None, {})


def with_xmp(form: str, packet: bytes, **options: object) -> io.BytesIO:
    image = Pillow.new("RGB", (8, 8))
    if form == "PNG":  # Pillow writes it from here
        chunks = PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", packet.decode())
        options["pnginfo"] = chunks
    if form == "TIFF":
        options["tiffinfo"] = {700: packet}
    image.save(file := io.BytesIO(), form, xmp=packet, **options)
    return file


def test_a_time_without_an_offset_is_no_time_in_utc() -> None:
    facts = read_facts(photo("2026:11:28 19:45:12"), "a.jpg")
    assert (facts.taken_at, facts.metadata["camera_time"]) == (None, "2026:11:28 19:45:12")


@pytest.mark.parametrize(
    ("name", "t"),
    [
        ("cam_20261128T184512Z.jpg", T),
        ("2026-11-28T18-45-12.500Z.png", T + 0.5),
        ("sol3/20261128_184512Z", T),
        ("20261128_184512.jpg", None),
        ("20261399T184512Z", None),
        ("0000-00-00T00-00-00Z", None),
        ("NLA_399621413EDR_F0030308NCAM00405M1.IMG", None),
    ],
)
def test_only_a_time_in_utc_in_a_name_counts(name: str, t: float | None) -> None:
    assert time_in_name(name) == t


@pytest.mark.parametrize("original", ["0000:00:00 00:00:00", "yesterday", "\0" * 19, "9999:99:99"])
def test_a_false_time_counts_for_nothing(original: str) -> None:
    data = photo(original, "+99:99").getvalue()
    for file in (data, data[:300], data[:40], b"", b"\xff\xd8\xff" * 99):
        assert read_facts(io.BytesIO(file), "20261128T184512Z").taken_at == T
