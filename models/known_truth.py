"""Does a distance prefer a plausible picture to a blur? A test with known truth.

A renderer can draw one layout many times. Of a photograph, another draw of its layout and the mean of further draws,
the draw is plausible and the mean is not: a distance that calls the mean nearer rewards averaging.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from models.losses import IMAGE

TOGETHER = "together"  # all terms, each with the same mean
OTHERS = 11  # draws behind a mean

Terms = Callable[[Tensor, Tensor], Mapping[str, Tensor]]  # two batches of pictures -> {term: [B]}


def compare(terms: Terms, photos: Tensor, draws: Tensor, means: Tensor) -> dict[str, dict[str, float]]:
    """For every term: share of layouts whose draw is nearer to the photograph than the mean is, and the ratio of the
    mean's average distance to the draw's.

    photos, draws, means: [N, 3, H, W], as `terms` takes them. Where there are several terms, "together" is their sum
    with weights under which each contributes equally over draws and means, as calibrated lambdas do.
    """
    near, far = terms(photos, draws), terms(photos, means)
    pairs = {name: (near[name].double(), far[name].double()) for name in near}
    if len(pairs) > 1:
        scaled = [(a / scale, b / scale) for a, b in pairs.values() if (scale := (a.mean() + b.mean()) / 2) > 0]
        pairs[TOGETHER] = sum(a for a, _ in scaled), sum(b for _, b in scaled)
    return {name: {"draw nearer": float((a < b).double().mean()),
                   "mean / draw": float(b.mean() / a.mean().clamp_min(1e-12))} for name, (a, b) in pairs.items()}


def content_distances(network: torch.nn.Module) -> Terms:
    """The terms of the content loss, per picture: L1 of the picture (0..255) and of every tap. Takes [-1, 1]."""
    @torch.no_grad()
    def terms(a: Tensor, b: Tensor) -> dict[str, Tensor]:
        first, second = network(a), network(b)
        found = {IMAGE: (a - b).abs().flatten(1).mean(1) * 127.5}
        return found | {tap: (first[tap] - second[tap]).abs().flatten(1).mean(1) for tap in network.taps}
    return terms
