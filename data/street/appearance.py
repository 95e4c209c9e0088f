"""How a street scene looks: colours, materials, time of day. Drawn from an appearance seed for a given world."""

from typing import Any

import numpy as np

from data.street.light import draw_light
from data.street.materials import Material
from data.street.walls import Walls
from data.street.world import Dice, World

CAR_COLOURS = {"white": (238, 238, 236), "black": (24, 24, 28), "silver": (150, 155, 162), "red": (196, 22, 30),
               "blue": (28, 66, 176), "green": (24, 122, 60), "yellow": (240, 204, 30), "orange": (232, 108, 16)}
LEAVES = ((62, 100, 42), (80, 112, 46), (50, 88, 50), (102, 118, 50), (160, 112, 44))  # the last in autumn only
CLOTHES = ((40, 44, 60), (150, 40, 44), (60, 90, 140), (200, 196, 186), (70, 100, 70), (190, 150, 60), (90, 60, 100),
           (30, 30, 34), (120, 120, 124), (200, 110, 120))
SKIN = ((232, 190, 160), (200, 150, 116), (140, 96, 70), (90, 60, 46))
BLACK = (0, 0, 0)
FIXED = {Material[name]: colour for name, colour in {
    "DARK": (26, 26, 28), "TYRE": (40, 40, 43), "GLASS": (54, 64, 74), "HUB": (150, 152, 156),
    "HEAD": (225, 228, 230), "TAIL": (150, 16, 18), "PLATE": (225, 222, 200), "SEAM": (20, 20, 20),
    "TRUNK": (86, 66, 50), "METAL": (74, 78, 80), "LAMP": (190, 190, 180), "SIGN_RIM": (200, 30, 34),
    "BIN": (52, 66, 58), "CHIMNEY": (130, 76, 60), "HAIR": (50, 38, 30), "BONNET": (48, 50, 56),
    "SKYLINE": (128, 132, 138)}.items()}
OWNED = np.zeros(len(Material), bool)  # materials whose colour differs from owner to owner
OWNED[[Material.PAINT, Material.WALL, Material.ROOF, Material.FOLIAGE, Material.UPPER, Material.LOWER, Material.SKIN,
       Material.SIGN]] = True
SIGN_COLOURS = [(236, 236, 232), (240, 200, 40), (36, 80, 170), (236, 236, 232)]
SHINING = {Material.HEAD: (255, 246, 214), Material.TAIL: (255, 34, 24), Material.LAMP: (255, 232, 180)}
SIGNALS = ((220, 30, 24), (240, 170, 30), (40, 210, 90))


class Appearance:
    """One way a world may look. times: of day, to be drawn from. modes: what was drawn, as plain JSON-able values."""

    def __init__(self, seed: int, world: World, times: tuple[str, ...]):
        dice = Dice(seed)
        self.light = draw_light(dice, times)
        self.cars = [dice.pick(tuple(CAR_COLOURS)) for _ in world.cars]
        self.paints = [CAR_COLOURS[c] for c in self.cars]
        self.walls = Walls(dice, world)
        asphalt = dice.between(78, 112)
        self.road = asphalt, asphalt, asphalt + dice.between(-5, 6)
        paving = dice.between(.85, 1.15)
        self.pavement = 158 * paving + dice.between(-6, 12), 152 * paving, 144 * paving
        self.grass = dice.pick(((92, 128, 56), (112, 136, 66), (140, 138, 80)))
        season = dice.whole(0, len(LEAVES) - 1)
        self.leaves = [dice.pick(LEAVES[:4] if season < 4 else LEAVES) for _ in world.trees]
        self.ground_noise = dice.between(.03, .07)
        self.slab = dice.pick((.6, 1., 1.4))
        people = range(len(world.people))
        self.upper, self.lower = [dice.pick(CLOTHES) for _ in people], [dice.pick(CLOTHES[:9]) for _ in people]
        self.skin = [dice.pick(SKIN) for _ in people]
        self.signal = dice.whole(0, 2)
        self.yellow = dice.chance(.3)

    def albedo(self, material: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Colour float32 [3, P] of parts under white light of strength 1."""
        owned = {Material.PAINT: self.paints, Material.WALL: self.walls.colours,
                 Material.ROOF: self.walls.roofs, Material.FOLIAGE: self.leaves, Material.UPPER: self.upper,
                 Material.LOWER: self.lower, Material.SKIN: self.skin, Material.SIGN: SIGN_COLOURS}
        single = {**FIXED, Material.ROAD: self.road, Material.PAVEMENT: self.pavement, Material.GRASS: self.grass}
        rows, start = [], np.zeros(len(Material), np.intp)
        for kind in Material:
            start[kind] = len(rows)
            rows += owned[kind] if kind in owned else [single.get(kind, BLACK)]
        index = start[material] + np.where(OWNED[material], owner, 0)
        return np.array(rows, dtype=np.float32).T.take(index, axis=1)

    def shining(self, material: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices and colours [3, n] of parts that give light themselves."""
        shines = (material == Material.SIGNAL)
        dark = self.light.time_of_day in ("night", "evening")
        if dark:
            shines |= (material == Material.HEAD) | (material == Material.TAIL)
        if self.light.lamps:
            shines |= material == Material.LAMP
        where = np.flatnonzero(shines)
        table = np.zeros((len(Material), 3), np.float32)
        for kind, colour in SHINING.items():
            table[kind] = colour
        colours = table[material[where]]
        signal = np.flatnonzero(material[where] == Material.SIGNAL)
        position = owner[where][signal]
        on = position % 3 == (position // 3 + self.signal) % 3
        colours[signal] = np.where(on[:, None], np.asarray(SIGNALS, np.float32)[position % 3], 28)
        return where, colours.T

    def modes(self) -> dict[str, Any]:
        return {
            "time_of_day": self.light.time_of_day,
            "light": self.light.to_json(),
            "cars": [{"colour": c, "rgb": list(CAR_COLOURS[c])} for c in self.cars],
            "buildings": [{"material": m} for m in self.walls.materials],
        }
