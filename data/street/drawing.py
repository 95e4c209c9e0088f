"""From a world to pixels: which part of which thing is seen where. Painter's algorithm at twice the size."""

import functools
import math
from array import array
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from data.street.car import MESHES
from data.street.materials import Material
from data.street.world import FAR, Building, Camera, Car, Dice, Person, Pole, Side, Tree, World

SUPERSAMPLING = 2
NEAR = .4  # metres

COLUMNS = ("material", "owner", "z", "low", "high", "nx", "ny", "nz", "a", "b", "side")


@dataclass
class Drawing:
    """What is seen where. H, W: size of the photo; P parts.

    parts: int32 [2H, 2W], the part seen at each supersample. uniform: bool [H, W], pixels whose four agree.
    table: one float32 array [P] per name in COLUMNS. owner: index of the building, car, tree, ...; z: distance;
    low, high: heights above the ground of the thing it belongs to; n*: normal; a, b: 1/z = a + b * column on walls;
    side: 1 for walls along the street, 0 for walls across it.
    """

    world: World
    size: tuple[int, int]
    view: "View"
    parts: np.ndarray
    uniform: np.ndarray
    table: dict[str, np.ndarray]

    @functools.cached_property
    def mixed(self) -> tuple[np.ndarray, np.ndarray]:
        """The n pixels in which several parts are seen, as row * W + column, and the parts of their four supersamples,
        int32 [4, n]."""
        width, doubled = self.size[1], self.parts.ravel()
        pixel = np.flatnonzero(~self.uniform)
        row = pixel // width
        first = row * (2 * width) + 2 * pixel  # = 2 row * 2 width + 2 column
        return pixel, np.stack([doubled[first + shift] for shift in (0, 1, 2 * width, 2 * width + 1)])


