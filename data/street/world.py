"""Where everything stands in a street scene: the world drawn from a geometry seed. World units are metres.

Axes: x to the right, y up from the ground, z ahead. The camera stands at (0, camera height, 0) and looks along z, so
that everything parallel to the road meets in one vanishing point.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CAR_KINDS = ("sedan", "hatchback", "suv", "van")
FAR = 120.0  # metres; where the rows of buildings end
HOUSE_WINDOWS = ((.38, .46), (.34, .5), (.46, .46))  # width and height of a window, relative to its axis and floor
BLOCK_WINDOWS = ((.42, .52), (.48, .6), (.42, .52), (.66, .5), (.86, .8))
DOOR_EVERY = 4


class Dice:
    """Uniform draws from a seed. Built on random() alone, whose sequence Python guarantees for ever."""

    def __init__(self, seed: int):
        self.unit = random.Random(seed).random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return self.unit() < probability

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.unit() * len(choices))]


class Camera(NamedTuple):
    """Vanishing point as fractions of width and height, focal length as a fraction of the width, height in metres."""

    x: float
    y: float
    focal: float
    height: float


class Building(NamedTuple):
    """side -1 or 1: the wall along the street at |x| = inner, from z0 to z1; side 0: across the street at z0,
    from x = inner to x = inner + depth."""

    side: int
    inner: float
    depth: float
    z0: float
    z1: float
    height: float
    roof: str  # "flat", "along" (ridge along the street) or "across"
    rise: float
    cell: float  # width of a window axis
    floor: float
    ground_floor: float
    shop: bool
    house: bool


class Facade(NamedTuple):
    """The walls of a building: width and height of a window relative to its axis and floor; a door stands
    on every DOOR_EVERY-th axis of the ground floor, `door` of them from the left, unless there are shops."""

    wide: float
    high: float
    door: int


class Car(NamedTuple):
    kind: str
    x: float
    z: float
    yaw: float  # radians; 0 drives away from the camera, pi comes towards it
    parked: bool


class Tree(NamedTuple):
    x: float
    z: float
    height: float
    radius: float
    kind: str  # "round", "poplar", "conifer" or "hedge"
    shape: int


class Person(NamedTuple):
    x: float
    z: float
    height: float
    stride: float
    lean: float


class Pole(NamedTuple):
    x: float
    z: float
    kind: str  # "lamp", "round", "triangle", "board" or "signal"
    height: float
    towards: int  # the direction of the road: -1 or 1
    design: int


class Marking(NamedTuple):
    x: float
    dash: float  # length of a dash in metres, 0 for a solid line
    width: float
    middle: bool  # between opposite directions: yellow in some appearances


@dataclass
class Side:
    """One side of the street, distances as |x| from the camera's lane."""

    sign: int
    kerb: float
    verge: float
    pavement: float
    setback: float
    setting: str

    @property
    def pavement_start(self) -> float:
        return self.kerb + self.verge

    @property
    def pavement_end(self) -> float:
        return self.pavement_start + self.pavement

    @property
    def front(self) -> float:
        """Where the buildings begin; nothing that stands nearer to the road can be hidden by them."""
        return self.pavement_end + self.setback


@dataclass
class World:
    camera: Camera
    left: Side
    right: Side
    lanes: list[tuple[float, int]]  # x of the middle, direction 1 (ahead) or -1 (oncoming)
    markings: list[Marking]
    crossing: tuple[float, float] | None  # z range of a side street
    zebra: float | None  # z of the near edge of a zebra crossing
    lamp_spacing: float
    bonnet: float | None
    buildings: list[Building] = field(default_factory=list)
    facades: list[Facade] = field(default_factory=list)  # of each building
    skyline: list[tuple[float, float, float]] = field(default_factory=list)  # x from, x to, height at FAR * 2
    cars: list[Car] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    poles: list[Pole] = field(default_factory=list)
    bins: list[tuple[float, float]] = field(default_factory=list)


