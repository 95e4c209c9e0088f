"""The metric "diversity": how far apart the k images of one layout are, and how close the best of them is to the photo.

Distances between pooled features of every configured extractor, between feature maps where an extractor has them (the
form of LPIPS without its learned weights), LPIPS itself where its weights are available, and between pixels. The best
of k is the hindsight term that the diversity loss (Eq. 3 of the paper) optimises; with one image it is its distance.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.cache.consumers import FeatureConsumer
from evaluation.cache.measurements import Consumer, ImageBatch
from evaluation.metrics.base import Measured, Metric, ScoreKind
from evaluation.metrics.perceptual_distance import PAIRWISE, TO_PHOTO, perceptual_consumers
from evaluation.metrics.work import Work
from evaluation.networks.features import FEATURES
from evaluation.run_directory import PHOTOS, Quantity
from evaluation.statistics.intervals import Statistic


def pairwise_distance(features: np.ndarray) -> np.ndarray:
    """Mean Euclidean distance over the K (K-1) / 2 pairs of images of a layout: [N, K, D] -> [N]; K >= 2."""
    i, j = np.triu_indices(features.shape[1], 1)
    return np.linalg.norm(features[:, i] - features[:, j], axis=-1).mean(axis=1)


def to_photo(features: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Euclidean distances of a layout's images [N, K, D] to its photograph [N, D]: [N, K]."""
    return np.linalg.norm(features - photo[:, None], axis=-1)


def spread(photos: np.ndarray) -> float:
    """Root mean squared distance between two different photographs, [N, D]: the unit of feature distances."""
    return float(np.sqrt(2 * photos.var(axis=0, ddof=1).sum()))


@dataclass(frozen=True)
class PixelConsumer:
    """Measures mean absolute differences of pixels (0..1): to_photo float64 [B, K]; pairwise [B] where K > 1."""

    name: str = "pixels"
    key: str = "mean absolute difference of RGB / 255"
    quantity: Quantity = Quantity("pixels")

    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        images = batch.images.numpy().astype(np.float32) / 255
        photo = batch.photos.numpy().astype(np.float32) / 255
        found = {TO_PHOTO: np.abs(images - photo[:, None]).mean(axis=(2, 3, 4), dtype=np.float64)}
        i, j = np.triu_indices(images.shape[1], 1)
        if len(i):
            pairs = [np.abs(images[:, a] - images[:, b]).mean(axis=(1, 2, 3), dtype=np.float64)
                     for a, b in zip(i, j, strict=True)]
            found[PAIRWISE] = np.mean(pairs, axis=0)
        return found


class DiversityMetric(Metric):
    """Every method; pairwise scores only where it makes several images of a layout."""

    name, title, on_features = "diversity", "Diversity and best of k", True
    scores = {
        "distance": ScoreKind("feature distance", False), "map distance": ScoreKind("map distance", False),
        "LPIPS": ScoreKind("LPIPS", False), "pixels": ScoreKind("pixels", False),
        "pairwise LPIPS": ScoreKind("pairwise LPIPS", axis="diversity", leading=1),
        "pairwise map distance": ScoreKind("pairwise map distance", axis="diversity", leading=2),
        "pairwise distance": ScoreKind("pairwise feature distance", axis="diversity", leading=3),
        "pairwise pixels": ScoreKind("pairwise pixels", axis="diversity", leading=4)}

    def consumers(self, work: Work) -> list[Consumer]:
        return [*work.extractors, *perceptual_consumers(work), PixelConsumer()]

    def provenance(self, work: Work) -> dict[str, Any]:
        return {"extractors": {c.extractor.label: c.extractor.provenance for c in work.extractors},
                "feature distance": "Euclidean between pooled features, in units of the root mean squared distance "
                                    "between two photographs of different layouts",
                "maps and LPIPS": {c.quantity.name: c.provenance for c in perceptual_consumers(work)},
                "pixels": "mean absolute difference of RGB, 0..1",
                "best of k": "of the k images of a layout; best-of-1 is the first one",
                "pairwise": "mean over the pairs of the k images of a layout, then over layouts"}

    def statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        if method == PHOTOS:
            return {}
        found: dict[Quantity, Statistic] = {}
        for consumer in work.extractors:
            found |= _of_features(work, method, consumer)
        for consumer in [*perceptual_consumers(work), PixelConsumer()]:
            measured = work.measurements.get(method, consumer)
            found |= _best(measured[TO_PHOTO], consumer.quantity)
            if PAIRWISE in measured:
                found[_pairwise(consumer.quantity)] = Statistic.mean(measured[PAIRWISE])
        return found

    def measure(self, work: Work, row: str) -> Measured:
        found = super().measure(work, row)
        found.provenance["k"] = work.measurements.images_per_layout(row)
        return found


def _best(distances: np.ndarray, quantity: Quantity) -> dict[Quantity, Statistic]:
    """The best of the K images, distances [N, K], and the first one. The number that the best was chosen from is part
    of the score: the best of more is nearer whatever they are, so methods can be compared at equal numbers only."""
    found = {replace(quantity, images=1): Statistic.of_images(distances[:, 0])}
    if (k := distances.shape[1]) > 1:
        found[replace(quantity, images=k)] = Statistic.mean(distances.min(axis=1))
    return found


def _pairwise(quantity: Quantity) -> Quantity:
    return replace(quantity, score=f"pairwise {quantity.score}")


def _of_features(work: Work, method: str, consumer: FeatureConsumer) -> dict[Quantity, Statistic]:
    images = work.measurements.get(method, consumer)[FEATURES].astype(np.float64)
    photos = work.measurements.get(PHOTOS, consumer)[FEATURES][:, 0].astype(np.float64)
    unit = spread(photos) or 1.0
    quantity = Quantity("distance", features=consumer.extractor.label)
    found = _best(to_photo(images, photos) / unit, quantity)
    if images.shape[1] > 1:
        found[_pairwise(quantity)] = Statistic.mean(pairwise_distance(images) / unit)
    return found


METRIC = DiversityMetric()