class View:
    """Perspective projection to supersampled pixels. (x, y): vanishing point; focal: in pixels; height: in metres."""

    def __init__(self, camera: Camera, size: tuple[int, int]):
        height, width = (s * SUPERSAMPLING for s in size)
        self.x, self.y, self.focal = camera.x * width, camera.y * height, camera.focal * width
        self.height, self.shape = camera.height, (height, width)

    def sees(self, x: float, z: float, radius: float) -> bool:
        """Whether something at (x, z) that reaches `radius` metres to each side can be in the picture."""
        middle, reach = self.x * z + x * self.focal, radius * self.focal
        return middle + reach > 0 and middle - reach < self.shape[1] * z

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points [N, 3] -> (column, row) [N, 2], whole numbers at pixel centres."""
        scale = self.focal / np.maximum(points[:, 2], NEAR)
        return np.stack([self.x - .5 + points[:, 0] * scale, self.y - .5 + (self.height - points[:, 1]) * scale], 1)


def fill_polygons(image: Image.Image, pixels: np.ndarray, counts: list[int], inks: list[int]) -> None:
    """Draw polygons in order. pixels [N, 2]: all corners; counts: corners of each. Those outside are skipped."""
    ends = np.cumsum(counts)
    starts = ends - counts
    low, high = np.minimum.reduceat(pixels, starts), np.maximum.reduceat(pixels, starts)
    width, height = image.size
    seen = (high[:, 0] > -1) & (high[:, 1] > -1) & (low[:, 0] < width) & (low[:, 1] < height)
    polygon, flat = ImageDraw.Draw(image).polygon, pixels.ravel().tolist()
    for start, end, ink, visible in zip((starts * 2).tolist(), (ends * 2).tolist(), inks, seen.tolist(), strict=True):
        if visible:
            polygon(flat[start:end], fill=ink)


class Canvas:
    """Collects polygons in world coordinates from far to near; `finish` projects and draws all of them."""

    def __init__(self, world: World, size: tuple[int, int]):
        self.world, self.size, self.view = world, size, View(world.camera, size)
        self.points, self.rows, self.counts = array("d"), array("d"), []
        self.rows.extend((Material.SKY, 0, 1e4, 0, 0, 0, 0, 0, 0, 0, 0))

    def fill(self, points: list[float], material: int, owner: int, z: float, heights: tuple[float, float] = (0, 1),
             normal: tuple = (0, 0, -1), wall: tuple = (0, 0, 0)) -> None:
        """Draw a polygon, x, y, z of each corner in turn, as a new part."""
        self.points.extend(points)
        self.counts.append(len(points) // 3)
        self.rows.extend((material, owner, z, *heights, *normal, *wall))

    def flat(self, points: list[tuple[float, float]], material: int, owner: int, z: float,
             heights: tuple[float, float]) -> None:
        """A polygon of (x, y) world points in the plane at distance z."""
        self.fill([c for x, y in points for c in (x, y, z)], material, owner, z, heights)

    def extend(self, points: np.ndarray, counts: list[int], rows: bytes) -> None:
        """Many polygons at once: points float64 [N, 3], rows as float64 [len(counts), columns]."""
        self.points.frombytes(points.tobytes())
        self.counts += counts
        self.rows.frombytes(rows)

    def finish(self) -> Drawing:
        image = Image.new("I", self.view.shape[::-1], 0)
        pixels = self.view.project(np.frombuffer(self.points).reshape(-1, 3))
        fill_polygons(image, pixels, self.counts, range(1, len(self.counts) + 1))
        table = np.frombuffer(self.rows).reshape(-1, len(COLUMNS)).T.astype(np.float32)
        parts = np.asarray(image)
        first = parts[::2, ::2]
        uniform = (first == parts[::2, 1::2]) & (first == parts[1::2, ::2]) & (first == parts[1::2, 1::2])
        return Drawing(self.world, self.size, self.view, parts, uniform, dict(zip(COLUMNS, table, strict=True)))


def draw(world: World, size: tuple[int, int]) -> Drawing:
    """size: (H, W) of the photo; the drawing has SUPERSAMPLING times that many rows and columns."""
    canvas = Canvas(world, size)
    _skyline(canvas, world)
    _ground(canvas, world)
    for _, _, paint, owner, thing in sorted(_things(world, canvas.view), key=lambda t: (t[0], -t[1])):
        paint(canvas, owner, thing)
    if world.bonnet:
        _bonnet(canvas, world.bonnet)
    return canvas.finish()


def _things(world: World, view: View):
    """(layer, z, function, index, thing); layer 0 stands behind the front of the buildings, 1 nearer to the road."""
    fronts = {-1: world.left.front, 1: world.right.front}

    def layer(thing):
        return int(abs(thing.x) < fronts[1 if thing.x > 0 else -1])
    for i, b in enumerate(world.buildings):
        yield 0, b.z0, _building, i, b
    for paint, things in ((_car, world.cars), (_tree, world.trees), (_person, world.people), (_pole, world.poles)):
        for i, thing in enumerate(things):
            if view.sees(thing.x, thing.z, 4):
                yield layer(thing), thing.z, paint, i, thing
    for i, (x, z) in enumerate(world.bins):
        yield 1, z, _bin, i, (x, z)


def _skyline(canvas: Canvas, world: World) -> None:
    for i, (x0, x1, height) in enumerate(world.skyline):
        if canvas.view.sees((x0 + x1) / 2, FAR * 2, (x1 - x0) / 2):
            canvas.flat([(x0, 0), (x0, height), (x1, height), (x1, 0)], Material.SKYLINE, i, FAR * 2, (0, 60))


def _ground(canvas: Canvas, world: World) -> None:
    view = canvas.view
    rows, columns = view.shape
    _screen(canvas, [(-1, view.y), (columns, view.y), (columns, rows), (-1, rows)], Material.GRASS)
    for side in (world.left, world.right):
        _strip(canvas, side, side.kerb, side.front + 40, Material.PAVEMENT if side.setting in ("city", "avenue")
               else Material.GRASS)
        _strip(canvas, side, side.pavement_start, side.pavement_end, Material.PAVEMENT)
        if side.verge:
            _strip(canvas, side, side.kerb, side.pavement_start, Material.GRASS)
    _floor(canvas, -world.left.kerb, world.right.kerb, NEAR, FAR * 3, Material.ROAD)
    if world.crossing:
        near, far = world.crossing
        for side in (world.left, world.right):
            _strip(canvas, side, side.kerb - .1, side.front + 60, Material.PAVEMENT, near - 2.5, far + 2.5)
            _strip(canvas, side, side.kerb - .1, side.front + 60, Material.ROAD, near, far)


def _screen(canvas: Canvas, pixels: list[tuple[float, float]], material: int) -> None:
    """A polygon of supersampled (column, row) points, an arm's length from the camera."""
    view = canvas.view
    points = [((x - view.x) / view.focal, view.height - (y - view.y) / view.focal) for x, y in pixels]
    canvas.flat(points, material, 0, 1., (view.height - 1, view.height))


