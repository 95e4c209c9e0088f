"""From a world to pixels: which part of which thing is seen where. Painter's algorithm at twice the size."""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from PIL import Image, ImageDraw

from data.labels import LabelSpace
from data.street_car import MESHES
from data.street_layout import FAR, Building, Camera, Car, Dice, Person, Pole, Side, Tree, World

STREET = LabelSpace(
    ("road", "pavement", "building", "tree", "terrain", "sky", "pole", "person", "car", "void"),
    ((128, 64, 128), (244, 35, 232), (70, 70, 70), (107, 142, 35), (152, 251, 152), (70, 130, 180), (153, 153, 153),
     (220, 20, 60), (0, 0, 142), (0, 0, 0)))
ROAD, PAVEMENT, BUILDING, TREE, TERRAIN, SKY, POLE, PERSON, CAR, VOID = range(10)
SUPERSAMPLING = 2
NEAR = .4  # metres


class Material(IntEnum):
    """What a part is made of; the photo stage decides how each looks."""

    SKY = 0
    ROAD = 1
    PAVEMENT = 2
    GRASS = 3
    WALL = 4
    SKYLINE = 5
    ROOF = 6
    FOLIAGE = 7
    TRUNK = 8
    PAINT = 9
    GLASS = 10
    DARK = 11
    HUB = 12
    HEAD = 13
    TAIL = 14
    PLATE = 15
    SEAM = 16
    SKIN = 17
    HAIR = 18
    UPPER = 19
    LOWER = 20
    METAL = 21
    LAMP = 22
    SIGN = 23
    SIGN_RIM = 24
    SIGNAL = 25
    BONNET = 26
    BIN = 27
    CHIMNEY = 28


CLASS_OF = np.zeros(len(Material), np.uint8)
for _class, _materials in {
    ROAD: "ROAD", PAVEMENT: "PAVEMENT", TERRAIN: "GRASS", BUILDING: "WALL SKYLINE ROOF CHIMNEY", TREE: "FOLIAGE TRUNK",
    SKY: "SKY", CAR: "PAINT GLASS DARK HUB HEAD TAIL PLATE SEAM", PERSON: "SKIN HAIR UPPER LOWER",
    POLE: "METAL LAMP SIGN SIGN_RIM SIGNAL", VOID: "BONNET BIN",
}.items():
    for _name in _materials.split():
        CLASS_OF[Material[_name]] = _class

COLUMNS = ("material", "owner", "z", "top", "bottom", "nx", "ny", "nz", "a", "b", "side")


@dataclass
class Drawing:
    """parts: int32 [2H, 2W], the row of `table` seen at each supersample.

    table: one float32 array [P] per name in COLUMNS. owner: index of the building, car, tree, ...; z: distance;
    top, bottom: its extent in supersampled rows; n*: normal; a, b: 1/z = a + b * column on walls; side: 1 for walls
    along the street, 0 for walls across it.
    """

    world: World
    size: tuple[int, int]
    parts: np.ndarray
    table: dict[str, np.ndarray]
    view: "View"


class View:
    """Perspective projection to supersampled pixels."""

    def __init__(self, camera: Camera, size: tuple[int, int]):
        height, width = (s * SUPERSAMPLING for s in size)
        self.x, self.y, self.focal = camera.x * width, camera.y * height, camera.focal * width
        self.height, self.shape = camera.height, (height, width)

    def point(self, x: float, y: float, z: float) -> tuple[float, float]:
        scale = self.focal / max(z, NEAR)
        return self.x + x * scale - .5, self.y + (self.height - y) * scale - .5


class Canvas:
    def __init__(self, world: World, size: tuple[int, int]):
        self.view = View(world.camera, size)
        self.image = Image.new("I", self.view.shape[::-1], 0)
        self.polygon = ImageDraw.Draw(self.image).polygon
        self.rows = [(Material.SKY, 0, 1e4, 0, self.view.y, 0, 0, 0, 0, 0, 0)]

    def fill(self, points: list, material: int, owner: int, z: float, normal: tuple = (0, 0, -1),
             wall: tuple = (0, 0, 0), extent: tuple | None = None) -> None:
        """Draw a polygon of projected points as a new part. extent: rows of the whole thing it belongs to."""
        if extent is None:
            ys = [p[1] for p in points]
            extent = min(ys), max(ys)
        self.rows.append((material, owner, z, *extent, *normal, *wall))
        self.polygon(points, fill=len(self.rows) - 1)

    def flat(self, points: list, material: int, owner: int, z: float, extent: tuple | None = None) -> None:
        """A polygon of (x, y) world points in the plane at distance z."""
        scale = self.view.focal / z
        x0, y0 = self.view.x - .5, self.view.y + self.view.height * scale - .5
        self.fill([(x0 + x * scale, y0 - y * scale) for x, y in points], material, owner, z, extent=extent)

    def finish(self, world: World, size: tuple[int, int]) -> Drawing:
        table = np.array(self.rows, dtype=np.float32).T
        return Drawing(world, size, np.asarray(self.image), dict(zip(COLUMNS, table, strict=True)), self.view)