def draw_world(seed: int) -> World:
    """The world of a geometry seed; independent of the size it will be rendered at."""
    dice = Dice(seed)
    world = _draw_road(dice)
    for side in (world.left, world.right):
        _build_row(dice, world, side)
        _plant(dice, world, side)
        _put_poles(dice, world, side)
    _close_street(dice, world)
    _put_cars(dice, world)
    _put_people(dice, world)
    world.facades = [Facade(*dice.pick(HOUSE_WINDOWS if b.house else BLOCK_WINDOWS), dice.whole(0, DOOR_EVERY - 1))
                     for b in world.buildings]
    return world


def _draw_road(dice: Dice) -> World:
    camera = Camera(dice.between(.36, .64), dice.between(.42, .54), dice.between(.78, 1.05), dice.between(1.4, 2.5))
    setting = dice.pick(("city", "city", "avenue", "suburb"))
    lane = dice.between(2.9, 3.5)
    ahead, oncoming = dice.pick(((1, 1), (1, 1), (2, 2), (2, 1), (1, 2), (2, 0), (3, 0)))
    own = dice.whole(0, ahead - 1)  # lanes to the right of the camera's
    lanes = [(lane * (i + own - ahead + 1), 1) for i in range(ahead)]
    lanes += [(lane * (own - ahead - i), -1) for i in range(oncoming)]
    left = lane * (ahead - own - .5 + oncoming)
    sides = [_draw_side(dice, sign, kerb, setting) for sign, kerb in ((-1, left), (1, lane * (own + .5)))]
    crossing = (start := dice.between(17, 45), start + dice.between(7, 11)) if dice.chance(.45) else None
    zebra = (crossing[0] - 4.5 if crossing else dice.between(10, 25)) if dice.chance(.45) else None
    return World(camera, *sides, lanes, _draw_markings(dice, lanes, lane, oncoming), crossing, zebra,
                 lamp_spacing=dice.between(16, 30), bonnet=dice.between(.03, .1) if dice.chance(.15) else None)


def _draw_side(dice: Dice, sign: int, kerb: float, setting: str) -> Side:
    if dice.chance(.2):
        setting = dice.pick(("park", "suburb", "city"))
    kerb += dice.between(2.0, 2.4) if dice.chance(.55) else .3  # a row of parked cars
    verge = dice.between(1.0, 2.6) if dice.chance({"city": .1, "avenue": .7}.get(setting, .45)) else 0.
    pavement = dice.between(1.8, 3.2) if setting in ("suburb", "park") else dice.between(2.4, 5.0)
    setback = {"suburb": dice.between(2.5, 7), "park": dice.between(8, 16)}.get(setting, 0.)
    return Side(sign, kerb, verge, pavement, setback, setting)


def _draw_markings(dice: Dice, lanes: list[tuple[float, int]], lane: float, oncoming: int) -> list[Marking]:
    dash = dice.pick((3., 4., 6.))
    middles = sorted(lanes)
    markings = [Marking(x + lane / 2, dash, .18, d != e)
                for (x, d), (_, e) in zip(middles, middles[1:], strict=False)]
    if oncoming and dice.chance(.35):
        middle = next(x for x, d in middles if d == 1) - lane / 2
        markings = [m for m in markings if abs(m.x - middle) > .1]
        markings += [Marking(middle + offset, 0, .16, True) for offset in (-.17, .17)]
    if dice.chance(.5):
        markings += [Marking(x, 0, .18, False) for x in (middles[0][0] - lane / 2, middles[-1][0] + lane / 2)]
    return markings


def _blocked(world: World, z0: float, z1: float) -> bool:
    return world.crossing is not None and z0 < world.crossing[1] and z1 > world.crossing[0]