def _strip(canvas: Canvas, side: Side, inner: float, outer: float, material: int, z0: float = NEAR,
           z1: float = FAR * 3) -> None:
    _floor(canvas, side.sign * inner, side.sign * outer, z0, z1, material)


def _floor(canvas: Canvas, x0: float, x1: float, z0: float, z1: float, material: int) -> None:
    canvas.fill([x0, 0, z0, x1, 0, z0, x1, 0, z1, x0, 0, z1], material, 0, (z0 + z1) / 2, normal=(0, 1, 0))


def _building(canvas: Canvas, i: int, b: Building) -> None:
    view, z0 = canvas.view, max(b.z0, NEAR)
    outer = b.inner + b.depth
    if b.side == 0:
        _front_wall(canvas, i, b, b.inner, outer, False)
        return
    x0, x1 = b.side * b.inner, b.side * outer
    if b.roof != "flat":
        _roof(canvas, i, b, x0, x1, z0)
    if b.z0 > NEAR:
        _front_wall(canvas, i, b, x0, x1, b.roof == "along")
    ridge = [x0, b.height + b.rise, max((b.z0 + b.z1) / 2, NEAR)] if b.roof == "across" else []
    points = [x0, 0, z0, x0, b.height, z0, *ridge, x0, b.height, b.z1, x0, 0, b.z1]
    slope = 1 / (view.focal * x0)
    canvas.fill(points, Material.WALL, i, (z0 + b.z1) / 2, (0, b.height), (-b.side, 0, 0),
                (-view.x * slope, slope, 1))


def _front_wall(canvas: Canvas, i: int, b: Building, x0: float, x1: float, gable: bool) -> None:
    z = b.z0
    ridge = [(x0 + x1) / 2, b.height + b.rise, z] if gable else []
    canvas.fill([x0, 0, z, x0, b.height, z, *ridge, x1, b.height, z, x1, 0, z], Material.WALL, i, z, (0, b.height),
                wall=(1 / z, 0, 0))


def _roof(canvas: Canvas, i: int, b: Building, x0: float, x1: float, z0: float) -> None:
    high, low = b.height + b.rise, b.height - .1
    x, z = (x0 + x1) / 2, max((b.z0 + b.z1) / 2, NEAR)
    eave = x0 - b.side * .3
    if b.roof == "along":
        points, normal = [eave, low, z0, x, high, z0, x, high, b.z1, eave, low, b.z1], (-b.side * .6, .8, 0)
    else:
        points, normal = [eave, low, z0, eave, high, z, x1, high, z, x1, low, z0], (0, .8, -.6)
    canvas.fill(points, Material.ROOF, i, z0 + 4, (low, high), normal)
    if b.house:
        canvas.flat([(x - .4, high - 1), (x - .4, high + .8), (x + .4, high + .8), (x + .4, high - 1)],
                    Material.CHIMNEY, i, z, (low, high))


