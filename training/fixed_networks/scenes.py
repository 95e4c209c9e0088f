"""Scenes rendered in parallel processes into memory. Free of torch, so that the processes are light."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from data.street import STREET, Street

CHUNK = 8  # layouts per task of a process
LABELS = STREET
VERSION = Street.version


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


@dataclass(frozen=True)
class Scenes:
    """photos: uint8 [n, draws, 3, H, W]. layouts: uint8 [n, H, W] class indices."""

    photos: np.ndarray
    layouts: np.ndarray


def render(request: Request, workers: int) -> Scenes:
    """All scenes of a request, in their order, whatever the number of processes."""
    shape = request.count, request.draws, 3, *request.size
    photos, layouts = np.empty(shape, np.uint8), np.empty((request.count, *request.size), np.uint8)
    done = 0
    for part, labels in _parts(request, workers):
        photos[done : done + len(part)], layouts[done : done + len(part)] = part, labels
        done += len(part)
    return Scenes(photos, layouts)


def _parts(request: Request, workers: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    starts = range(0, request.count, CHUNK)
    if workers <= 1:
        yield from map(partial(_render_chunk, request), starts)
        return
    # fork: nothing has been computed yet, and spawned processes would import torch again, each for seconds
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        yield from pool.map(partial(_render_chunk, request), starts)


def _render_chunk(request: Request, start: int) -> tuple[np.ndarray, np.ndarray]:
    dataset = Street(request.split, request.size, request.count, request.seed)
    photos, layouts = [], []
    for i in range(start, min(start + CHUNK, request.count)):
        own = dataset[i]
        photos.append([own.photo, *(dataset.redraw(i, d).photo for d in range(request.draws - 1))])
        layouts.append(own.layout)
    return np.array(photos), np.array(layouts)
