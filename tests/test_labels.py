"""Labels in files of their own: PDS4, and PDS3 with a pointer to another file."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pds4_tools import pds4_read

from rover.images.scaling import scaled
from sources.directory import DirectoryCamera
from sources.values.images import Described, read_label, read_raster
from sources.values.images.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from sources.base import Image

pytestmark = pytest.mark.anyio

NAVCAM = "NLA_399621413EDR_F0030308NCAM00405M1"
T = 1_795_891_512.25  # 2026-11-28T18:45:12.25Z

TYPES = {
    "UnsignedByte": ">u1",
    "SignedByte": ">i1",
    "UnsignedMSB2": ">u2",
    "SignedLSB4": "<i4",
    "UnsignedLSB8": "<u8",
    "IEEE754MSBSingle": ">f4",
    "IEEE754LSBDouble": "<f8",
}
AXES = {
    "Line Sample": (30, 40),
    "Band Line Sample": (3, 30, 40),
    "Line Band Sample": (30, 3, 40),
    "Line Sample Band": (30, 40, 3),
}


def pds4(
    name: str, kind: str, axes: str, lengths: tuple[int, ...], offset: int = 64, more: str = ""
) -> bytes:
    array = f"Array_{len(lengths)}D_Image"
    each = "".join(
        f"<Axis_Array><axis_name>{axis}</axis_name><elements>{length}</elements>"
        f"<sequence_number>{n}</sequence_number></Axis_Array>"
        for n, (axis, length) in enumerate(zip(axes.split(), lengths, strict=True), 1)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- as an archive writes it -->
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1" xmlns:img="urn:img">
  <Identification_Area>
    <logical_identifier>urn:nasa:pds:rover:frame</logical_identifier>
  </Identification_Area>
  <Observation_Area>
    <Time_Coordinates><start_date_time>2026-11-28T18:45:12.250Z</start_date_time></Time_Coordinates>
    <Investigation_Area><name>Cosmic Rover</name></Investigation_Area>
    <Observing_System>
      <Observing_System_Component><name>Rover</name><type>Host</type></Observing_System_Component>
      <Observing_System_Component>
        <name>Navcam</name><type>Instrument</type>
      </Observing_System_Component>
    </Observing_System>
    <img:exposure_duration unit="ms">25</img:exposure_duration>{more}
  </Observation_Area>
  <File_Area_Observational>
    <File><file_name>{name}</file_name></File>
    <{array}>
      <offset unit="byte">{offset}</offset><axes>{len(lengths)}</axes>
      <axis_index_order>Last Index Fastest</axis_index_order>
      <Element_Array><data_type>{kind}</data_type></Element_Array>{each}
      <Special_Constants><missing_constant>200</missing_constant></Special_Constants>
    </{array}>
  </File_Area_Observational>
</Product_Observational>""".encode()


def pds3(pointer: str, width: int = 40, height: int = 30, more: str = "") -> bytes:
    return f"""PDS_VERSION_ID = PDS3\r
RECORD_BYTES = 32\r
^IMAGE = {pointer}\r
START_TIME = 2026-332T18:45:12.250\r
OBJECT = IMAGE\r
  LINES = {height}\r
  LINE_SAMPLES = {width}\r
  SAMPLE_TYPE = MSB_UNSIGNED_INTEGER\r
  SAMPLE_BITS = 16\r
  {more}\r
END_OBJECT = IMAGE\r
END\r
""".encode()


def samples(kind: str, lengths: tuple[int, ...]) -> bytes:
    ramp = np.linspace(1, 100, int(np.prod(lengths))).astype(kind)
    return b"\1" * 64 + ramp.tobytes()


def rows(described: Described | None, data: bytes) -> np.ndarray[Any, Any]:
    assert described is not None
    found = read_raster(data, str(described.facts.metadata["layout"]))
    assert found is not None
    return found


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("kind", TYPES)
async def test_pds4_arrays_are_those_of_the_reader_of_the_pds(
    kind: str, axes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the reader replaces it
    label, data = pds4("frame.dat", kind, axes, AXES[axes]), samples(TYPES[kind], AXES[axes])
    (tmp_path / "frame.xml").write_bytes(label)
    (tmp_path / "frame.dat").write_bytes(data)
    reference = np.asarray(pds4_read(str(tmp_path / "frame.xml"), quiet=True)[0].data)
    by_pixel = reference
    if len(AXES[axes]) == 3:
        by_pixel = np.moveaxis(reference, axes.split().index("Band"), 2)
    assert np.array_equal(rows(read_label(label, "frame.xml", "frame.dat"), data), by_pixel)


async def test_what_a_pds4_label_says() -> None:
    described = read_label(
        pds4("A.IMG", "UnsignedMSB2", "Line Sample", (30, 40)), "sol3/a.xml", "sol3/a.img"
    )
    assert described is not None
    assert described.end == 64 + 2 * 30 * 40
    assert described.facts.taken_at == T
    assert described.facts.metadata == {
        "product": "urn:nasa:pds:rover:frame",
        "mission": "Cosmic Rover",
        "instrument": "Navcam",
        "exposure_s": 0.025,
        "label": "a.xml",
        "layout": "start=64 width=40 height=30 type=>u2 missing=200",
    }


async def test_missing_samples_and_lines_from_bottom_to_top() -> None:
    more = (
        "<Display_Settings><vertical_display_direction>Bottom to Top</vertical_display_direction>"
        "</Display_Settings>"
    )
    values = np.arange(1, 1201, dtype=">u2").reshape(30, 40)
    label = pds4("a.img", "UnsignedMSB2", "Line Sample", (30, 40), more=more)
    found = rows(read_label(label, "a.xml", "a.img"), b"\1" * 64 + values.tobytes())
    expected = values.astype(np.float32)[::-1].copy()
    expected[expected == 200] = np.nan
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("pointer", "start"),
    [('"A.IMG"', 0), ('("A.IMG", 3)', 64), ('("a.img",65 <BYTES>)', 64), ('( "A.IMG" , 1 )', 0)],
)
async def test_pointers_of_pds3_to_another_file(pointer: str, start: int) -> None:
    described = read_label(pds3(pointer), "a.lbl", "a.img")
    assert described is not None
    assert Layout.parse(str(described.facts.metadata["layout"])) == Layout(start, 40, 30, ">u2")
    assert (described.end, described.facts.taken_at) == (start + 2 * 30 * 40, T)