def _car(canvas: Canvas, i: int, car: Car) -> None:
    mesh, view = MESHES[car.kind], canvas.view
    c, s = math.cos(car.yaw), math.sin(car.yaw)
    turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])  # local row vectors -> world: x' = c x + s z, z' = -s x + c z
    if car.z - mesh.half_length - mesh.half_width < NEAR:
        return
    seen = mesh.normals @ (turn @ (-car.x, view.height, -car.z)) > mesh.offsets
    seen &= mesh.detail <= view.focal * mesh.height / car.z
    rows = mesh.rows[seen]
    rows[:, 1], rows[:, 2] = i, car.z
    rows[:, 5:8] = rows[:, 5:8] @ turn
    points = mesh.vertices @ turn
    points += (car.x, 0, car.z)
    canvas.extend(points[seen[mesh.face]], mesh.counts[seen].tolist(), rows.tobytes())


def _blobs(count: int, corners: int, rough: float) -> np.ndarray:
    """Fixed bank [count, corners, 2] of irregular unit outlines for crowns."""
    dice = Dice(2017)
    blobs = []
    for _ in range(count):
        radii = [1 + rough * dice.between(-1, 1) for _ in range(corners)]
        angles = [2 * math.pi * (k + dice.between(-.3, .3)) / corners for k in range(corners)]
        blobs.append([(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)])
    return np.array(blobs)


BLOBS = _blobs(16, 24, .16)
TRUNKS = {"round": .28, "poplar": .12, "conifer": .08, "hedge": 0.}  # bare part of the height
CROWNS = {  # x, y, radius across and up of each blob; in crown radii across and from the base to the top of the crown
    "round": ((-.45, .38, .62, .5), (.5, .42, .6, .48), (0., .35, .7, .4), (-.2, .72, .6, .42), (.25, .66, .62, .42)),
    "poplar": ((0., .25, .9, .3), (.1, .5, 1., .34), (-.05, .75, .8, .3)),
    "conifer": ((0., .16, 1., .16), (0., .36, .8, .17), (0., .56, .58, .17), (0., .76, .36, .16), (0., .9, .2, .12)),
    "hedge": ((-.6, .4, .6, .62), (0., .45, .6, .62), (.6, .4, .6, .62)),
}


COARSE_CROWNS = {"round": ((0., .5, .95, .5),), "poplar": ((0., .5, .95, .5),), "conifer": CROWNS["conifer"][::2],
                 "hedge": ((0., .42, 1.1, .6),)}


@functools.cache
def _crown(kind: str, shape: int, coarse: bool) -> tuple[np.ndarray, list[int]]:
    """Outlines of a unit crown in the plane z = 0, as corners [N, 3], and the number of corners of each."""
    blobs = [BLOBS[(shape + 5 * k) % len(BLOBS)][::2 if coarse else 1] * b[2:] + b[:2]
             for k, b in enumerate(COARSE_CROWNS[kind] if coarse else CROWNS[kind])]
    flat = np.concatenate(blobs)
    flat[:, 1] = np.maximum(flat[:, 1], -TRUNKS[kind] / (1 - TRUNKS[kind]))  # not below the ground
    return np.column_stack([flat, np.zeros(len(flat))]), [len(b) for b in blobs]


def _tree(canvas: Canvas, i: int, tree: Tree) -> None:
    trunk = TRUNKS[tree.kind] * tree.height
    half = max(.13, .022 * tree.height, 1.1 * tree.z / canvas.view.focal)
    if trunk:
        canvas.flat([(tree.x - half, 0), (tree.x - half * .7, trunk * 1.6), (tree.x + half * .7, trunk * 1.6),
                     (tree.x + half, 0)], Material.TRUNK, i, tree.z, (0, trunk * 2))
    unit, counts = _crown(tree.kind, tree.shape, tree.radius * canvas.view.focal < 16 * tree.z)
    points = unit * (tree.radius, tree.height - trunk, 1)
    points += (tree.x, trunk, tree.z)
    row = array("d", (Material.FOLIAGE, i, tree.z, trunk, tree.height, 0, 0, -1, 0, 0, 0))
    canvas.extend(points, counts, row.tobytes() * len(counts))


