"""Headers of requests by name."""

from rover.asgi.request_headers import by_name


def test_values_of_one_header_are_joined() -> None:
    cookies = [(b"cookie", b"a=1"), (b"accept", b"x"), (b"cookie", b"b=2"), (b"accept", b"y")]
    assert by_name({"headers": cookies}) == {b"cookie": b"a=1; b=2", b"accept": b"x, y"}
    assert by_name({"headers": cookies[:2]}) == dict(cookies[:2])
