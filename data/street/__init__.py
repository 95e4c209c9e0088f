"""Street scenes rendered in code, the embedded default dataset; uses the label spaces and pairs of `data`."""

from data.street.appearance import CAR_COLOURS
from data.street.dataset import MIN_CAR_PIXELS, SPLITS, Street, render, seen_colours
from data.street.drawing import STREET
from data.street.light import TIMES_OF_DAY
from data.street.walls import BLOCK_MATERIALS, HOUSE_MATERIALS

__all__ = ["BLOCK_MATERIALS", "CAR_COLOURS", "HOUSE_MATERIALS", "MIN_CAR_PIXELS", "SPLITS", "STREET", "TIMES_OF_DAY",
           "Street", "render", "seen_colours"]
