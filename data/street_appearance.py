"""How a street scene looks: colours, materials, time of day. Drawn from an appearance seed for a given world."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.street_drawing import Material
from data.street_layout import Dice, World
from data.street_texture import hash_tile, look_up, noise_tile, stripe

TIMES_OF_DAY = ("day", "overcast", "evening", "night")
CAR_COLOURS = {"white": (238, 238, 236), "black": (24, 24, 28), "silver": (150, 155, 162), "red": (196, 22, 30),
               "blue": (28, 66, 176), "green": (24, 122, 60), "yellow": (240, 204, 30), "orange": (232, 108, 16)}
BLOCK_MATERIALS = ("brick", "concrete", "plaster", "glass")
HOUSE_MATERIALS = ("brick", "plaster", "timber", "stone")
MATERIAL_COLOURS = {
    "brick": ((142, 72, 54), (160, 92, 66), (120, 62, 52), (172, 112, 84)),
    "concrete": ((150, 148, 142), (128, 128, 126), (168, 164, 154)),
    "plaster": ((226, 206, 160), (214, 178, 140), (232, 226, 212), (190, 206, 214), (222, 190, 182), (190, 204, 172)),
    "glass": ((96, 120, 134), (84, 104, 112), (112, 130, 140)),
    "timber": ((206, 206, 196), (120, 138, 150), (150, 60, 50), (176, 150, 110)),
    "stone": ((170, 158, 134), (150, 140, 124)),
}
WINDOWS = {  # width and height of a window relative to its axis and floor, strength of the wall's grain
    "brick": (.42, .52, .16), "concrete": (.66, .46, .07), "plaster": (.4, .52, .06), "glass": (.9, .84, .03),
    "timber": (.38, .46, .06), "stone": (.36, .5, .18)}
CLOTHES = ((40, 44, 60), (150, 40, 44), (60, 90, 140), (200, 196, 186), (70, 100, 70), (190, 150, 60), (90, 60, 100),
           (30, 30, 34), (120, 120, 124), (200, 110, 120))
SKIN = ((232, 190, 160), (200, 150, 116), (140, 96, 70), (90, 60, 46))
FIXED = {
    "DARK": (26, 26, 28), "GLASS": (54, 64, 74), "HUB": (150, 152, 156), "HEAD": (225, 228, 230), "TAIL": (150, 16, 18),
    "PLATE": (225, 222, 200), "SEAM": (20, 20, 20), "TRUNK": (86, 66, 50), "METAL": (98, 102, 104),
    "LAMP": (190, 190, 180), "SIGN_RIM": (200, 30, 34), "BIN": (52, 66, 58), "CHIMNEY": (130, 76, 60),
    "HAIR": (50, 38, 30), "BONNET": (48, 50, 56), "SKYLINE": (128, 132, 138)}
SHINING = {Material.HEAD: (255, 246, 214), Material.TAIL: (255, 34, 24), Material.LAMP: (255, 232, 180)}
SIGNALS = ((220, 30, 24), (240, 170, 30), (40, 210, 90))


def rgb(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@dataclass
class Light:
    """Everything about the light of a photo. Colours are 0..255, gains about 1; sun: unit vector or zeros."""

    time_of_day: str
    gain: np.ndarray
    ambient: float
    sunlight: float
    sun: tuple[float, float, float]
    shadow: int  # darkness of cast shadows, 0..255
    shadow_step: tuple[float, float]
    zenith: np.ndarray
    horizon: np.ndarray
    sky_falloff: float
    cloud: np.ndarray
    cloudiness: float
    cloud_opacity: float
    cloud_offset: float
    haze: np.ndarray
    density: float
    lit_windows: float
    lamps: bool = False
    stars: bool = False
    lamp_colour: np.ndarray = None
    glow: tuple[float, float, float] = (0, 0, 1)  # tangents across and up, spread
    glow_colour: np.ndarray = None
    glow_strength: float = 0.

    @property
    def paint(self) -> float:
        """Brightness of the sides of cars, taken over the directions they may face."""
        return self.ambient + self.sunlight * .3

    @property
    def flat(self) -> float:
        """Brightness of level ground."""
        return self.ambient * 1.12 + self.sunlight * max(0., self.sun[1])


def draw_light(dice: Dice) -> Light:
    time = dice.pick(TIMES_OF_DAY)
    return {"day": _day, "overcast": _overcast, "evening": _evening, "night": _night}[time](dice)


def _sun(dice: Dice, low: float, high: float) -> tuple[tuple, tuple]:
    """Direction to the sun and displacement of shadows per metre of height; the sun stands beside or behind us."""
    side, rise = dice.pick((-1, 1)), dice.between(low, high)
    across, back = side * dice.between(.5, 1), dice.between(-.3, .7)
    norm = (across ** 2 + back ** 2 + rise ** 2) ** .5
    sun = (across / norm, rise / norm, -back / norm)
    return sun, (-across / rise, back / rise)


def _day(dice: Dice) -> Light:
    sun, step = _sun(dice, .8, 1.6)
    return Light("day", rgb(1.02, 1., .96) * dice.between(.95, 1.05), .68, .42, sun, 105, step,
                 rgb(62, 116, 190) + dice.between(-14, 20), rgb(190, 214, 234), dice.between(2.5, 5),
                 rgb(246, 247, 250), dice.between(-1.3, .5), .95, dice.between(0, 250), rgb(190, 206, 222), .0035, 0.)


def _overcast(dice: Dice) -> Light:
    grey = dice.between(170, 222)
    return Light("overcast", rgb(.9, .93, .96) * dice.between(.88, 1), .9, 0., (0, 0, 0), 0, (0, 0),
                 rgb(grey - 34, grey - 28, grey - 20), rgb(grey + 10, grey + 12, grey + 14), 3.,
                 rgb(grey - 12, grey - 8, grey - 2), .7, .6, dice.between(0, 250), rgb(grey - 4, grey, grey + 4),
                 dice.between(.004, .012), .06)


def _evening(dice: Dice) -> Light:
    sun, step = _sun(dice, .3, .5)
    glow = (dice.between(-.4, .4), .02, dice.between(.06, .14))
    return Light("evening", rgb(1., .8, .62) * dice.between(.88, 1.), .68, .42, sun, 100, step,
                 rgb(72, 84, 136), rgb(250, 168, 104), dice.between(3, 4.5), rgb(240, 150, 120),
                 dice.between(-1.2, .3), .75, dice.between(0, 250), rgb(226, 164, 124), .005, .25,
                 glow=glow, glow_colour=rgb(110, 80, 30), glow_strength=1.)


def _night(dice: Dice) -> Light:
    return Light("night", rgb(.4, .42, .52) * dice.between(.9, 1.1), .9, 0., (0, 0, 0), 0, (0, 0),
                 rgb(10, 14, 34), rgb(40, 44, 70), dice.between(2, 4), rgb(44, 46, 66), dice.between(-1.2, .3), .6,
                 dice.between(0, 250), rgb(34, 38, 58), .006, dice.between(.3, .6), lamps=True, stars=True,
                 lamp_colour=rgb(1., .82, .5) if dice.chance(.6) else rgb(.9, .95, 1.))


class Walls:
    """Shader of all walls of one photo; per-building values are float32 arrays [n]."""

    def __init__(self, dice: Dice, world: World):
        n = max(len(world.buildings), 1)
        self.cell, self.floor, self.ground_floor, self.top, self.shop = np.ones((5, n), np.float32)
        self.wide, self.high, self.grain = np.ones((3, n), np.float32)
        self.colour, self.trim, self.sign = np.ones((3, 3, n), np.float32)
        self.materials = []
        for i, b in enumerate(world.buildings):
            material = dice.pick(HOUSE_MATERIALS if b.house else BLOCK_MATERIALS)
            self.materials.append(material)
            self.cell[i], self.floor[i], self.ground_floor[i] = b.cell, b.floor, b.ground_floor
            self.top[i], self.shop[i] = b.height, b.shop
            self.wide[i], self.high[i], self.grain[i] = WINDOWS[material]
            self.colour[:, i] = rgb(*dice.pick(MATERIAL_COLOURS[material])) * dice.between(.88, 1.1)
            self.trim[:, i] = dice.pick((rgb(230, 226, 216), rgb(200, 196, 188), rgb(90, 84, 80), self.colour[:, i]))
            self.sign[:, i] = dice.pick(((150, 40, 40), (40, 80, 60), (40, 60, 110), (180, 140, 60), (70, 70, 74)))
        self.roofs = [dice.pick(((140, 70, 54), (84, 78, 78), (110, 92, 80), (96, 60, 52))) for _ in range(n)]

    def shade(self, lit: np.ndarray, owner: np.ndarray, u: np.ndarray, v: np.ndarray, du: np.ndarray, dv: np.ndarray,
              light: Light) -> np.ndarray:
        """Colour [3, N] of wall points: lit: the plain lit wall; u along the wall and v above the ground in metres;
        du, dv: metres per supersample."""
        cell, ground = self.cell[owner], self.ground_floor[owner]
        upper = v > ground
        floor = np.where(upper, self.floor[owner], ground)
        column, row = u / cell, np.where(upper, (v - ground) / floor, v / floor)
        column_index, row_index = np.floor(column), np.floor(row) + upper
        across, up = (column - np.floor(column) - .5) * cell, (row - np.floor(row) - .5) * floor
        shop = (self.shop[owner] > 0) & ~upper
        wide = np.where(shop, .8, self.wide[owner]) * cell / 2
        high = np.where(shop, .62, self.high[owner]) * floor / 2
        up = up + np.where(shop, .3, 0)
        fits = (ground + row_index * floor < self.top[owner] - .2) | ~upper
        outer = stripe(across, wide + .09, du) * stripe(up, high + .09, dv) * fits
        inner = stripe(across, wide, du) * stripe(up, high, dv) * fits
        chance = look_up(hash_tile(), column_index * 7 + owner * 31, row_index * 13 + owner * 17)
        tone = 1 + self.grain[owner] * look_up(noise_tile(.6), u * 12, v * 14) / (1 + dv * 5)
        tone *= np.clip(.8 + v * .08, .8, 1)
        colour = lit * tone
        brightness = light.gain[:, None] * light.ambient
        top = self.top[owner]
        edge = np.maximum(stripe(v - top + .25, .25, dv), stripe(v - ground + .1, .1, dv) * .5)
        colour += (self.trim[:, owner] * brightness - colour) * np.maximum(edge, outer)
        sign = stripe(v - ground + .6, .32, dv) * (self.shop[owner] > 0)
        colour += (self.sign[:, owner] * brightness - colour) * sign
        glass = self._glass(light, chance, v, shop)
        return colour + (glass - colour) * inner

    @staticmethod
    def _glass(light: Light, chance: np.ndarray, v: np.ndarray, shop: np.ndarray) -> np.ndarray:
        dark = rgb(46, 54, 64)[:, None] * light.gain[:, None] * (.6 + .6 * chance)
        mirror = np.clip(.1 + .35 * chance + v * .012, 0, .6)
        glass = dark + (light.horizon[:, None] * .8 - dark) * mirror
        lit = (chance * 7.31 % 1) < light.lit_windows * np.where(shop, 2, 1)
        warm = rgb(255, 208, 132)[:, None] * (.65 + .35 * chance)
        return np.where(lit, warm, glass)


class Appearance:
    """One way a world may look. modes: what was drawn, as plain JSON-able values."""

    def __init__(self, seed: int, world: World):
        dice = Dice(seed)
        self.light = draw_light(dice)
        self.cars = [dice.pick(tuple(CAR_COLOURS)) for _ in world.cars]
        self.walls = Walls(dice, world)
        self.world = world
        asphalt = dice.between(78, 112)
        self.road = rgb(asphalt, asphalt, asphalt + dice.between(-5, 6))
        self.pavement = rgb(158, 152, 144) * dice.between(.85, 1.15) + rgb(dice.between(-6, 12), 0, 0)
        self.grass = dice.pick((rgb(92, 128, 56), rgb(112, 136, 66), rgb(140, 138, 80)))
        leaves = ((62, 100, 42), (80, 112, 46), (50, 88, 50), (102, 118, 50), (160, 112, 44))
        season = dice.whole(0, len(leaves) - 1)
        self.leaves = [dice.pick(leaves[:4] if season < 4 else leaves) for _ in world.trees]
        self.ground_noise = dice.between(.03, .07)
        self.slab = dice.pick((.6, 1., 1.4))
        people = range(len(world.people))
        self.upper, self.lower = [dice.pick(CLOTHES) for _ in people], [dice.pick(CLOTHES[:9]) for _ in people]
        self.skin = [dice.pick(SKIN) for _ in people]
        self.signs = [(236, 236, 232), (240, 200, 40), (36, 80, 170), (236, 236, 232)]
        self.signal = dice.whole(0, 2)

    def albedo(self, material: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Colour float32 [3, P] of parts under white light of strength 1."""
        table = np.zeros((len(Material), 3), np.float32)
        for name, value in FIXED.items():
            table[Material[name]] = value
        table[Material.ROAD], table[Material.PAVEMENT], table[Material.GRASS] = self.road, self.pavement, self.grass
        colours = table[material]
        owned = {Material.PAINT: [CAR_COLOURS[c] for c in self.cars], Material.WALL: self.walls.colour.T,
                 Material.ROOF: self.walls.roofs, Material.FOLIAGE: self.leaves, Material.UPPER: self.upper,
                 Material.LOWER: self.lower, Material.SKIN: self.skin, Material.SIGN: self.signs}
        for kind, values in owned.items():
            mine = np.flatnonzero(material == kind)
            if len(mine):
                colours[mine] = np.asarray(values, np.float32)[owner[mine]]
        return colours.T

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
            "light": {"gain": [round(float(g), 4) for g in self.light.gain], "paint": round(self.light.paint, 4),
                      "haze": [round(float(h), 1) for h in self.light.haze], "density": round(self.light.density, 5)},
            "cars": [{"colour": c, "rgb": list(CAR_COLOURS[c])} for c in self.cars],
            "buildings": [{"material": m} for m in self.walls.materials],
        }
