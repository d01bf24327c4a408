"""Seeded patterns that tile without a seam: fractal noise, cracked slabs, pebbles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""An array of values, usually two-dimensional."""


def fractal(random: np.random.Generator, size: int, roughness: float) -> Field:
    """Fractal noise of mean 0 and deviation 1; amplitudes fall with `frequency ** -roughness`."""
    spectrum = np.fft.rfft2(random.standard_normal((size, size), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    plane = np.fft.irfft2(spectrum * frequency**-roughness, s=(size, size))
    even: Field = ((plane - plane.mean()) / plane.std()).astype(np.float32)
    return even


def slabs(random: np.random.Generator, size: int, cells: int) -> tuple[Field, Field]:
    """Cracked slabs: the distance to the nearest crack (0 to about 1), and the shade of each slab.

    It is Worley noise: cells around jittered points. Cracks are where two points are equally near.
    """
    points = random.uniform(0.05, 0.95, (cells, cells, 2)).astype(np.float32)
    shades = random.uniform(-1, 1, (cells, cells)).astype(np.float32)
    step = np.arange(size, dtype=np.float32) * (cells / size)
    cell = step.astype(np.intp)
    nearest = np.full((size, size), 9.0, np.float32)
    second = nearest.copy()
    shade = np.zeros_like(nearest)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            place = np.ix_((cell + row) % cells, (cell + column) % cells)
            down = (cell + row - step)[:, None] + points[..., 0][place]
            along = (cell + column - step)[None, :] + points[..., 1][place]
            distance = down * down + along * along
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            shade = np.where(closer, shades[place], shade)
            nearest = np.where(closer, distance, nearest)
    return np.sqrt(second) - np.sqrt(nearest), shade


def pebbles(random: np.random.Generator, size: int, count: int) -> Field:
    """Heights of randomly placed pebbles in units of pixels, 0 between them."""
    plane = np.zeros((size, size), np.float32)
    radii = np.minimum(1.2 * random.uniform(0.03, 1, count) ** -0.4, 2.8)
    places = random.integers(0, size, (count, 2))
    shapes = random.uniform((0.55, -0.7), (1.0, 0.7), (count, 2))
    for radius, (row, column), (squash, lean) in zip(radii, places, shapes, strict=True):
        reach = int(np.ceil(radius * 1.5))
        span = np.arange(-reach, reach + 1)
        across = (span[None, :] + lean * span[:, None]) / radius
        inside = 1 - (across**2 + (span[:, None] / (radius * squash)) ** 2)
        stone = (0.8 * radius * np.sqrt(np.clip(inside, 0, None))).astype(np.float32)
        place = np.ix_((row + span) % size, (column + span) % size)
        plane[place] = np.maximum(plane[place], stone)
    return plane


def look_up(planes: Field, east: Field, north: Field, tile_m: float) -> Field:
    """Interpolate stacked patterns (size, size, layers), repeated as tiles of width `tile_m`.

    Returns:
        The values at the points: an array of their shape with the layers as its last axis.
    """
    size = planes.shape[0]
    column, row = east * np.float32(size / tile_m), north * np.float32(size / tile_m)
    left, below = np.floor(column), np.floor(row)
    part, rise = column - left, row - below
    corner = part * rise
    # Native integers: `take` converts other types with a copy.
    x0, y0 = left.astype(np.intp), below.astype(np.intp)
    x1, y1 = (x0 + 1) & (size - 1), ((y0 + 1) & (size - 1)) * size
    x0 &= size - 1
    y0 = (y0 & (size - 1)) * size
    flat = planes.reshape(size * size, -1)
    found: Field = flat.take(y0 + x0, axis=0)
    found *= (1 - part - rise + corner)[..., None]
    for place, weight in (
        (y0 + x1, part - corner),
        (y1 + x0, rise - corner),
        (y1 + x1, corner),
    ):
        share = flat.take(place, axis=0)
        share *= weight[..., None]
        found += share
    return found


def smoothstep(low: float, high: float, values: Field) -> Field:
    """0 below `low`, 1 above `high`, with a smooth transition."""
    part = np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    smooth: Field = part * part * (3 - 2 * part)
    return smooth