def _build_row(dice: Dice, world: World, side: Side) -> None:
    house = side.setting == "suburb"
    tall = dice.between(8, 26) if side.setting != "avenue" else dice.between(12, 34)
    z = -dice.between(0, 12)
    while z < FAR:
        width = dice.between(8, 13) if house else dice.between(9, 24)
        if _blocked(world, z - 1, z + width + 1):
            width = world.crossing[0] - 1.5 - z
            if width < 6:
                z = world.crossing[1] + 1.5
                continue
        if side.setting != "park" and (z > 0 or z + width > 3) and not dice.chance(.05):
            world.buildings.append(_draw_building(dice, side, z, z + width, house, tall))
        gap = dice.between(2, 7) if house else dice.pick((0., 0., 0., dice.between(2, 5)))
        z += width + gap


def _draw_building(dice: Dice, side: Side, z0: float, z1: float, house: bool, tall: float) -> Building:
    floor = dice.between(2.7, 3.5)
    ground_floor = floor if house else dice.between(3.2, 4.4)
    floors = dice.whole(0, 1) if house else max(1, round(tall * dice.between(.6, 1.3) / floor))
    height = ground_floor + floors * floor + (.4 if house else .9)
    roof = dice.pick(("along", "across")) if house or (floors < 5 and dice.chance(.45)) else "flat"
    setback = dice.between(0, 1.5) if house else dice.pick((0., 0., dice.between(0, .8)))
    return Building(side.sign, side.front + setback, dice.between(8, 14), z0, z1, height, roof,
                    dice.between(2, 4), dice.between(2.0, 3.8), floor, ground_floor,
                    shop=not house and dice.chance(.55), house=house)


def _close_street(dice: Dice, world: World) -> None:
    """What stands at the far end: a building across the street, trees or a distant skyline."""
    x = -150.
    while x < 150:
        width = dice.between(8, 30)
        world.skyline.append((x, x + width, dice.between(6, 30) if dice.chance(.8) else dice.between(30, 60)))
        x += width + dice.between(-2, 12)
    end = dice.pick(("building", "trees", "open"))
    if end == "building":
        width = dice.between(30, 60)
        world.buildings.append(Building(0, -width * dice.between(.3, .7), width, dice.between(70, FAR), FAR + 20,
                                        dice.between(8, 26), "flat", 0, 3., 3.2, 4., False, False))
    if end == "trees":
        z = dice.between(60, 110)
        world.trees += [Tree(x * 6. + dice.between(-2, 2), z, dice.between(7, 13), dice.between(3, 5), "round",
                             dice.whole(0, 15)) for x in range(-5, 6)]


def _plant(dice: Dice, world: World, side: Side) -> None:
    kind = dice.pick(("round", "round", "poplar", "conifer"))
    if dice.chance(.85 if side.verge else .4):
        line = side.kerb + (side.verge / 2 if side.verge else .7)
        spacing = dice.between(7, 14)
        for step in range(1, 9):
            if dice.chance(.85):
                _plant_one(dice, world, side.sign * line, 2 + step * spacing + dice.between(-1, 1), kind, .8)
    if side.setting in ("park", "suburb"):
        inner, outer = (side.pavement_end + 1.5, side.front + 25) if side.setting == "park" else \
            (side.pavement_end + .8, side.front + 4)
        for _ in range(dice.whole(12, 22) if side.setting == "park" else dice.whole(3, 8)):
            _plant_one(dice, world, side.sign * dice.between(inner, outer), dice.between(6, 70),
                       dice.pick(("round", "round", kind)), 1.2)
    if side.setting == "suburb" and dice.chance(.6):
        for step in range(5):
            if dice.chance(.7):
                world.trees.append(Tree(side.sign * (side.pavement_end + .6), 5 + step * 9 + dice.between(0, 2),
                                        dice.between(.8, 1.4), 1.5, "hedge", step))