def draw(world: World, size: tuple[int, int]) -> Drawing:
    """size: (H, W) of the photo; the drawing has SUPERSAMPLING times that many rows and columns."""
    canvas = Canvas(world, size)
    _skyline(canvas, world)
    _ground(canvas, world)
    for _, _, paint, owner, thing in sorted(_things(world), key=lambda t: (t[0], -t[1])):
        paint(canvas, owner, thing)
    if world.bonnet:
        _bonnet(canvas, world.bonnet)
    return canvas.finish(world, size)


def _things(world: World):
    """(layer, z, function, index, thing); layer 0 stands behind the front of the buildings, 1 nearer to the road."""
    fronts = {-1: world.left.front, 1: world.right.front}

    def layer(thing):
        return int(abs(thing.x) < fronts[1 if thing.x > 0 else -1])
    for i, b in enumerate(world.buildings):
        yield 0, b.z0, _building, i, b
    for paint, things in ((_car, world.cars), (_tree, world.trees), (_person, world.people), (_pole, world.poles)):
        for i, thing in enumerate(things):
            yield layer(thing), thing.z, paint, i, thing
    for i, (x, z) in enumerate(world.bins):
        yield 1, z, _bin, i, (x, z)


def _skyline(canvas: Canvas, world: World) -> None:
    for i, (x0, x1, height) in enumerate(world.skyline):
        canvas.flat([(x0, 0), (x0, height), (x1, height), (x1, 0)], Material.SKYLINE, i, FAR * 2)


def _ground(canvas: Canvas, world: World) -> None:
    height, width = canvas.view.shape
    horizon = canvas.view.y
    canvas.fill([(-1, horizon), (width, horizon), (width, height), (-1, height)], Material.GRASS, 0, 50)
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


def _strip(canvas: Canvas, side: Side, inner: float, outer: float, material: int, z0: float = NEAR,
           z1: float = FAR * 3) -> None:
    _floor(canvas, side.sign * inner, side.sign * outer, z0, z1, material)


def _floor(canvas: Canvas, x0: float, x1: float, z0: float, z1: float, material: int) -> None:
    point = canvas.view.point
    canvas.fill([point(x0, 0, z0), point(x1, 0, z0), point(x1, 0, z1), point(x0, 0, z1)], material, 0, (z0 + z1) / 2,
                (0, 1, 0))


def _building(canvas: Canvas, i: int, b: Building) -> None:
    view, z0 = canvas.view, max(b.z0, NEAR)
    outer = b.inner + b.depth
    if b.side == 0:
        _front_wall(canvas, i, b, b.inner, outer, False)
        return
    x0, x1 = b.side * b.inner, b.side * outer
    top = view.point(x0, b.height, z0)[1]
    if b.roof != "flat":
        _roof(canvas, i, b, x0, x1, z0)
    if b.z0 > NEAR:
        _front_wall(canvas, i, b, x0, x1, b.roof == "along")
    points = [(x0, 0, z0), (x0, b.height, z0), (x0, b.height, b.z1), (x0, 0, b.z1)]
    if b.roof == "across":
        points.insert(2, (x0, b.height + b.rise, max((b.z0 + b.z1) / 2, NEAR)))
    slope = 1 / (view.focal * x0)
    canvas.fill([view.point(*p) for p in points], Material.WALL, i, (z0 + b.z1) / 2, (-b.side, 0, 0),
                (-view.x * slope, slope, 1), (top, view.point(x0, 0, z0)[1]))


def _front_wall(canvas: Canvas, i: int, b: Building, x0: float, x1: float, gable: bool) -> None:
    points = [(x0, 0), (x0, b.height), (x1, b.height), (x1, 0)]
    if gable:
        points.insert(2, ((x0 + x1) / 2, b.height + b.rise))
    view = canvas.view
    canvas.fill([view.point(x, y, b.z0) for x, y in points], Material.WALL, i, b.z0, (0, 0, -1), (1 / b.z0, 0, 0))