def _person(canvas: Canvas, i: int, person: Person) -> None:
    h, x, z, lean = person.height, person.x, person.z, person.lean
    leg = max(.075 * h / 1.7, .8 * z / canvas.view.focal)  # limbs stay visible at small sizes

    def part(points, material):
        canvas.flat([(x + a, y * h) for a, y in points], material, i, z, (0, h))

    def limb(x0, y0, x1, y1, half, material):
        part([(x0 - half, y0), (x1 - half, y1), (x1 + half, y1), (x0 + half, y0)], material)
    for direction in (-1, 1):
        limb(direction * (.07 + person.stride), 0, direction * .07, .5, leg, Material.LOWER)
        limb(direction * (.24 + person.stride * .4), .44, direction * .2, .8, .055, Material.UPPER)
    part([(-.17, .46), (-.22 + lean, .8), (-.12 + lean, .85), (.12 + lean, .85), (.22 + lean, .8), (.17, .46)],
         Material.UPPER)
    for centre, material, radius in ((.92, Material.HAIR, .075), (.905, Material.SKIN, .0615)):
        part([(lean + radius * .82 * h * c, centre + radius * s) for c, s in CIRCLE], material)


CIRCLE = [(math.cos(2 * math.pi * k / 10), math.sin(2 * math.pi * k / 10)) for k in range(10)]


def _pole(canvas: Canvas, i: int, pole: Pole) -> None:
    x, z, h = pole.x, pole.z, pole.height
    half = max(.05 if pole.kind != "lamp" else .08, min(1.6 * z / canvas.view.focal, .25))
    canvas.flat([(x - half, 0), (x - half * .8, h), (x + half * .8, h), (x + half, 0)], Material.METAL, i, z, (0, h))
    if pole.kind == "lamp":
        reach = x + pole.towards * 1.5
        canvas.flat([(x, h - half), (x, h + half), (reach, h + .25 + half), (reach, h + .25 - half)],
                    Material.METAL, i, z, (0, h))
        canvas.flat([(reach - .4, h + .12), (reach - .3, h + .42), (reach + .3, h + .42), (reach + .4, h + .12)],
                    Material.LAMP, i, z, (0, h))
    elif pole.kind == "signal":
        _box(canvas, i, x, h - .1, .2, .45, Material.METAL, z)
        for k, y in enumerate((h + .18, h - .1, h - .38)):
            _box(canvas, 3 * pole.design + k, x, y, .1, .1, Material.SIGNAL, z)
    else:
        _sign(canvas, pole, x, h, z)


def _box(canvas: Canvas, i: int, x: float, y: float, wide: float, high: float, material: int, z: float) -> None:
    left, right, low, top = x - wide, x + wide, y - high, y + high
    canvas.flat([(left, low), (left, top), (right, top), (right, low)], material, i, z, (low, top))


def _sign(canvas: Canvas, pole: Pole, x: float, y: float, z: float) -> None:
    corners, start = {"round": (10, 0), "triangle": (3, math.pi / 2), "board": (4, math.pi / 4)}[pole.kind]
    for radius, material in ((.42, Material.SIGN_RIM), (.3 if pole.kind != "board" else .36, Material.SIGN)):
        canvas.flat([(x + radius * math.cos(start + 2 * math.pi * k / corners),
                      y + radius * math.sin(start + 2 * math.pi * k / corners)) for k in range(corners)],
                    material, pole.design, z, (y - .4, y + .4))


def _bin(canvas: Canvas, i: int, place: tuple[float, float]) -> None:
    x, z = place
    canvas.flat([(x - .3, 0), (x - .34, 1), (x + .34, 1), (x + .3, 0)], Material.BIN, i, z, (0, 1))


def _bonnet(canvas: Canvas, height: float) -> None:
    rows, columns = canvas.view.shape
    top = rows * (1 - height)
    curve = [(columns * t / 12, top + (rows - top) * .9 * abs(t / 6 - 1) ** 3) for t in range(13)]
    _screen(canvas, [*curve, (columns, rows), (0, rows)], Material.BONNET)
