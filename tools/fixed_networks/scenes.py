"""Scenes rendered in parallel processes into memory. Free of torch, so that the processes are light."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from data.processes import map_in_processes
from data.street import CAR_COLOURS, SHADES, STREET, Street
from data.street.appearance import LEAVES
from data.street.dataset import RGB

LABELS = STREET
VERSION = Street.version
LEAF_SHADES = (.7, .85, 1., 1.15, 1.3)
UNKNOWN = 24  # of 255: colours nearer than this to a known one might be it


@dataclass(frozen=True)
class Request:
    """count layouts of a split, each with `draws` photographs: the scene's own appearance first.

    seed: of the dataset. Networks that ship must not have seen what a run trains or is judged on, whose seeds are
    small numbers.
    """

    split: str
    size: tuple[int, int]
    count: int
    seed: int
    draws: int = 1
    repainted: bool = False  # and one more, the last: a draw whose cars and trees have colours that none has


@dataclass(frozen=True)
class Scenes:
    """photos: uint8 [n, draws, 3, H, W], the repainted one included. layouts: uint8 [n, H, W] class indices."""

    photos: np.ndarray
    layouts: np.ndarray


def render(request: Request, workers: int) -> Scenes:
    """All scenes of a request, in their order, whatever the number of processes."""
    shape = request.count, request.draws + request.repainted, 3, *request.size
    photos, layouts = np.empty(shape, np.uint8), np.empty((request.count, *request.size), np.uint8)
    scenes = map_in_processes(partial(_render_scene, request), range(request.count), workers)
    for i, (drawn, layout) in enumerate(scenes):
        photos[i], layouts[i] = drawn, layout
    return Scenes(photos, layouts)


def _render_scene(request: Request, index: int) -> tuple[np.ndarray, np.ndarray]:
    dataset = Street(request.split, request.size, request.count, request.seed)
    own = dataset[index]
    photos = [own.photo, *(dataset.redraw(index, d).photo for d in range(request.draws - 1))]
    if request.repainted:
        rng = np.random.default_rng([request.seed, index])
        paints, leaves = unknown(rng, list(CAR_COLOURS.values()), SHADES), unknown(rng, LEAVES, LEAF_SHADES)
        photos.append(dataset.repaint(index, request.draws, paints, leaves))
    return np.array(photos), own.layout


def unknown(rng: np.random.Generator, known: Sequence[RGB], shades: Sequence[float], count: int = 12) -> list[RGB]:
    """Colours that none of the known ones is in any light: darkened or bleached ones, mixtures, dark ones, and any.

    What an undecided generator paints lies among the first four.
    """
    base = np.array(known, float)
    there = np.concatenate([base * shade for shade in shades])
    found: list[RGB] = []
    while len(found) < count:
        a, b = base[rng.choice(len(base), 2, replace=False)]
        share = rng.uniform(.2, .8)
        colour = (a * rng.uniform(.3, .8), a + (255 - a) * rng.uniform(.15, .6), share * a + (1 - share) * b,
                  (share * a + (1 - share) * b) * rng.uniform(.2, .8), rng.uniform(0, 110, 3),
                  rng.uniform(0, 255, 3))[rng.integers(6)]
        if np.linalg.norm(there - colour, axis=1).min() > UNKNOWN:
            found.append(tuple(np.rint(colour).astype(int).tolist()))
    return found