def _plant_one(dice: Dice, world: World, x: float, z: float, kind: str, scale: float) -> None:
    height = dice.between(4.5, 8) * scale
    radius = height * {"round": .3, "poplar": .14, "conifer": .22}[kind] * dice.between(.8, 1.2)
    tree = Tree(x, z, height, radius, kind, dice.whole(0, 15))
    if not _blocked(world, z - 2, z + 2):
        world.trees.append(tree)


def _put_poles(dice: Dice, world: World, side: Side) -> None:
    x = side.sign * (side.kerb + .45)
    height = dice.between(5, 8)
    if dice.chance(.7):
        phase = dice.between(6, world.lamp_spacing)
        for step in range(4):
            world.poles.append(Pole(x, phase + step * world.lamp_spacing, "lamp", height, -side.sign, 0))
    for _ in range(dice.whole(0, 2)):
        world.poles.append(Pole(x, dice.between(5, 30), dice.pick(("round", "triangle", "board")),
                                dice.between(2.2, 3), -side.sign, dice.whole(0, 3)))
    if world.crossing and dice.chance(.5):
        world.poles.append(Pole(x, world.crossing[0] - 1, "signal", 3.4, -side.sign, dice.whole(0, 2)))
    if dice.chance(.25):
        world.bins.append((side.sign * (side.pavement_start + .6), dice.between(5, 16)))


def _put_cars(dice: Dice, world: World) -> None:
    for side in (world.left, world.right):
        _park(dice, world, side)
    for x, direction in world.lanes:
        own = abs(x) < .1
        for _ in range(dice.whole(0, 2)):
            z = dice.between(9 if own else 6.5, 40 if own else 50)
            _add_car(dice, world, x + dice.between(-.3, .3), z, (0 if direction == 1 else 3.14159)
                     + dice.between(-.04, .04), False)
    if world.crossing and dice.chance(.6):
        near, far = world.crossing
        towards = dice.pick((-1, 1))
        _add_car(dice, world, dice.between(-9, 9), near + (far - near) * (.3 if towards == 1 else .7),
                 towards * dice.between(1.3, 1.7), False)


def _park(dice: Dice, world: World, side: Side) -> None:
    outer_lane = max(side.sign * x for x, _ in world.lanes)
    if side.kerb - outer_lane < 3.2 or dice.chance(.15):
        return
    full = dice.between(.3, .95)
    z = dice.between(4.5, 9)
    while z < 48:
        if dice.chance(full) and not _blocked(world, z - 4, z + 4):
            yaw = (0 if side.sign == 1 or dice.chance(.2) else 3.14159) + dice.between(-.03, .03)
            _add_car(dice, world, side.sign * (side.kerb - 1.05), z, yaw, True)
        z += dice.between(5.4, 7)


def _add_car(dice: Dice, world: World, x: float, z: float, yaw: float, parked: bool) -> None:
    """Put a car there unless it would stand in another one."""
    car = Car(dice.pick((*CAR_KINDS, "sedan", "hatchback")), x, z, yaw, parked)
    if all(abs(car.x - o.x) > 2.3 or abs(car.z - o.z) > 5.6 for o in world.cars) and len(world.cars) < 16:
        world.cars.append(car)


def _put_people(dice: Dice, world: World) -> None:
    busy = dice.pick((1, 2, 4, 7))
    for _ in range(busy):
        side = dice.pick((world.left, world.right))
        x = side.sign * dice.between(side.pavement_start + .5, side.pavement_end - .3)
        _add_person(dice, world, x, dice.between(5, 26))
    if world.zebra and dice.chance(.4):
        for _ in range(dice.whole(1, 2)):
            x = dice.between(-world.left.kerb, world.right.kerb)
            _add_person(dice, world, x, world.zebra + dice.between(.5, 2))


def _add_person(dice: Dice, world: World, x: float, z: float) -> None:
    person = Person(x, z, dice.between(1.5, 1.9), dice.between(.0, .3), dice.between(-.05, .05))
    if all(abs(x - c.x) > 1.6 or abs(z - c.z) > 3 for c in world.cars):
        world.people.append(person)
