"""The height and colour of the land, from pebbles to the rim of the crater."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.texture import Field, fractal, look_up, pebbles, slabs, smoothstep
from sources.simulated.panorama.wheel_tracks import WheelTracks
from sources.simulated.terrain import Terrain
from sources.simulated.traverse import Route

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.camera_view import CameraView
    from sources.simulated.panorama.polar_grid import PolarGrid

_SLAB_TILE_M = 13.0
_SOIL_TILE_M = 6.5
_GRIT_TILE_M = 1.4
_WIDE_TILE_M = 140.0
_TEXELS = 512
"""Size of the patterns for near ground; two layers fit into the cache of the processor."""
_WIDE_TEXELS = 1024
_CENTRE_M = (-700.0, 0.0)
"""Middle of the route; no hill is nearer to it than the route is wide."""

_CLEAR_ALONG_M = np.arange(-240.0, 240.0, 0.8)

_DUST = np.array([0.405, 0.232, 0.122], np.float32)
_SAND = np.array([0.205, 0.127, 0.083], np.float32)
_SLAB = np.array([0.445, 0.292, 0.182], np.float32)
_STONE = np.array([0.170, 0.115, 0.083], np.float32)
_CLIFF = np.array([0.290, 0.168, 0.098], np.float32)


class Land:
    """The land around one view. Heights are relative to the ground below the camera."""

    def __init__(self, view: CameraView) -> None:
        random = np.random.default_rng((abs(view.seed), int(view.seed < 0), 0x6C616E64))
        self._view = view
        self._terrain = Terrain(view.seed)
        route = Route(view.seed)
        self._tracks = WheelTracks(view, route)
        self._route = np.stack(route.positions(view.along_m + _CLEAR_ALONG_M), axis=-1)
        self._slabs = np.stack(slabs(random, _TEXELS, 22), axis=-1)
        soil = fractal(random, _TEXELS, 1.25), pebbles(random, _TEXELS, 2_400)
        self._soil = np.stack(soil, axis=-1)
        wide = [fractal(random, _WIDE_TEXELS, roughness) for roughness in (1.7, 1.8, 1.5, 2.7)]
        self._wide = np.stack(wide, axis=-1)
        self._base_m = float(self._terrain.height_m(view.east_m, view.north_m))

    def level_m(self, east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
        """Heights of the ground at points from the camera, without ripples, slabs and rocks."""
        view = self._view
        return self._terrain.height_m(view.east_m + east, view.north_m + north) - self._base_m

    def rockiness(self, east: Field, north: Field) -> Field:
        """Density of rocks at points from the landing site, from 0 (sand) to 1."""
        wide = look_up(self._wide, east, north, _WIDE_TILE_M)
        share: Field = np.clip(
            0.5 + 0.4 * wide[..., 0] - smoothstep(0.5, 1.1, wide[..., 1]), 0.04, 1.0
        )
        return share

    def off_route_m(self, east: Field, north: Field) -> Field:
        """Distances of points (from the landing site) to the nearby part of the route."""
        apart = np.hypot(
            east[:, None] - self._route[:, 0].astype(np.float32),
            north[:, None] - self._route[:, 1].astype(np.float32),
        )
        nearest: Field = apart.min(axis=1)
        return nearest

    def survey(self, grid: PolarGrid) -> tuple[Field, Field]:
        """Heights on a grid in metres, and colours (linear red, green, blue on the last axis)."""
        ranges = grid.ranges_m
        height, wide = self._broad(grid)
        east, north = grid.positions()
        sand = smoothstep(0.75, 1.15, wide[..., 1] + 0.12 * wide[..., 2])
        paved = smoothstep(0.1, 0.5, wide[..., 0] - 0.2) * (1 - sand)
        crest = self._ripple(east, north, ranges, wide, sand, height)
        stone, shade = np.zeros_like(height), np.zeros_like(height)
        self._strew(grid, (east, north), (sand, paved), (height, stone, shade))
        turned_over = self._tracks.press(*grid.offsets(), ranges, height)

        tone = 1 + shade + 0.07 * wide[..., 2] + 0.05 * wide[..., 0]
        if turned_over is not None:
            tone *= 1 - 0.28 * turned_over
        far = smoothstep(1_200, 5_000, ranges)
        dust = 1 - sand - paved
        sand *= 1.1 - 0.24 * crest
        colour = np.empty((*height.shape, 3), np.float32)
        # One channel at a time: numpy is several times slower with a last axis of length three.
        for channel in range(3):
            plane = dust * _DUST[channel] + sand * _SAND[channel] + paved * _SLAB[channel]
            plane += (_STONE[channel] - plane) * stone
            plane += (_CLIFF[channel] - plane) * far
            colour[..., channel] = plane * tone
        return height, colour

    def _broad(self, grid: PolarGrid) -> tuple[Field, Field]:
        """Heights of features wider than a few metres, and the wide noise, on the grid."""
        sparse = grid.sparse(len(grid.azimuths) // 4 + 2, 1_100)
        sparser = grid.sparse(20, 420)
        east, north = sparser.offsets()
        rolling = self.level_m(east.astype(np.float64), north.astype(np.float64))
        height = sparse.interpolate(sparser, rolling.astype(np.float32)[..., None])[..., 0]
        east, north = sparse.positions()
        self._raise_hills(east, north, sparse.ranges_m, height)
        wide = look_up(self._wide, east, north, _WIDE_TILE_M)
        both = grid.interpolate(sparse, np.concatenate((height[..., None], wide), axis=-1))
        return np.ascontiguousarray(both[..., 0]), both[..., 1:]

    def _ripple(
        self, east: Field, north: Field, ranges: Field, wide: Field, sand: Field, height: Field
    ) -> Field:
        """Add sand ripples to the heights, in place; return the closeness to large crests, 0 to 1.

        Ripples are perpendicular to the wind, bent by the wide noise. They fade out at distances at
        which a pixel is as wide as a ripple.
        """
        wind = east * np.float32(0.86) + north * np.float32(0.51)
        bend = wide[..., 3]
        phase = (wind * 0.93 + north * 0.2 + bend * 3.2) * np.float32(2 * np.pi / 4.4)
        great = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8)
        crest: Field = 0.5 + 0.5 * great * np.clip(1.5 - ranges / 260, 0, 1)
        height += sand * 0.15 * crest
        near = np.s_[:, : int(np.searchsorted(ranges, 54.0))]
        waver = 1.3 * bend[near] + 0.16 * wide[..., 1][near] + 0.05 * wide[..., 2][near]
        phase = (wind[near] + waver) * np.float32(2 * np.pi / 0.46)
        small = np.sin(phase) + 0.3 * np.sin(2 * phase + 0.6)
        fade = np.clip(1.6 - ranges[near[1]] / 34, 0, 1)
        height[near] += sand[near] * small * (0.4 + 0.6 * crest[near]) * (0.017 * fade)
        return crest

    def _strew(
        self,
        grid: PolarGrid,
        places: tuple[Field, Field],
        covers: tuple[Field, Field],
        onto: tuple[Field, Field, Field],
    ) -> None:
        """Add slabs, soil and pebbles to near ground: height, share of stone, shade of slabs."""
        ranges = grid.ranges_m
        here = np.s_[:, : int(np.searchsorted(ranges, 45.0))]
        x, y, sand, paved = places[0][here], places[1][here], covers[0][here], covers[1][here]
        height, stone, shade = (plane[here] for plane in onto)
        if not x.size:
            return
        soil, pebble = np.moveaxis(look_up(self._soil, x, y, _SOIL_TILE_M), -1, 0)
        crack, tint = np.moveaxis(look_up(self._slabs, x, y, _SLAB_TILE_M), -1, 0)
        face = smoothstep(0.02, 0.15, crack + 0.035 * soil)
        fade = np.clip(1.4 - ranges[here[1]] / 30, 0, 1)
        bare = 1 - 0.85 * sand
        height += fade * (0.010 * soil * bare + 0.055 * paved * face * (0.75 + 0.35 * tint))
        lies = smoothstep(0.2, 1.2, pebble * bare * (1 - 0.6 * paved)) * fade
        height += pebble * np.float32(_SOIL_TILE_M / _TEXELS * 0.8) * lies
        # The cracks contain sand; each slab has a shade of its own.
        paved *= 0.25 + 0.75 * face
        shade += 0.16 * paved * tint + 0.05 * fade * soil
        stone += 0.75 * lies
        close = np.s_[:, : int(np.searchsorted(ranges, 11.0))]
        if not x[close].size:
            return
        # The nearest ground also has the same soil at a smaller scale, rotated.
        soil, pebble = np.moveaxis(look_up(self._soil, y[close], x[close], _GRIT_TILE_M), -1, 0)
        fade = np.clip(1.5 - ranges[close[1]] / 7.5, 0, 1)
        bare = bare[close]
        grit = smoothstep(0.2, 1.0, pebble * bare) * fade
        height[close] += fade * 0.0022 * soil * (0.35 + 0.65 * bare)
        shade[close] += 0.06 * fade * soil
        height[close] += pebble * np.float32(_GRIT_TILE_M / _TEXELS * 0.8) * grit
        stone[close] = np.maximum(stone[close], 0.6 * grit)

    def _raise_hills(self, east: Field, north: Field, ranges: Field, height: Field) -> None:
        """Add the buttes of the delta, hills and the rim of the crater to far ground, in place."""
        here = np.s_[:, int(np.searchsorted(ranges, 300.0)) :]
        x = east[here] - np.float32(_CENTRE_M[0])
        y = north[here] - np.float32(_CENTRE_M[1])
        off = np.hypot(x, y)
        broad = look_up(self._wide, x, y, 9_500.0)
        fine = look_up(self._wide, y, x, 2_300.0)
        out = smoothstep(1_500, 2_600, off)
        inside = out * (1 - smoothstep(6_500, 10_000, off))
        butte = smoothstep(0.75, 1.05, broad[..., 1] + 0.16 * fine[..., 0])
        ledge = smoothstep(0.2, 0.6, broad[..., 1] + 0.2 * fine[..., 2])
        height[here] += inside * (46 * butte + 26 * ledge + 5 * fine[..., 0])
        ridged: Field = 1 - np.abs(fine[..., 1])
        lofty: Field = broad[..., 0] + 0.3 * broad[..., 2] + 0.16 * ridged
        massif = smoothstep(0.7, 2.6, lofty)
        height[here] += smoothstep(2_800, 5_000, off) * 330 * massif * (0.9 + 0.1 * fine[..., 0])
        # The western part of the rim of a crater 45 km wide.
        centre: Field = np.hypot(x - np.float32(12_500), y + np.float32(1_200))
        rise = smoothstep(17_500, 22_800, centre) * (1 - 0.45 * smoothstep(23_500, 30_000, centre))
        rough = 0.62 + 0.20 * broad[..., 0] + 0.16 * ridged + 0.04 * fine[..., 2]
        height[here] += 820 * rise * np.clip(rough, 0.1, 1.6)
