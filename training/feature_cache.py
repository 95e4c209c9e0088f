"""Perceptual features of photographs, computed once: every epoch and every method of a run needs the same ones."""

from collections.abc import Callable

import torch
from torch import Tensor

from models.losses import Features


class PhotoFeatureCache:
    """Features by position in the training set, in at most `gigabytes` of the device's memory.

    Features beyond that are computed every time. Each photograph is computed alone, so that its features do not depend
    on the batch that it first came in: a run that was stopped resumes with exactly the same ones.
    """

    def __init__(self, gigabytes: float):
        self.free = int(gigabytes * 2**30)
        self._stored: dict[int, Features] = {}

    def __call__(self, network: Callable[[Tensor], Features], photos: Tensor, items: list[int]) -> Features:
        """photos: float [B, 3, H, W] in [-1, 1]; items: their positions. Features [B, D, h, w] by layer."""
        each = [self._of(network, photos[i : i + 1], item) for i, item in enumerate(items)]
        return {layer: torch.cat([features[layer] for features in each]) for layer in each[0]}

    def _of(self, network: Callable[[Tensor], Features], photo: Tensor, item: int) -> Features:
        if item in self._stored:
            return self._stored[item]
        features = network(photo)
        size = sum(value.untyped_storage().nbytes() for value in features.values())
        if size <= self.free:
            self.free -= size
            self._stored[item] = features
        return features
