"""Which objects are vectors: those whose members have the usual names of components."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMPONENTS = """
    x y, x y z, w x y z, vx vy, vx vy vz, ax ay az, gx gy gz, mx my mz, qw qx qy qz
    lat lon, lat lon alt, lat lng, lat lng alt
    latitude longitude, latitude longitude altitude
    roll pitch, roll pitch yaw, north east, north east down, east north up
"""
VECTORS = frozenset(
    frozenset(names.split()) for names in _COMPONENTS.strip().replace("\n", ",").split(",")
)
"""The sets of lower-case names that make an object of numbers a vector."""


def has_vector_names(members: Iterable[str]) -> bool:
    """Whether the names, in any case, are exactly the components of a usual vector or place."""
    return frozenset(name.lower() for name in members) in VECTORS
