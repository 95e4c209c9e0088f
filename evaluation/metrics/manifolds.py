"""Precision, recall, density and coverage: which images lie inside the manifold of the other set.

A manifold is the union of balls around its images that reach each one's k-th nearest neighbour (Kynkäänniemi et al.
2019; Naeem et al. 2020). Balls are closed (<=), as in the first paper's code; those of the second's are open, which
differs only where two distances are equal. Generated set first, real set second. Each number is a mean over images, but
whether an image counts depends on the others too: the spread is that of random halves, in which the manifolds are made
again.
"""

from collections.abc import Sequence

import numpy as np
import torch

from data.errors import InputError
from evaluation.metrics.distance_formulas import check_features
from evaluation.statistics.intervals import HalfSampled, Statistic, half_samples, half_scale

NEIGHBOURS = 3  # Kynkäänniemi et al. 2019
DENSITY_NEIGHBOURS = 5  # Naeem et al. 2020
HALVES = 100
PER_IMAGE = ("precision", "density")  # means over generated images, so that each image has its own
BOUNDS = {"precision": (0.0, 1.0), "recall": (0.0, 1.0), "density": (0.0, np.inf), "coverage": (0.0, 1.0)}


class SetDistances:
    """Euclidean distances within and across two sets of features, float64 [N, D] and [M, D].

    Raises InputError for sets that are not features of one kind, or hold no more than `max_neighbours` images.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, max_neighbours: int):
        if min(len(x), len(y)) <= max_neighbours:
            raise InputError(f"precision, recall, density and coverage need more than {max_neighbours} images in each "
                             "set")
        check_features(x, y)
        x, y = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))
        self.x, self.y, self.across = torch.cdist(x, x), torch.cdist(y, y), torch.cdist(x, y)

    def inside(self, neighbours: int, density_neighbours: int) -> dict[str, np.ndarray]:
        """Float64 [N] or [M] by name; the means are the four scores."""
        radius_x, radius_y = _radius(self.x, neighbours), _radius(self.y, neighbours)
        near = self.across <= _radius(self.y, density_neighbours)
        found = {"precision": (self.across <= radius_y).any(dim=1), "recall": (self.across <= radius_x[:, None]).any(0),
                 "density": near.sum(dim=1) / density_neighbours, "coverage": near.any(dim=0)}
        return {name: values.double().numpy() for name, values in found.items()}

    def deviations(self, halves: Sequence[np.ndarray], neighbours: int, density_neighbours: int) -> dict[str,
                                                                                                       np.ndarray]:
        """The four scores in each half [H], minus their means. Both sets are of the same layouts."""
        x, y, across = (d.float().numpy() for d in (self.x, self.y, self.across))
        found = np.array([_of_half(x[np.ix_(h, h)], y[np.ix_(h, h)], across[np.ix_(h, h)], neighbours,
                                   density_neighbours) for h in halves])
        return dict(zip(BOUNDS, (found - found.mean(axis=0)).T, strict=True))


def _radius(within: torch.Tensor, neighbours: int) -> torch.Tensor:
    return within.kthvalue(neighbours + 1).values  # the first neighbour is the image itself


def _of_half(x: np.ndarray, y: np.ndarray, across: np.ndarray, k: int, density_k: int) -> tuple[float, ...]:
    radius_x, of_y = np.partition(x, k, axis=1)[:, k], np.partition(y, sorted({k, density_k}), axis=1)
    near = across <= of_y[:, density_k]
    return ((across <= of_y[:, k]).any(axis=1).mean(), (across <= radius_x[:, None]).any(axis=0).mean(),
            near.sum() / (density_k * len(x)), near.any(axis=0).mean())


def statistics(x: np.ndarray, y: np.ndarray, neighbours: int = NEIGHBOURS,
               density_neighbours: int = DENSITY_NEIGHBOURS, block: int = 1) -> dict[str, Statistic]:
    """The four scores with their spread, of features of the same layouts [N, D]. Where half of the layouts has no
    neighbours enough, the spread is that of the images alone, with the manifolds held fixed."""
    most = max(neighbours, density_neighbours)
    distances = SetDistances(x, y, most)
    inside = distances.inside(neighbours, density_neighbours)
    halves = half_samples(len(x), HALVES, block)
    each = {name: values if name in PER_IMAGE else None for name, values in inside.items()}
    if min(len(half) for half in halves) <= most:
        return {name: Statistic(values[:, None], each=each[name], bounds=BOUNDS[name])
                for name, values in inside.items()}
    deviations, scale = distances.deviations(halves, neighbours, density_neighbours), half_scale(len(x), halves)
    return {name: HalfSampled(values[:, None], each=each[name], bounds=BOUNDS[name],
                              deviations=deviations[name] * scale) for name, values in inside.items()}
