"""What is on the surfaces of a drawing in any appearance: windows, doors, awnings and markings, per sample.

Photographs are painted from it and layouts are labelled by it, so that the two agree.
"""

from functools import cached_property

import numpy as np

from data.street.drawing import SUPERSAMPLING, Drawing
from data.street.materials import Material, stripe
from data.street.world import DOOR_EVERY, World


class Samples:
    """Where the photo is computed: once per pixel and part seen in it, at the middle of the pixel.

    The N samples stand in the order of their materials. part, pixel (row * W + column): int [N]; weight: float32 [N],
    share of the pixel that shows the part; y, x: float32 [N], position below and to the right of the vanishing point in
    supersamples.
    """

    def __init__(self, drawing: Drawing):
        self.drawing = drawing
        pixel, part, share = _distinct(drawing)
        kind = drawing.table["material"].astype(np.uint8)[part]
        order = np.argsort(kind, kind="stable")
        self.bounds = np.searchsorted(kind[order], np.arange(len(Material) + 1)).tolist()
        self.part, self.pixel, self.weight = part[order], pixel[order], share[order] * np.float32(.25)
        row = self.pixel // drawing.size[1]
        self.y = row.astype(np.float32) * 2 + np.float32(1 - drawing.view.y)
        self.x = (self.pixel - row * drawing.size[1]).astype(np.float32) * 2 + np.float32(1 - drawing.view.x)

    def of(self, first: Material, last: Material | None = None) -> slice:
        """The samples of one material, or of all from `first` to `last`."""
        return slice(self.bounds[first], self.bounds[(first if last is None else last) + 1])

    def image(self, rgb: np.ndarray) -> np.ndarray:
        """float32 [3, N] samples -> [3, H, W]; rgb is used up."""
        height, width = self.drawing.size
        rgb *= self.weight
        return np.stack([np.bincount(self.pixel, channel, height * width) for channel in rgb]).reshape(3, height, width)


