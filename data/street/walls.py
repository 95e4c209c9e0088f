"""Walls of buildings in street scenes: their materials, and the shader of windows, shops and masonry."""

import numpy as np

from data.street.light import Light, rgb
from data.street.materials import hash_tile, look_up, noise_tile, stripe
from data.street.world import Dice, World

BLOCK_MATERIALS = ("brick", "concrete", "plaster", "glass")
HOUSE_MATERIALS = ("brick", "plaster", "timber", "stone")
COLOURS = {
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
TRIMS = ((230, 226, 216), (200, 196, 188), (90, 84, 80), None)  # None: as the wall
SIGNS = ((150, 40, 40), (40, 80, 60), (40, 60, 110), (180, 140, 60), (70, 70, 74))
ROOFS = ((140, 70, 54), (84, 78, 78), (110, 92, 80), (96, 60, 52))


class Walls:
    """materials: a name per building of the world. colours, roofs: RGB per building.

    _values float32 [16, n]: what the shader needs to know of each building.
    """

    def __init__(self, dice: Dice, world: World):
        self.materials, self.colours, self.roofs, values = [], [], [], []
        for i, b in enumerate(world.buildings):
            material = dice.pick(HOUSE_MATERIALS if b.house else BLOCK_MATERIALS)
            tone, colour = dice.between(.88, 1.1), dice.pick(COLOURS[material])
            colour = tuple(c * tone for c in colour)
            self.materials.append(material)
            self.colours.append(colour)
            self.roofs.append(dice.pick(ROOFS))
            values.append((b.cell, b.floor, b.ground_floor, b.height, b.shop, *WINDOWS[material], i * 31, i * 17,
                           *(dice.pick(TRIMS) or colour), *dice.pick(SIGNS)))
        self._values = np.array(values, dtype=np.float32).T

    def shade(self, lit: np.ndarray, owner: np.ndarray, u: np.ndarray, v: np.ndarray, du: np.ndarray, dv: np.ndarray,
              light: Light) -> None:
        """Put windows and masonry on plain lit walls, in place.

        lit: float32 [3, N]; owner: int [N], building; u along the wall and v above the ground in metres; du, dv: metres
        per sample.
        """
        table = self._values.copy()
        table[10:].reshape(2, 3, -1)[:] *= (light.gain * np.float32(light.ambient))[:, None]
        values = table.take(owner, axis=1)
        cell, floor, ground, top, shop, wide, high, grain, seed_u, seed_v = values[:10]
        trim, sign = values[10:13], values[13:]
        above = v - ground
        upper = above > 0
        floor = np.where(upper, floor, ground)
        column, row = u / cell, np.where(upper, above, v) / floor
        column_index, row_index = np.floor(column), np.floor(row)
        across, up = (column - column_index - np.float32(.5)) * cell, (row - row_index - np.float32(.5)) * floor
        shop *= ~upper
        wide, high = (wide + (np.float32(.82) - wide) * shop) * cell / 2, (high + (.6 - high) * shop) * floor / 2
        up += shop * np.float32(.3)
        fits = ~upper | (above + (high - up) < top - ground - .35)
        lit *= _masonry(grain, u, v, dv)
        edge = np.maximum(stripe(v - top + .25, .25, dv), stripe(above + .1, .1, dv) * .5)
        frame = stripe(across, wide + .1, du) * stripe(up, high + .1, dv) * fits
        lit += (trim - lit) * np.maximum(edge, frame)
        lit += (sign - lit) * (stripe(above + .55, .3, dv) * shop)
        pane = stripe(across, wide, du) * stripe(up, high, dv) * fits
        pane *= 1 - .8 * stripe(across, .035, du)  # mullion
        seen = np.flatnonzero(pane)
        window = column_index * 7 + seed_u, row_index * 13 + seed_v + upper * 5
        chance = look_up(hash_tile(), window[0][seen], window[1][seen])
        behind = lit[:, seen]
        lit[:, seen] = behind + (_glass(light, chance, v[seen], shop[seen]) - behind) * pane[seen]


def _masonry(grain: np.ndarray, u: np.ndarray, v: np.ndarray, dv: np.ndarray) -> np.ndarray:
    """Grain of the wall, and dirt towards the ground, as a factor."""
    tone = grain * look_up(noise_tile(.6), u * 12, v * 14)
    tone /= 1 + dv * 5
    tone += 1
    tone *= np.minimum(np.float32(.8) + v * np.float32(.08), 1)
    return tone


def _glass(light: Light, chance: np.ndarray, v: np.ndarray, shop: np.ndarray) -> np.ndarray:
    """Colour [3, N] of panes: dark rooms that mirror the sky, some lit. chance: uniform number of each window."""
    dark = (rgb(46, 54, 64) * light.gain)[:, None]
    mirror = np.minimum(np.float32(.1) + np.float32(.35) * chance + v * np.float32(.012), .6)
    glass = dark + ((light.horizon * .8)[:, None] - dark) * mirror
    second = chance * 97
    second -= np.floor(second)
    lit = np.flatnonzero(second < light.lit_windows * (1 + shop))
    glass[:, lit] = rgb(255, 208, 132)[:, None] * (.65 + .35 * chance[lit])
    return glass