def _roof(canvas: Canvas, i: int, b: Building, x0: float, x1: float, z0: float) -> None:
    point, high = canvas.view.point, b.height + b.rise
    middle_x, middle_z = (x0 + x1) / 2, max((b.z0 + b.z1) / 2, NEAR)
    eave = x0 - b.side * .3
    if b.roof == "along":
        points = [(eave, b.height - .1, z0), (middle_x, high, z0), (middle_x, high, b.z1), (eave, b.height - .1, b.z1)]
        normal = (-b.side * .6, .8, 0)
    else:
        points = [(eave, b.height - .1, z0), (eave, high, middle_z), (x1, high, middle_z), (x1, b.height - .1, z0)]
        normal = (0, .8, -.6)
    canvas.fill([point(*p) for p in points], Material.ROOF, i, z0 + 4, normal)
    if b.house:
        x, z = middle_x, middle_z
        canvas.flat([(x - .4, high - 1), (x - .4, high + .8), (x + .4, high + .8), (x + .4, high - 1)],
                    Material.CHIMNEY, i, z)


CAR_MATERIALS = {"paint": Material.PAINT, "glass": Material.GLASS, "dark": Material.DARK, "hub": Material.HUB,
                 "head": Material.HEAD, "tail": Material.TAIL, "plate": Material.PLATE, "seam": Material.SEAM}


def _car(canvas: Canvas, i: int, car: Car) -> None:
    mesh, view = MESHES[car.kind], canvas.view
    c, s = math.cos(car.yaw), math.sin(car.yaw)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])  # local -> world: x' = c x + s z, z' = -s x + c z
    points = mesh.vertices @ turn.T + (car.x, 0, car.z)
    if points[:, 2].min() < NEAR:
        return
    scale = view.focal / points[:, 2]
    x = view.x - .5 + points[:, 0] * scale
    y = view.y - .5 + (view.height - points[:, 1]) * scale
    seen = mesh.normals @ (turn.T @ (-car.x, view.height, -car.z)) > mesh.offsets
    normals = (mesh.normals @ turn.T).tolist()
    pixels, extent = list(zip(x.tolist(), y.tolist(), strict=True)), (float(y.min()), float(y.max()))
    tiny = extent[1] - extent[0] < 24
    for (name, indices, fine), visible, normal in zip(mesh.faces, seen.tolist(), normals, strict=True):
        if visible and not (fine and tiny):
            canvas.fill([pixels[k] for k in indices], CAR_MATERIALS[name], i, car.z, normal, extent=extent)


def _blobs(count: int, corners: int, rough: float) -> list[list[tuple[float, float]]]:
    """Fixed bank of irregular unit outlines for crowns."""
    dice = Dice(2017)
    blobs = []
    for _ in range(count):
        radii = [1 + rough * dice.between(-1, 1) for _ in range(corners)]
        angles = [2 * math.pi * (k + dice.between(-.3, .3)) / corners for k in range(corners)]
        blobs.append([(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)])
    return blobs


BLOBS = _blobs(16, 22, .16)
CROWNS = {  # (x, y, radius) of each blob; in crown radii across and from the base to the top of the crown
    "round": ((-.45, .38, .62, .5), (.5, .42, .6, .48), (0., .35, .7, .4), (-.2, .72, .6, .42), (.25, .66, .62, .42)),
    "poplar": ((0., .25, .9, .3), (.1, .5, 1., .34), (-.05, .75, .8, .3)),
    "conifer": ((0., .16, 1., .16), (0., .36, .8, .17), (0., .56, .58, .17), (0., .76, .36, .16), (0., .9, .2, .12)),
    "hedge": ((-.6, .4, .6, .62), (0., .45, .6, .62), (.6, .4, .6, .62)),
}


def _tree(canvas: Canvas, i: int, tree: Tree) -> None:
    trunk = {"round": .28, "poplar": .12, "conifer": .08, "hedge": 0.}[tree.kind] * tree.height
    crown, half = tree.height - trunk, max(.13, .022 * tree.height, 1.1 * tree.z / canvas.view.focal)
    if trunk:
        canvas.flat([(tree.x - half, 0), (tree.x - half * .7, trunk * 1.6), (tree.x + half * .7, trunk * 1.6),
                     (tree.x + half, 0)], Material.TRUNK, i, tree.z)
    point = canvas.view.point
    extent = point(tree.x, tree.height, tree.z)[1], point(tree.x, trunk, tree.z)[1]
    for k, (x, y, wide, high) in enumerate(CROWNS[tree.kind]):
        outline = BLOBS[(tree.shape + 5 * k) % len(BLOBS)]
        x0, y0 = tree.x + x * tree.radius, trunk + y * crown
        wide, high = wide * tree.radius, high * crown
        canvas.flat([(x0 + a * wide, max(y0 + b * high, .02)) for a, b in outline], Material.FOLIAGE, i, tree.z, extent)


