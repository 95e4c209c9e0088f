"""Street scenes rendered in code, the embedded default dataset; uses the label spaces and pairs of `data`."""

from data.street.appearance import CAR_COLOURS
from data.street.dataset import (
    MIN_CAR_PIXELS,
    SHADES,
    SPLITS,
    VERSION,
    Street,
    StreetHard,
    Truth,
    distances_to_paints,
    render,
    seen_colours,
    truth,
)
from data.street.layout import STREET, STREET_WHOLES
from data.street.light import TIMES_OF_DAY
from data.street.walls import BLOCK_MATERIALS, HOUSE_MATERIALS, WALL_MATERIALS

__all__ = ["BLOCK_MATERIALS", "CAR_COLOURS", "HOUSE_MATERIALS", "MIN_CAR_PIXELS", "SHADES", "SPLITS", "STREET",
           "STREET_WHOLES", "TIMES_OF_DAY", "VERSION", "WALL_MATERIALS", "Street", "StreetHard", "Truth",
           "distances_to_paints", "render", "seen_colours", "truth"]
