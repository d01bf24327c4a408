"""The light of a dusty Martian sky, and the conversion of a scene to pixels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.camera_view import TOP_DEG

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.panorama.scene import Scene
    from sources.simulated.panorama.texture import Field

_BAND = 64
_THREADS = 2
_HAZE_M = 15_000.0
"""Distance at which the dusty air transmits 1/e of the light, for an optical depth of 0.7."""

_ZENITH = np.array([0.270, 0.185, 0.112], np.float32)
_HORIZON = np.array([0.560, 0.400, 0.262], np.float32)
_AUREOLE = np.array([0.62, 0.56, 0.50], np.float32)
_BLUE = np.array([0.42, 0.52, 0.66], np.float32)
_BEAM = np.array([1.0, 0.93, 0.82], np.float32)
_LAMP = np.array([0.9, 0.95, 1.0], np.float32)


class Light:
    """The light of sun and sky and, at night, of the rover's lamps."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        up = float(scene.sun[2])
        height_deg = scene.view.sun_elevation_deg
        self._low = float(np.clip(1 - height_deg / 18, 0, 1))
        twilight = float(np.clip((height_deg + 14) / 20, 0, 1)) ** 2
        self.beam = 1.25 * float(np.exp(-0.42 / (max(up, 0) + 0.06))) * (height_deg > -0.3)
        self.glow = (0.10 + 0.90 * float(np.clip(up / 0.35, 0, 1))) * twilight
        self.night = 1 - twilight
        mean = 0.75 * self.beam * max(up, 0.08) + 0.28 * self.glow
        # Automatic exposure, up to the longest exposure time of the camera.
        self.exposure = 1.25 / max(mean, 0.035)

    def sky(self, elevations: NDArray[np.float64], azimuths: NDArray[np.float64]) -> Field:
        """The linear colour of the sky, for rows of elevations and columns of azimuths."""
        up = np.clip(np.sin(elevations), 0, 1).astype(np.float32)[:, None]
        east, north, rise = (float(part) for part in self._scene.sun)
        toward = (east * np.sin(azimuths) + north * np.cos(azimuths)).astype(np.float32)
        cosine = np.cos(elevations).astype(np.float32)[:, None] * toward + up * np.float32(rise)
        apart = np.arccos(np.clip(cosine, -1, 1))
        haze = np.exp(-up * np.float32(3.2))[..., None]
        colour = _ZENITH + (_HORIZON - _ZENITH) * haze
        # Dust scatters light forward: the sky is bright around the sun, and blue around a low sun.
        halo = np.exp(-apart * np.float32(3.4))[..., None]
        core = np.exp(-((apart / np.float32(0.10)) ** 2))[..., None]
        ring = _AUREOLE * (1 - self._low) + _BLUE * np.float32(self._low * 1.25)
        colour = colour * np.float32(self.glow * 0.95)
        colour = colour + ring * halo * np.float32(0.55 * (self.glow + 0.3 * self.beam))
        colour += (ring + 0.25) * core * np.float32(0.9 * self.beam)
        back = 1 + 0.12 * np.cos(apart)[..., None]
        colour = colour * back + np.float32(0.0005 * self.night)
        disc = apart < np.float32(0.0032)
        colour[disc] = np.float32(6 * self.beam) * (_BEAM + 0.2)
        sky: Field = colour.astype(np.float32)
        return sky

    def surface(self, rows: slice) -> Field:
        """The linear colour of the surface in the given rows, seen through the air."""
        scene = self._scene
        distance = scene.distance[rows]
        open_sky = scene.open_sky[rows]
        direct = scene.sunlit[rows] * np.float32(self.beam)
        reach = np.clip(distance, 1.5, None)
        lamps = np.float32(0.55 * self.night) / (reach * reach) * open_sky
        fill = _HORIZON * np.float32(0.45 * self.glow) + np.float32(0.004 * self.night)
        clear = np.exp(distance * np.float32(-1 / _HAZE_M))
        haze = self.sky(np.array([0.012]), scene.azimuths)
        seen: Field = np.empty((*distance.shape, 3), np.float32)
        for channel in range(3):
            light = direct * _BEAM[channel] + open_sky * fill[channel] + lamps * _LAMP[channel]
            light *= scene.albedo[rows, :, channel]
            seen[..., channel] = haze[..., channel] + (light - haze[..., channel]) * clear
        return seen


