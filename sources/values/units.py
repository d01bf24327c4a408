"""The unit in the name of a column."""

from __future__ import annotations

import re

_UNIT = re.compile(r"(?P<name>.*\S)\s*(?:\[(?P<square>[^\[\]]{1,16})\]|\((?P<round>[^()]{1,16})\))")
_SYMBOL_LIST = """
    % ° °C °F C F K s ms us µs μs ns min h d m mm cm km g kg N kN Nm Pa hPa kPa MPa bar mbar psi
    V mV A mA Ah mAh W mW kW Wh kWh J kJ Hz kHz MHz GHz rpm rad deg degC dB dBm T uT µT nT lx lm
    ppm ppb bit byte B kB MB GB kbps Mbps Ω ohm uF H sr mol cd l L ml
"""
SYMBOLS = frozenset(_SYMBOL_LIST.split())
"""The symbols of a unit in round brackets, which may also hold other text: `count (total)`."""


def split_unit(header: str) -> tuple[str, str]:
    """The name and the unit of a header such as `speed (m/s)` or `speed [m/s]`."""
    match = _UNIT.fullmatch(header.strip())
    if match is None:
        return header.strip(), ""
    unit = (match["square"] or match["round"]).strip()
    symbols = set(re.split(r"[\s/·*^²³0-9-]+", unit)) - {""}
    if match["round"] and (not symbols or symbols - SYMBOLS):
        return header.strip(), ""
    return match["name"], unit
