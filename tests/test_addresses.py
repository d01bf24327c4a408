"""Host names, origins and networks, as settings spell them."""

import pytest

from rover.addresses import Proxies, address, host_name, origin_of


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("https://Lab.Example", "https://lab.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://röver.lab:5173", "http://xn--rver-5qa.lab:5173"),
        ("moz-extension://0c8d-42", "moz-extension://0c8d-42"),
    ],
)
def test_an_origin_has_the_form_that_browsers_send(text: str, sent: str) -> None:
    assert origin_of(text) == sent


@pytest.mark.parametrize(
    "text", ["a.example", "https://", "https://a/b", "http://*.example", "null", "http://a:x"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        origin_of(text)


def test_a_host_name_has_the_form_that_browsers_send() -> None:
    assert host_name("straße.lab") == "xn--strae-oqa.lab"
    assert host_name("Rover_1.Lab.") == "rover_1.lab"


@pytest.mark.parametrize("text", ["::ffff:127.0.0.1", "::ffff:0:0/96", "127.0.0.0/8"])
def test_a_network_of_ipv4_in_ipv6_is_that_of_ipv4(text: str) -> None:
    assert address("127.0.0.1") in Proxies(text)
    assert address("::ffff:127.0.0.1") in Proxies(text)