def develop(scene: Scene, random: np.random.Generator) -> NDArray[np.uint8]:
    """The pixels of a scene: light, exposure, tone curve, vignetting and sensor noise."""
    light = Light(scene)
    view = scene.view
    image = np.empty((view.height, view.width, 3), np.uint8)
    firsts = range(0, view.height, _BAND)
    with ThreadPoolExecutor(_THREADS) as pool:
        bands = [
            pool.submit(_develop_band, scene, light, image[first : first + _BAND], first, own)
            for first, own in zip(firsts, random.spawn(len(firsts)), strict=True)
        ]
        for band in bands:
            band.result()
    return image


def _develop_band(
    scene: Scene,
    light: Light,
    onto: NDArray[np.uint8],
    first: int,
    random: np.random.Generator,
) -> None:
    """Fill a band of the image, whose first row is `first`."""
    view = scene.view
    last = first + len(onto)
    rows = np.arange(first, last)
    elevations = np.radians(TOP_DEG - (rows + 0.5) / view.px_per_deg)
    colour = np.empty(onto.shape, np.float32)
    above = min(max(0, scene.sky_rows - first), len(rows))
    if above < len(rows):
        here = slice(first + above - scene.sky_rows, last - scene.sky_rows)
        colour[above:] = light.surface(here)
        empty = ~np.isfinite(scene.distance[here])
        if empty.any():
            colour[above:][empty] = light.sky(elevations[above:], scene.azimuths)[empty]
    if above:
        colour[:above] = light.sky(elevations[:above], scene.azimuths)
    if light.night > 0.3:
        _add_stars(colour, scene, first, random, light.night)
    across = np.linspace(-1, 1, view.width, dtype=np.float32)
    down = (rows / view.height * 2 - 1).astype(np.float32)[:, None]
    colour *= ((1 - 0.10 * (across**2 + down**2)) * np.float32(light.exposure))[..., None]
    onto[:] = _to_pixels(colour, random)


def _to_pixels(colour: Field, random: np.random.Generator) -> NDArray[np.uint8]:
    """Apply a tone curve with soft shadows and highlights, then noise, stronger in the dark."""
    tone = 1 - np.exp(-1.25 * np.maximum(colour, 0))
    tone += (tone * tone * (3 - 2 * tone) - tone) * np.float32(0.45)
    grain = random.standard_normal(colour.shape[:2], dtype=np.float32)
    grain *= 2.6 - 1.2 * tone[..., 1]
    # A gamma of 2 is sufficient, and a square root is faster than a power.
    value = np.sqrt(tone) * 255
    value += grain[..., None]
    pixels: NDArray[np.uint8] = np.clip(value, 0, 255).astype(np.uint8)
    return pixels


def _add_stars(
    colour: Field, scene: Scene, first: int, random: np.random.Generator, night: float
) -> None:
    """Add stars to the sky in a band of rows."""
    count = random.poisson(colour.shape[0] * colour.shape[1] / 2_600)
    rows = random.integers(0, colour.shape[0], count)
    columns = random.integers(0, colour.shape[1], count)
    land = first + rows - scene.sky_rows
    seen = (land < 0) | ~np.isfinite(scene.distance[np.clip(land, 0, None), columns])
    bright = 0.004 * random.uniform(0.03, 1, count) ** -1.1 * night
    colour[rows[seen], columns[seen]] += bright[seen, None].astype(np.float32)