def _distinct(drawing: Drawing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pixel, part, number of its four supersamples) of every part seen in every pixel."""
    first = drawing.parts[::2, ::2].ravel()
    pixels = np.arange(first.size)
    mixed, (a, b, c, d) = drawing.mixed
    count = np.full(first.size, 4, np.uint8)
    ab, ac, ad, bc, bd, cd = a == b, a == c, a == d, b == c, b == d, c == d
    count[mixed] = 1 + ab.view(np.uint8) + ac + ad
    new = [np.flatnonzero(~ab), np.flatnonzero(~(ac | bc)), np.flatnonzero(~(ad | bd | cd))]
    counts = [(1 + bc.view(np.uint8) + bd)[new[0]], (1 + cd.view(np.uint8))[new[1]], np.ones(len(new[2]), np.uint8)]
    return (np.concatenate([pixels, *(mixed[n] for n in new)]),
            np.concatenate([first, *(q[n] for q, n in zip((b, c, d), new, strict=True))]),
            np.concatenate([count, *counts]))


class Ground:
    """World coordinates of the ground samples in metres: x, z [n]; pixel [n]: metres across per sample.

    where: their slice of all samples; road, pavement, grass: slices of these n.
    """

    def __init__(self, samples: Samples):
        view = samples.drawing.view
        self.where = samples.of(Material.ROAD, Material.GRASS)
        start = self.where.start
        self.road, self.pavement, self.grass = (
            slice(samples.of(m).start - start, samples.of(m).stop - start)
            for m in (Material.ROAD, Material.PAVEMENT, Material.GRASS))
        self.z = np.float32(view.focal * view.height) / np.maximum(samples.y[self.where], .25)
        scale = self.z / np.float32(view.focal)
        self.x = samples.x[self.where] * scale
        self.pixel = scale * SUPERSAMPLING
        self._height = np.float32(view.height)

    @cached_property
    def stretch(self) -> np.ndarray:
        """Metres along the road per sample."""
        return self.z * self.pixel / self._height


def _markings(world: World, ground: Ground) -> np.ndarray:
    """float32 [2, n]: share of each sample of the road that markings cover; those between opposite directions last."""
    road = ground.road
    x, z, pixel, stretch = ground.x[road], ground.z[road], ground.pixel[road], ground.stretch[road]
    covers = np.zeros((2, len(x)), np.float32)
    for line in world.markings:
        near = np.flatnonzero(np.abs(x - line.x) < line.width / 2 + pixel)
        cover = stripe(x[near] - line.x, line.width / 2, pixel[near])
        if line.dash:
            phase = z[near] / (line.dash * 2.5)
            phase -= np.floor(phase) + np.float32(.5)
            cover *= stripe(phase * (line.dash * 2.5), line.dash / 2, stretch[near])
        target = covers[int(line.middle)]
        target[near] = np.maximum(target[near], cover)
    for low, high in [r for r in (world.crossing, world.zebra and (world.zebra - 1, world.zebra + 4)) if r]:
        covers[:, (z > low) & (z < high)] = 0
    if world.zebra:
        inside = np.flatnonzero((z > world.zebra) & (z < world.zebra + 3) & (x > -world.left.kerb + .3)
                                & (x < world.right.kerb - .3))
        covers[0, inside] = stripe(x[inside] - np.floor(x[inside]) - .5, .25, pixel[inside])
    return covers


class Facades:
    """What is on the n wall samples.

    where: their slice of all samples; owner: int [n], building; u, v, z: metres along the wall, above the ground and
    from the camera; dv: metres up per sample. edge (cornices), frame, awning, door, pane, mullion (bars, within panes):
    shares 0..1 of each sample. column, row: integers that identify the windows of a building; shop: 1 where the
    wall is a shop's, else 0; resolved: bool, whether windows here are larger than samples.
    """

    def __init__(self, samples: Samples):
        table, view = samples.drawing.table, samples.drawing.view
        self.where = samples.of(Material.WALL)
        part, x = samples.part[self.where], samples.x[self.where]
        self.z = 1 / np.maximum(table["a"][part] + table["b"][part] * (x + np.float32(view.x)), 1e-4)
        scale = self.z * np.float32(1 / view.focal)
        x, along = x * scale, table["side"][part] > 0
        self.owner = table["owner"].astype(np.intp)[part]
        self.u, self.v = np.where(along, self.z, x), np.float32(view.height) - samples.y[self.where] * scale
        self.dv = scale * SUPERSAMPLING
        du = np.where(along, self.z * self.dv / np.maximum(np.abs(x), .1), self.dv)
        self._cover(_values(samples.drawing.world).take(self.owner * 2 + along, axis=1), du)

    def _cover(self, values: np.ndarray, du: np.ndarray) -> None:
        start, cell, floor, ground, top, shop, wide, high, door_at, door_wide = values
        v, dv = self.v, self.dv
        above = v - ground
        upper = above > 0
        floor = np.where(upper, floor, ground)
        column, row = (self.u - start) / cell, np.where(upper, above, v) / floor
        self.column, self.row = np.floor(column), np.floor(row)
        across, up = (column - self.column - np.float32(.5)) * cell, (row - self.row - np.float32(.5)) * floor
        self.row += upper * 5
        self.shop = shop = shop * ~upper
        wide, high = (wide + (np.float32(.82) - wide) * shop) * cell / 2, (high + (.6 - high) * shop) * floor / 2
        up += shop * np.float32(.3)
        entrance = ~upper & (self.column % DOOR_EVERY == door_at)  # door_at is -1 where there are shops
        fits = (~upper | (above + (high - up) < top - ground - .35)) & ~entrance
        self.edge = np.maximum(stripe(v - top + .25, .25, dv), stripe(above + .1, .1, dv) * .5)
        opening = stripe(across, wide + .1, du) * stripe(up, high + .1, dv) * fits
        self.awning = stripe(above + .5, .36, dv) * shop
        self.pane = stripe(across, wide, du) * stripe(up, high, dv) * fits
        self.mullion = stripe(across, .035, du)
        tall = np.minimum(floor - .6, 2.5) / 2
        self.door = stripe(across, door_wide, du) * stripe(v - tall, tall, dv) * entrance
        doorway = stripe(across, door_wide + .15, du) * stripe(v - tall, tall + .15, dv) * entrance
        self.frame = np.maximum(opening, doorway)
        self.resolved = (cell > 2 * du) & (floor > 2 * dv)


def _values(world: World) -> np.ndarray:
    """float32 [10, 2 n]: what Facades needs to know of the front and of the street side of each building, in turn.
    Windows are spread evenly, so that no corner cuts one."""
    rows = []
    for b, facade in zip(world.buildings, world.facades, strict=True):
        front = b.inner if b.side >= 0 else -b.inner - b.depth
        for start, length in ((front, b.depth), (b.z0, b.z1 - b.z0)):
            rows.append((start, length / max(1, round(length / b.cell)), b.floor, b.ground_floor, b.height, b.shop,
                         facade.wide, facade.high, -1 if b.shop else facade.door, .55 if b.house else .8))
    return np.array(rows, np.float32).reshape(-1, 10).T


class Surfaces:
    """The samples of a drawing and what is on them, computed on demand and kept for other appearances."""

    def __init__(self, drawing: Drawing):
        self.drawing = drawing

    @cached_property
    def samples(self) -> Samples:
        return Samples(self.drawing)

    @cached_property
    def ground(self) -> Ground:
        return Ground(self.samples)

    @cached_property
    def markings(self) -> np.ndarray:
        """float32 [2, n] of the road's samples; see _markings."""
        return _markings(self.drawing.world, self.ground)

    @cached_property
    def facades(self) -> Facades:
        return Facades(self.samples)
