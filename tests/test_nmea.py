"""NMEA 0183: values in SI units and degrees, times, talkers and damaged sentences."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest
from pynmeagps import NMEAMessage

from sources.base import SourceError
from sources.lines.decoder import LineDecoder
from sources.lines.nmea import NmeaReader
from sources.values.payload import PayloadRefused

NOW = datetime(2026, 11, 22, 0, 0, 5, tzinfo=UTC).timestamp()


def sentence(body: str) -> bytes:
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


class Receiver:
    """Reads sentences that arrive at `now`."""

    def __init__(self) -> None:
        self.now = NOW
        self.reader = NmeaReader(lambda: self.now)

    def read(self, body: str) -> tuple[float, dict[str, object]] | None:
        sample = self.reader.sample(sentence(body))
        return None if sample is None else (sample.t, dict(sample.values))


RMC = "GPRMC,{at},A,4807.038,N,01131.000,W,022.4,084.4,211126,,,A"
GGA = "GPGGA,{at},4807.038,N,01131.000,W,4,08,0.9,545.4,M,46.9,M,,"
MIDNIGHT = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (
            "GNGGA,123519.00,4807.038,S,01131.000,W,4,08,0.9,545.4,M,46.9,M,,",
            {
                "location": {"lat": -48.1173, "lon": -11.5166666667},
                "fix": "RTK",
                "satellites": 8,
                "hdop": 0.9,
                "altitude": 545.4,
                "geoid_separation": 46.9,
            },
        ),
        (
            "GNRMC,123519.00,A,4807.038,N,01131.000,E,022.4,084.4,211126,,,A",
            {
                "location": {"lat": 48.1173, "lon": 11.5166666667},
                "speed": 11.5236,
                "course": 84.4,
            },
        ),
        ("GPVTG,054.7,T,034.4,M,005.5,N,010.2,K", {"speed": 2.8294, "course": 54.7}),
        (
            "GNGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1",
            {"fix_dimension": "3D", "pdop": 2.5, "hdop": 1.3, "vdop": 2.1},
        ),
        ("GLGSV,2,1,08,65,40,083,46,66,17,308,41", {"satellites_in_view.GL": 8}),
        ("GPHDT,274.07,T", {"heading": 274.07}),
        ("HEHDT,274.07,T", {"HE.heading": 274.07}),
        ("GPGGA,123519.00,,,,,0,00,99.9,,,,,,", {"fix": "none", "satellites": 0, "hdop": 99.9}),
        ("GPGSV,2,2,08,65,40,083,46,66,17,308,41", None),
        ("GPRMC,123519.00,V,,,,,,,211126,,,N", None),
    ],
)
def test_the_values_of_a_sentence(body: str, values: dict[str, object] | None) -> None:
    found = Receiver().read(body)
    assert (found and found[1]) == values


def test_other_sentences_keep_the_names_of_their_fields() -> None:
    found = Receiver().read("WIMWV,214.8,R,0.1,K,A")
    assert found is not None
    assert found[1]["WI.MWV.angle"] == 214.8


def test_sentences_of_another_library_are_read() -> None:
    message = NMEAMessage(
        "GN", "RMC", 0, time="12:35:19.50", status="A", lat=-33.5, lon=151.25, spd=10.0,
        date="2026-11-22", posMode="A",
    )  # fmt: skip
    [sample] = LineDecoder(clock=lambda: NOW).samples(message.serialize())
    assert sample.values["location"] == pytest.approx({"lat": -33.5, "lon": 151.25})
    assert sample.values["speed"] == pytest.approx(5.1444, abs=1e-4)


def test_the_time_is_that_of_rmc_and_gga_gets_its_date_across_midnight() -> None:
    receiver = Receiver()
    assert receiver.read(RMC.format(at="235959.25"))[0] == MIDNIGHT + 0.25  # type: ignore[index]
    assert receiver.read(GGA.format(at="235959.25"))[0] == MIDNIGHT + 0.25  # type: ignore[index]
    assert receiver.read(GGA.format(at="000000.25"))[0] == MIDNIGHT + 1.25  # type: ignore[index]


def test_without_rmc_the_date_is_the_one_that_is_nearest_to_the_arrival() -> None:
    assert Receiver().read(GGA.format(at="235959.00"))[0] == MIDNIGHT  # type: ignore[index]


def test_a_sentence_without_a_time_has_the_time_of_the_sentence_before() -> None:
    receiver = Receiver()
    receiver.read(RMC.format(at="235959.00"))
    receiver.now += 0.1
    assert receiver.read("GPHDT,10.0,T") == (MIDNIGHT, {"heading": 10.0})
    receiver.now += 0.1
    second = receiver.read("GPHDT,11.0,T")  # two values of one parameter have two times
    assert second is not None
    assert second[0] == pytest.approx(MIDNIGHT + 0.2)


def test_without_a_fix_the_time_is_that_of_arrival() -> None:
    receiver = Receiver()
    receiver.read("GPRMC,000000.00,V,,,,,,,060180,,,N")  # a receiver's clock before its first fix
    assert receiver.read("GPHDT,10.0,T") == (NOW, {"heading": 10.0})


def test_two_sentences_of_one_time_give_each_parameter_once() -> None:
    receiver = Receiver()
    receiver.read(RMC.format(at="235959.00"))
    assert "location" not in receiver.read(GGA.format(at="235959.00"))[1]  # type: ignore[index]
    assert receiver.read("GPVTG,084.4,T,,M,022.4,N,041.5,K") is None


def test_units_are_those_of_the_values() -> None:
    receiver = Receiver()
    receiver.read(RMC.format(at="235959.00"))
    receiver.read("HEHDT,10.0,T")
    assert receiver.reader.units == {
        "location": "°",
        "speed": "m/s",
        "course": "°",
        "HE.heading": "°",
    }


@pytest.mark.parametrize(
    "line",
    [
        b"$GPHDT,274.07,T*00",
        b"$GPHDT,274.07,T",
        b"$GPHDT,274.07",
        sentence("GPHDT,27a,T"),
        sentence("GPRMC,123519.00,A,9907.038,N,01131.000,W,022.4,084.4,211126,,,A"),
        b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C",
        sentence("P"),
    ],
)
def test_a_damaged_sentence_is_refused(line: bytes) -> None:
    with pytest.raises(PayloadRefused):
        LineDecoder("nmea", clock=lambda: NOW).samples(line)


def test_noise_before_a_sentence_does_not_cost_the_sentence() -> None:
    [sample] = LineDecoder(clock=lambda: NOW).samples(b"\xff\x00$GP" + sentence("GPHDT,10.0,T"))
    assert sample.values == {"heading": 10.0}


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynmeagps", None)
    with pytest.raises(SourceError, match=r"cosmic-rover\[nmea\]"):
        LineDecoder(clock=lambda: NOW).samples(sentence("GPHDT,10.0,T"))
