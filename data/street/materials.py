"""What the parts of a street scene are made of, and the noise and stripes their textures are made from."""

import functools
from enum import IntEnum

import numpy as np


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
    TYRE = 12
    HUB = 13
    HEAD = 14
    TAIL = 15
    PLATE = 16
    SEAM = 17
    SKIN = 18
    HAIR = 19
    UPPER = 20
    LOWER = 21
    METAL = 22
    LAMP = 23
    SIGN = 24
    SIGN_RIM = 25
    SIGNAL = 26
    BONNET = 27
    BIN = 28
    CHIMNEY = 29


TILE = 256  # noise textures are TILE x TILE and wrap around


@functools.cache
def noise_tile(slope: float) -> np.ndarray:
    """Wrapping noise [TILE, TILE] with spectrum 1 / frequency^slope, mean 0, deviation 1. Slope 0 is white."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(TILE), np.fft.rfftfreq(TILE), indexing="ij"))
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(np.random.default_rng(5).standard_normal((TILE, TILE)))
    noise = np.fft.irfft2(white / frequency ** slope, (TILE, TILE))
    return (noise / noise.std()).astype(np.float32)


@functools.cache
def hash_tile() -> np.ndarray:
    """Independent uniform numbers [TILE, TILE] in [0, 1)."""
    return np.random.default_rng(6).random((TILE, TILE), dtype=np.float32)


def look_up(tile: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Values of a [TILE, TILE] tile at columns u and rows v, which wrap around."""
    index, column = v.astype(np.intp), u.astype(np.intp)
    index &= TILE - 1
    index *= TILE
    column &= TILE - 1
    index += column
    return tile.take(index)


def look_up_smooth(tile: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """As look_up, but bilinear: for noise seen from close by."""
    left, low = np.floor(u), np.floor(v)
    s, t = u - left, v - low
    column, row = left.astype(np.intp) & (TILE - 1), low.astype(np.intp) & (TILE - 1)
    right, start, above = (column + 1) & (TILE - 1), row * TILE, ((row + 1) & (TILE - 1)) * TILE
    first = tile.take(start + column) * (1 - s) + tile.take(start + right) * s
    second = tile.take(above + column) * (1 - s) + tile.take(above + right) * s
    return first * (1 - t) + second * t


def stripe(distance: np.ndarray, half: float | np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Share 0..1 of a pixel, `pixel` wide and `distance` from the middle of a stripe, that the stripe of half width
    `half` covers."""
    cover = half - np.abs(distance)
    cover /= pixel
    cover += np.float32(.5)
    np.minimum(cover, 2 * half / pixel, out=cover)
    np.minimum(cover, 1, out=cover)
    return np.maximum(cover, 0, out=cover)
