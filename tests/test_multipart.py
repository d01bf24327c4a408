"""The file in a form, in chunks of any size, or an error that names the problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.asgi.form_reader import MAX_HEADER_BYTES, MAX_HEADERS, MAX_PADDING_BYTES
from rover.asgi.multipart import MAX_OVERHEAD_BYTES, MAX_PARTS, FileField, boundary_of
from rover.errors import NotAnUpload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

BOUNDARY = b"line"


def part(name: str, content: bytes, filename: str | None = None, *headers: str) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = "\r\n".join([disposition, *headers])
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


async def in_pieces(body: bytes, *, size: int = 1 << 16) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, *, size: int = 1 << 16) -> tuple[str | None, bytes]:
    field = await FileField.open(BOUNDARY, in_pieces(body, size=size))
    return field.filename, b"".join([chunk async for chunk in field])


async def refusal(body: bytes, *, size: int = 1 << 16) -> str:
    with pytest.raises(NotAnUpload) as refused:
        await read(body, size=size)
    return str(refused.value)


async def test_the_name_of_the_field_may_have_escapes() -> None:
    body = form(part("fi\\le", b"DRIVE 10\r\n", "sol 12.seq"))
    assert await read(body) == ("sol 12.seq", b"DRIVE 10\r\n")


@pytest.mark.parametrize("size", [1, 3, 50, 1 << 16])
async def test_the_file_is_found_among_other_fields(size: int) -> None:
    body = form(
        part("team", b"blue"),
        part("file", b"DRIVE 10\r\n", "sol 12.seq", "Content-Type: text/plain"),
        part("note", b"after it"),
    )
    assert await read(body, size=size) == ("sol 12.seq", b"DRIVE 10\r\n")


@given(
    content=st.lists(
        st.sampled_from([b"\r", b"\n", b"-", b"\r\n--", b"\r\n--lin", b"\r\n--linE", b"x" * 90]),
        min_size=1,
    ).map(b"".join),
    size=st.integers(1, 80),
)
async def test_content_that_resembles_a_delimiter_is_unchanged_in_chunks_of_any_size(
    content: bytes, size: int
) -> None:
    assert await read(form(part("file", content, "a")), size=size) == ("a", content)


async def test_bytes_are_yielded_before_the_rest_has_arrived() -> None:
    rest_requested = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal rest_requested
        whole = form(part("file", b"first second", "a"))
        middle = whole.index(b"second")
        yield whole[:middle]
        rest_requested = True
        yield whole[middle:]

    field = await FileField.open(BOUNDARY, body())
    assert (field.filename, field.ahead) == ("a", b"first ")
    assert await anext(field) == b"first "
    assert not rest_requested
    assert await anext(field) == b"second"


@pytest.mark.parametrize("name", ["sól-42 ☄.seq", 'a "quoted" one', "../../etc/passwd", "C:\\a"])
async def test_the_file_name_is_the_one_that_the_client_sent(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')  # as curl does
    filename, _ = await read(form(part("file", b"x", escaped)))
    assert filename == name


def with_disposition(parameters: str) -> bytes:
    head = f'--line\r\nContent-Disposition: form-data; name="file"; {parameters}\r\n\r\n'
    return form(head.encode() + b"x\r\n")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("filename*=UTF-8''s%C3%B3l%2042.seq", "sól 42.seq"),
        ("filename*=utf-8'en'a%27b.seq", "a'b.seq"),
        ("filename*=ISO-8859-1''s%F3l.seq", "sól.seq"),
        ("filename=plain.seq; filename*=UTF-8''%E2%98%84.seq", "☄.seq"),
        ("filename*=UTF-8''%E2%98%84.seq; filename=plain.seq", "☄.seq"),
        ("filename*=UTF-8''%FF; filename=plain.seq", "plain.seq"),
        ("filename*=x-unknown''a.seq; filename=plain.seq", "plain.seq"),
        ("filename=plain.seq", "plain.seq"),
        ('FileName = "a;b.seq"', "a;b.seq"),
        ('filename="a%22b%0D%0a.seq"', 'a"b\r\n.seq'),
        ('filename="100%25.seq"', "100%25.seq"),
        (r'filename="a\"b\\c.seq"', 'a"b\\c.seq'),
        (r'filename="C:\plans\a.seq"', r"C:\plans\a.seq"),
        ('filename="a\\"', "a\\"),  # as browsers send it
        ('filename="a\\"; x="y"', "a\\"),
    ],
)
async def test_the_forms_of_a_file_name(parameters: str, name: str) -> None:
    assert await read(with_disposition(parameters)) == (name, b"x")


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    "body",
    [
        b"This is a multipart form.\r\n" + form(part("file", b"x", "a")),
        b"\r\n\r\n" + form(part("file", b"x", "a")),
        b"--linen\r\n" + form(part("file", b"x", "a")),
        form(part("file", b"x", "a")).replace(b"--line\r\n", b"--line \t \r\n"),
        form(part("file", b"x", "a")).replace(b"--line--\r\n", b"--line--  "),
        form(part("file", b"x", "a")) + b"an epilogue\r\n--line\r\n",
        form(part("file", b"x", "a", "X-Folded: one\r\n two")),
        form(part("file", b"x", "a", "content-transfer-encoding: Binary")),
        form(b"--line\r\n\r\nno headers\r\n", part("file", b"x", "a")),
    ],
    ids=[
        "preamble",
        "empty lines",
        "resembling preamble",
        "padding",
        "padding at the end",
        "epilogue",
        "folded header",
        "encoding",
        "no headers",
    ],
)
async def test_everything_that_rfc_2046_allows_is_accepted(body: bytes, size: int) -> None:
    assert await read(body, size=size) == ("a", b"x")


async def test_the_error_for_a_form_without_the_field_names_its_fields() -> None:
    detail = await refusal(form(part("upload", b"x", "a.seq"), part("team", b"blue")))
    assert "`upload`, `team`" in detail
    assert "curl -N -F file=@NAME" in detail


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (form(), "none"),
        (form(part("file", b"DRIVE 10")), "not a file; .*@"),
        (form(part("file", b"", "")), "not a file"),
        (form(part("file", b"", "a.seq")), "'a.seq' is empty"),
        (form(part("file", b"x", "a"), part("file", b"y", "b")), "two fields `file`"),
        (b"", "`--line`"),
        (b"DRIVE 10\n", "`--line`"),
        (b'{"sequence": []}', "`--line`"),
        (form(part("file", b"x", "a")).replace(b"\r\n", b"\n"), "LF"),
        (form(part("file", b"eA==", "a", "Content-Transfer-Encoding: base64")), "'base64'"),
        (with_disposition('filename="a'), "Content-Disposition"),
        (with_disposition("filename*=UTF-8''%ff.seq"), r"decoded: `filename\*=UTF-8''%ff\.seq`"),
        (with_disposition("filename*=x-unknown''a.seq"), "decoded"),
        (with_disposition("filename*=a.seq"), "decoded"),
        (with_disposition("filename*0=long-; filename*1=name.seq"), r"`filename\*0`"),
        (with_disposition("filename*0*=UTF-8''s%C3%B3; filename*1*=l.seq"), r"`filename\*0`"),
        (form(part("file", b"x", "a"))[:-8], "incomplete"),
        (part("file", b"x", "a")[:30], "incomplete"),
        (form(b"--line\r\nno header\r\n\r\nx\r\n"), "the line 'no"),
        (
            form(
                b'--line\r\nContent-Disposition: form-data; name="e"\r\n\r\n',
                part("file", b"x", "a"),
            ),
            "field 1 .* empty line",
        ),
        (form(b"--line\r\n folded: x\r\n\r\nx\r\n"), "the line ' "),
        (
            form(b"--line\r\nContent-Type: text/plain\r\n\r\nx\r\n"),
            "no field `file`; its fields: ``",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 16])
async def test_a_form_without_exactly_one_file_is_refused(
    body: bytes, hint: str, size: int
) -> None:
    with pytest.raises(NotAnUpload, match=hint):
        await read(body, size=size)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (form(*[part("x", b"")] * (MAX_PARTS + 1)), f"more than {MAX_PARTS} fields"),
        (form(part("file", b"x", "a" * 10_000)), f"{MAX_HEADER_BYTES:,} bytes"),
        (form(part("file", b"x", "a", *["X: y"] * 100)), f"{MAX_HEADERS} headers"),
        (b"--line" + b" " * 300, f"{MAX_PADDING_BYTES} blanks"),
        (
            form(part("x", bytes(MAX_OVERHEAD_BYTES)), part("file", b"x", "a")),
            f"{MAX_OVERHEAD_BYTES:,} bytes",
        ),
        (
            form(part("file", b"x", "a"), part("x", bytes(MAX_OVERHEAD_BYTES))),
            f"{MAX_OVERHEAD_BYTES:,} bytes",
        ),
        (
            form(part("file", b"x", "a")) + bytes(MAX_OVERHEAD_BYTES),
            f"{MAX_OVERHEAD_BYTES:,} bytes",
        ),
    ],
    ids=["parts", "header", "headers", "padding", "field before", "field after", "epilogue"],
)
async def test_everything_except_the_file_is_limited(body: bytes, hint: str) -> None:
    with pytest.raises(NotAnUpload, match=hint):
        await read(body)


async def test_a_form_in_two_pieces_is_the_same_wherever_it_is_divided() -> None:
    content = b"\r\n--lin\r\n--linE\r\r\n-\r\n"
    rest = part("note", b"\r\n--lin")
    body = b"preamble\r\n" + form(
        part("team", b"blue"), part("file", content, "a", "X-Folded: one\r\n two"), rest
    )
    for cut in range(1, len(body)):

        async def pieces(cut: int = cut) -> AsyncIterator[bytes]:
            yield body[:cut]
            yield body[cut:]

        field = await FileField.open(BOUNDARY, pieces())
        begun = body.index(b"two") + len(b"two\r\n\r\n")
        hint = field.size_hint(len(body) - len(rest))
        assert hint == len(content) or cut > begun + len(content), cut
        assert b"".join([chunk async for chunk in field]) == content, cut


async def test_the_size_hint_needs_a_content_length() -> None:
    body = form(part("team", b"blue"), part("file", b"x" * 500, "a"))
    field = await FileField.open(BOUNDARY, in_pieces(body))
    assert field.size_hint(len(body)) == 500
    assert field.size_hint(None) is None


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=line", b"line"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    ("content_type", "hint"),
    [
        (None, "missing"),
        ("", "missing"),
        ("text/plain", "'text/plain'.*`multipart/form-data`; .*curl"),
        ("application/x-www-form-urlencoded", "must be `multipart/form-data`"),
        ("multipart/mixed; boundary=line", "must be `multipart/form-data`"),
        ("multipart/form-data", "`boundary`"),
        ("multipart/form-data; boundary=", "`boundary`"),
        ("multipart/form-data; boundary=" + "x" * 71, "`boundary`"),
    ],
)
def test_another_content_type_is_refused(content_type: str | None, hint: str) -> None:
    with pytest.raises(NotAnUpload, match=hint):
        boundary_of(content_type)