def _person(canvas: Canvas, i: int, person: Person) -> None:
    h, x, z = person.height, person.x, person.z
    least = 1.6 * z / canvas.view.focal  # keep limbs visible at small sizes
    leg = max(.075 * h / 1.7, least / 2)

    def limb(x0, y0, x1, y1, half, material):
        canvas.flat([(x + x0 - half, y0 * h), (x + x1 - half, y1 * h),
                     (x + x1 + half, y1 * h), (x + x0 + half, y0 * h)], material, i, z)
    for direction in (-1, 1):
        limb(direction * (.07 + person.stride), 0, direction * .07, .5, leg, Material.LOWER)
        limb(direction * (.24 + person.stride * .4), .44, direction * .2, .8, .055, Material.UPPER)
    lean = person.lean
    canvas.flat([(x - .17, .46 * h), (x - .22 + lean, .8 * h), (x - .12 + lean, .85 * h), (x + .12 + lean, .85 * h),
                 (x + .22 + lean, .8 * h), (x + .17, .46 * h)], Material.UPPER, i, z)
    for centre, material, low in ((.92, Material.HAIR, -math.pi), (.905, Material.SKIN, -math.pi)):
        radius = .075 * h * (1 if material == Material.HAIR else .82)
        canvas.flat([(x + lean + radius * .82 * math.cos(low + k * math.pi / 5),
                      centre * h + radius * math.sin(low + k * math.pi / 5)) for k in range(10)], material, i, z)


def _pole(canvas: Canvas, i: int, pole: Pole) -> None:
    x, z, h = pole.x, pole.z, pole.height
    half = max(.05 if pole.kind != "lamp" else .08, min(1.05 * z / canvas.view.focal, .25))
    canvas.flat([(x - half, 0), (x - half * .8, h), (x + half * .8, h), (x + half, 0)], Material.METAL, i, z)
    if pole.kind == "lamp":
        reach = x + pole.towards * 1.5
        canvas.flat([(x, h - half), (x, h + half), (reach, h + .25 + half), (reach, h + .25 - half)],
                    Material.METAL, i, z)
        canvas.flat([(reach - .4, h + .12), (reach - .3, h + .42), (reach + .3, h + .42), (reach + .4, h + .12)],
                    Material.LAMP, i, z)
    elif pole.kind == "signal":
        _box(canvas, i, x, h - .1, .2, .45, Material.METAL, z)
        for k, y in enumerate((h + .18, h - .1, h - .38)):
            _box(canvas, 3 * pole.design + k, x, y, .1, .1, Material.SIGNAL, z)
    else:
        _sign(canvas, pole, x, h, z)


def _box(canvas: Canvas, i: int, x: float, y: float, wide: float, high: float, material: int, z: float) -> None:
    left, right, low, top = x - wide, x + wide, y - high, y + high
    canvas.flat([(left, low), (left, top), (right, top), (right, low)], material, i, z)


def _sign(canvas: Canvas, pole: Pole, x: float, y: float, z: float) -> None:
    corners, start = {"round": (10, 0), "triangle": (3, math.pi / 2), "board": (4, math.pi / 4)}[pole.kind]
    for radius, material in ((.42, Material.SIGN_RIM), (.3 if pole.kind != "board" else .36, Material.SIGN)):
        canvas.flat([(x + radius * math.cos(start + 2 * math.pi * k / corners),
                      y + radius * math.sin(start + 2 * math.pi * k / corners)) for k in range(corners)],
                    material, pole.design, z)


def _bin(canvas: Canvas, i: int, place: tuple[float, float]) -> None:
    x, z = place
    canvas.flat([(x - .3, 0), (x - .34, 1), (x + .34, 1), (x + .3, 0)], Material.BIN, i, z)


def _bonnet(canvas: Canvas, height: float) -> None:
    rows, columns = canvas.view.shape
    top = rows * (1 - height)
    curve = [(columns * t / 12, top + (rows - top) * .9 * abs(t / 6 - 1) ** 3) for t in range(13)]
    canvas.fill([*curve, (columns, rows), (0, rows)], Material.BONNET, 0, 1.5)


def downsample(values: np.ndarray) -> np.ndarray:
    """uint8 [2H, 2W] -> uint8 [H, W]: the most frequent of each four, the upper left one where two are even."""
    a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
    return np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))


def labels_of(drawing: Drawing) -> tuple[np.ndarray, np.ndarray]:
    """(layout, instances), both uint8 [H, W]; instances are the painted parts of car i - 1, 0 elsewhere."""
    material = drawing.table["material"].astype(np.intp)
    classes = CLASS_OF[material]
    layout = downsample(classes[drawing.parts])
    painted = np.where(material == Material.PAINT, drawing.table["owner"] + 1, 0).astype(np.uint8)
    instances = downsample(painted[drawing.parts])
    instances[layout != CAR] = 0
    return layout, instances