WHOLE = pds4("a.img", "UnsignedMSB2", "Line Sample", (30, 40))
BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(
        f'<!ENTITY {b} "{f"&{a};" * 20}">'.encode() for a, b in zip("abcdef", "bcdefg", strict=True)
    )
    + b"]><x>&g;</x>"
)


@pytest.mark.parametrize(
    "label",
    [
        b"",
        b"<x/>",
        BOMB,
        WHOLE[:-200],
        pds4("../../etc/passwd", "UnsignedMSB2", "Line Sample", (30, 40)),
        pds4("a.img", "ComplexMSB8", "Line Sample", (30, 40)),
        pds4("a.img", "UnsignedMSB2", "Line Sample", (0, 40)),
        pds4("a.img", "UnsignedMSB2", "Line Sample", (30, 40), offset=-1),
        pds4("a.img", "UnsignedMSB2", "Sample Line Band", (3, 30, 40)),
        pds3("3"),
        pds3('"B.IMG"'),
        pds3('("A.IMG", 0)'),
        pds3('"A.IMG"', width=0),
        pds3('"A.IMG"', more='ENCODING_TYPE = "JP2"'),
        pds3('"A.IMG"')[:-10],
        b"\xff\xd8\xff" * 99,
    ],
)
async def test_other_labels_say_nothing_of_the_image(label: bytes) -> None:
    assert read_label(label, "a.xml", "a.img") is None


@pytest.mark.parametrize("text", ["start=0", "width=x", "start=0 width=4 height=4 type=O", "a b"])
async def test_a_false_layout_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Layout.parse(text)


async def only_image(camera: DirectoryCamera) -> Image | None:
    await camera.refresh()
    found = await camera.images()
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("is_first", ["label", "data"])
async def test_an_image_is_complete_when_its_label_and_all_its_bytes_are_there(
    is_first: str, tmp_path: Path
) -> None:
    data = samples(">u2", (30, 40))
    camera = DirectoryCamera(tmp_path, poll_s=3600, settle_s=0)
    label = [("A.xml", WHOLE[:-100]), ("A.xml", WHOLE)]
    parts = [("A.IMG", data[:-1]), ("A.IMG", data)]
    for name, content in label + parts if is_first == "label" else parts + label:
        image = await only_image(camera)
        assert image is None or not image.complete
        (tmp_path / name).write_bytes(content)
    await camera.refresh(["A.IMG", "A.xml"])
    image = await only_image(camera)
    assert image is not None
    assert image.complete
    assert (image.id, image.content_type, image.taken_at) == ("A.IMG", "image/x-pds4", T)
    assert (image.width, image.height, image.size) == (40, 30, len(data))
    assert b"".join([chunk async for chunk in camera.open("A.IMG")]) == data
    (tmp_path / "A.xml").write_bytes(WHOLE.replace(b"Navcam", b"Hazcam"))
    await camera.refresh(["A.xml"])
    changed = await only_image(camera)
    assert changed is not None
    assert changed.metadata["instrument"] == "Hazcam"
    assert changed.revision != image.revision
    (tmp_path / "A.xml").unlink()
    await camera.refresh(["A.xml"])
    assert await only_image(camera) is None


async def test_a_frame_of_curiosity_with_each_label_looks_the_same(
    shared_data: Path, tmp_path: Path
) -> None:
    attached = (shared_data / "images" / f"{NAVCAM}.IMG").read_bytes()
    expected = scaled(attached, 320)
    label, data = attached[:28_672], attached[45_056 : 45_056 + 2 * 1024 * 1024]
    pointer = b"^IMAGE                       = 23"
    xml = pds4("X.IMG", "UnsignedMSB2", "Line Sample", (1024, 1024), offset=0)
    for name, text in (
        ("D.LBL", label.replace(pointer, b'^IMAGE = "D.IMG"')),
        ("X.xml", xml.replace(b">200<", b">9999<")),  # more than 12 bits have
    ):
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).with_suffix(".IMG").write_bytes(data)
    shutil.copy(shared_data / "images" / f"{NAVCAM}.IMG", tmp_path)
    camera = DirectoryCamera(tmp_path, settle_s=0)
    await camera.refresh()
    await camera.refresh()
    found = {image.id: image for image in await camera.images()}
    assert found.keys() == {"D.IMG", "X.IMG", f"{NAVCAM}.IMG"}
    assert found["D.IMG"].metadata["sol"] == 24
    for image_id in ("D.IMG", "X.IMG"):
        assert found[image_id].complete
        assert scaled(data, 320, layout=found[image_id].metadata["layout"]) == expected
