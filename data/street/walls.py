"""Walls of buildings in street scenes: their materials, and how windows, doors, shops and masonry look."""

import numpy as np

from data.street.light import Light, rgb
from data.street.materials import hash_tile, look_up, noise_tile
from data.street.surface import Facades
from data.street.world import Dice, World

WALL_MATERIALS = ("brick", "concrete", "plaster", "metal", "timber", "stone")
BLOCK_MATERIALS = ("brick", "concrete", "plaster", "metal")
HOUSE_MATERIALS = ("brick", "plaster", "timber", "stone")
COLOURS = {
    "brick": ((142, 72, 54), (160, 92, 66), (120, 62, 52), (172, 112, 84)),
    "concrete": ((150, 148, 142), (128, 128, 126), (168, 164, 154)),
    "plaster": ((226, 206, 160), (214, 178, 140), (232, 226, 212), (190, 206, 214), (222, 190, 182), (190, 204, 172)),
    "metal": ((96, 120, 134), (84, 104, 112), (112, 130, 140)),
    "timber": ((206, 206, 196), (120, 138, 150), (150, 60, 50), (176, 150, 110)),
    "stone": ((170, 158, 134), (150, 140, 124)),
}
GRAIN = {"brick": .16, "concrete": .07, "plaster": .06, "metal": .03, "timber": .06, "stone": .18}  # strength
TRIMS = ((230, 226, 216), (200, 196, 188), (90, 84, 80), None)  # None: as the wall
SIGNS = ((150, 40, 40), (40, 80, 60), (40, 60, 110), (180, 140, 60), (70, 70, 74))
DOORS = ((92, 58, 38), (64, 44, 34), (110, 36, 32), (36, 62, 48), (40, 52, 78))
ROOFS = ((140, 70, 54), (84, 78, 78), (110, 92, 80), (96, 60, 52))


class Walls:
    """materials: a name per building of the world. colours, roofs: RGB per building.

    _values float32 [12, n]: what the shader needs to know of each building.
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
            values.append((GRAIN[material], i * 31, i * 17, *(dice.pick(TRIMS) or colour), *dice.pick(SIGNS),
                           *dice.pick(DOORS)))
        self._values = np.array(values, dtype=np.float32).T

    def shade(self, lit: np.ndarray, facades: Facades, light: Light) -> None:
        """Put windows, doors and masonry on plain lit walls, float32 [3, n], in place."""
        table = self._values.copy()
        table[3:].reshape(3, 3, -1)[:] *= (light.gain * np.float32(light.ambient))[:, None]
        values = table.take(facades.owner, axis=1)
        grain, seed_u, seed_v = values[:3]
        trim, sign, door = values[3:6], values[6:9], values[9:]
        lit *= _masonry(grain, facades.u, facades.v, facades.dv)
        lit += (trim - lit) * np.maximum(facades.edge, facades.frame)
        lit += (sign - lit) * facades.awning
        doors = np.flatnonzero(facades.door)
        lit[:, doors] += (door[:, doors] - lit[:, doors]) * facades.door[doors]
        seen = np.flatnonzero(facades.pane)
        pane = facades.pane[seen] * (1 - .8 * facades.mullion[seen])
        chance = look_up(hash_tile(), facades.column[seen] * 7 + seed_u[seen], facades.row[seen] * 13 + seed_v[seen])
        behind = lit[:, seen]
        lit[:, seen] = behind + (_glass(light, chance, facades.v[seen], facades.shop[seen]) - behind) * pane


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
    mirror = np.minimum(np.float32(.06) + np.float32(.26) * chance + v * np.float32(.006), .4)
    glass = dark + ((light.horizon * .8)[:, None] - dark) * mirror
    second = chance * 97
    second -= np.floor(second)
    lit = np.flatnonzero(second < light.lit_windows * (1 + shop))
    glass[:, lit] = rgb(255, 208, 132)[:, None] * (.65 + .35 * chance[lit])
    return glass
