"""Noise and antialiased stripes: what the shaders of street scenes are made from."""

import functools

import numpy as np

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
    return tile[v.astype(np.int32) & (TILE - 1), u.astype(np.int32) & (TILE - 1)]


def stripe(distance: np.ndarray, half: float | np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Antialiased coverage 0..1 of a pixel, `pixel` wide, by a stripe of half width `half` at signed `distance`."""
    return np.clip((half - np.abs(distance)) / pixel + .5, 0, 1) * np.minimum(1, 2 * half / pixel)
