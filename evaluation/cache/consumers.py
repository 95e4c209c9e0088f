"""Feature extractors as consumers of the one pass over the images; what several of them need is computed once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from data.errors import InputError
from evaluation.cache.measurements import ImageBatch
from evaluation.networks.features import FEATURES, Extractor


@dataclass(frozen=True)
class FeatureConsumer:
    """Measures features of all images of a method: {"features": float32 [B, K, D], ...}."""

    extractor: Extractor

    @property
    def name(self) -> str:
        return f"features-{self.extractor.label}"

    @property
    def key(self) -> str:
        return self.extractor.key

    @property
    def alone(self) -> bool:
        return self.extractor.alone

    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        b, k = batch.images.shape[:2]
        if self.extractor.judge is not None:
            found = {FEATURES: judge_pass(batch, self.extractor.judge)[1].flatten(0, 1).cpu()}
        elif self.extractor.pooled_maps:
            found = {FEATURES: image_maps(batch, self.extractor)[-1].mean(dim=(2, 3)).float().cpu()}
        else:
            found = self.extractor(batch.images.flatten(0, 1))
        if not all(bool(features.isfinite().all()) for features in found.values()):
            raise InputError(f"extractor {self.extractor.label}: its features hold NaN or infinity; the network or its "
                             "weights are broken")
        return {name: features.numpy().reshape(b, k, -1) for name, features in found.items()}


def judge_pass(batch: ImageBatch, judge: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes [B, H, W] of the first images of a batch and features [B, K, D] of all, made once for all consumers."""
    def make() -> tuple[torch.Tensor, torch.Tensor]:
        (b, k), others = batch.images.shape[:2], batch.images[:, 1:].flatten(0, 1)
        classes, first = judge.predict_with_features(batch.images[:, 0])
        if k == 1:
            return classes, first[:, None]
        return classes, torch.cat([first[:, None], judge.features(others).unflatten(0, (b, k - 1))], dim=1)
    return batch.shared.get("judge", make)


def image_maps(batch: ImageBatch, extractor: Extractor) -> list[torch.Tensor]:
    """Feature maps of all images of a batch, [B K, C, h, w] each, made once for all consumers."""
    return batch.shared.get(f"maps {extractor.key}", lambda: extractor.map_list(batch.images.flatten(0, 1)))


def photo_maps(batch: ImageBatch, extractor: Extractor) -> list[torch.Tensor]:
    """Feature maps of the photographs of a batch, [B, C, h, w] each, made once for all consumers and methods."""
    return batch.of_photos.get(f"maps {extractor.key}", lambda: extractor.map_list(batch.photos))
