"""The light of a street scene: time of day, sun, sky, haze. Drawn from the appearance seed."""

from dataclasses import dataclass

import numpy as np

from data.street.world import Dice

TIMES_OF_DAY = ("day", "overcast", "evening", "night")


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

    def to_json(self) -> dict:
        """What is needed to foresee the colour of a known paint: lit = paint * gain * shade, then hazed by distance."""
        return {"gain": [round(float(g), 4) for g in self.gain], "shade": round(self.ambient + self.sunlight * .3, 4),
                "haze": [round(float(h), 1) for h in self.haze], "density": round(self.density, 5)}

    @property
    def flat(self) -> float:
        """Brightness of level ground."""
        return self.ambient * 1.12 + self.sunlight * max(0., self.sun[1])


def draw_light(dice: Dice, times: tuple[str, ...]) -> Light:
    return MODES[dice.pick(times)](dice)


def _sun(dice: Dice, low: float, high: float) -> tuple[tuple, tuple]:
    """Direction to the sun and displacement of shadows per metre of height; the sun stands beside or behind us."""
    side, rise = dice.pick((-1, 1)), dice.between(low, high)
    across, back = side * dice.between(.5, 1), dice.between(-.3, .7)
    norm = (across ** 2 + back ** 2 + rise ** 2) ** .5
    sun = (across / norm, rise / norm, -back / norm)
    return sun, (-across / rise, back / rise)


def _day(dice: Dice) -> Light:
    sun, step = _sun(dice, .8, 1.6)
    return Light("day", rgb(1.02, 1., .96) * dice.between(.95, 1.05), .68, .42, sun, 90, step,
                 rgb(62, 116, 190) + dice.between(-14, 20), rgb(190, 214, 234), dice.between(2.5, 5),
                 rgb(246, 247, 250), dice.between(-1.3, .5), .95, dice.between(0, 250), rgb(190, 206, 222), .0035, 0.)


def _overcast(dice: Dice) -> Light:
    grey = dice.between(170, 222)
    return Light("overcast", rgb(.9, .93, .96) * dice.between(.9, 1), .98, 0., (0, 0, 0), 0, (0, 0),
                 rgb(grey - 34, grey - 28, grey - 20), rgb(grey + 10, grey + 12, grey + 14), 3.,
                 rgb(grey - 12, grey - 8, grey - 2), .7, .6, dice.between(0, 250), rgb(grey - 4, grey, grey + 4),
                 dice.between(.002, .006), .06)


def _evening(dice: Dice) -> Light:
    sun, step = _sun(dice, .3, .5)
    glow = (dice.between(-.4, .4), .02, dice.between(.06, .14))
    return Light("evening", rgb(1., .87, .74) * dice.between(.88, 1.), .68, .42, sun, 100, step,
                 rgb(72, 84, 136), rgb(250, 168, 104), dice.between(3, 4.5), rgb(240, 150, 120),
                 dice.between(-1.2, .3), .75, dice.between(0, 250), rgb(226, 164, 124), .005, .25,
                 glow=glow, glow_colour=rgb(110, 80, 30), glow_strength=1.)


def _night(dice: Dice) -> Light:
    return Light("night", rgb(.4, .42, .52) * dice.between(.9, 1.1), .9, 0., (0, 0, 0), 0, (0, 0),
                 rgb(10, 14, 34), rgb(40, 44, 70), dice.between(2, 4), rgb(44, 46, 66), dice.between(-1.2, .3), .6,
                 dice.between(0, 250), rgb(34, 38, 58), .006, dice.between(.3, .6), lamps=True, stars=True,
                 lamp_colour=rgb(1., .82, .5) if dice.chance(.6) else rgb(.9, .95, 1.))


MODES = {"day": _day, "overcast": _overcast, "evening": _evening, "night": _night}
