"""The metric "diversity": how far apart the k images of one layout are, and how close the best of them is to the photo.

Distances between pooled features of every configured extractor, between feature maps where an extractor has them (the
form of LPIPS without its learned weights), LPIPS itself where its weights are at hand, and between pixels. The best of
k is the hindsight term that the diversity loss (Eq. 3 of the paper) optimises; with one image it is its distance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.cache.consumers import FeatureConsumer
from evaluation.cache.measurements import Batch, Consumer
from evaluation.metrics.context import Work
from evaluation.metrics.perceptual_distance import PAIRWISE, TO_PHOTO, perceptual_consumers
from evaluation.networks.features import FEATURES
from evaluation.run_directory import PHOTOS
from evaluation.statistics.intervals import Statistic

METRIC = "diversity"


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

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        images = batch.images.numpy().astype(np.float32) / 255
        photo = batch.photos.numpy().astype(np.float32) / 255
        found = {TO_PHOTO: np.abs(images - photo[:, None]).mean(axis=(2, 3, 4), dtype=np.float64)}
        i, j = np.triu_indices(images.shape[1], 1)
        if len(i):
            pairs = [np.abs(images[:, a] - images[:, b]).mean(axis=(1, 2, 3), dtype=np.float64)
                     for a, b in zip(i, j, strict=True)]
            found[PAIRWISE] = np.mean(pairs, axis=0)
        return found


def consumers(work: Work) -> list[Consumer]:
    return [*work.extractors, *perceptual_consumers(work), PixelConsumer()]


def method_statistics(work: Work, method: str) -> dict[str, Statistic]:
    if method == PHOTOS:
        return {}
    return work.statistics(METRIC, method, lambda: _statistics(work, method))


def _statistics(work: Work, method: str) -> dict[str, Statistic]:
    found: dict[str, Statistic] = {}
    for consumer in work.extractors:
        found |= _of_features(work, method, consumer)
    for consumer in [*perceptual_consumers(work), PixelConsumer()]:
        measured = work.measurements.get(method, consumer)
        label = getattr(consumer, "label", "pixels")
        found |= _best(measured[TO_PHOTO], label)
        if PAIRWISE in measured:
            found[f"pairwise {label}"] = Statistic.mean(measured[PAIRWISE])
    return found


def _best(distances: np.ndarray, label: str) -> dict[str, Statistic]:
    """The best of the K images, distances [N, K], and the first one. Names say how many the best was chosen from: the
    best of more is nearer whatever they are, so that methods may be compared at equal numbers only."""
    found = {f"best-of-1 {label}": Statistic.of_images(distances[:, 0], False)}
    if (k := distances.shape[1]) > 1:
        found[f"best-of-{k} {label}"] = Statistic.mean(distances.min(axis=1), False)
    return found


def _of_features(work: Work, method: str, consumer: FeatureConsumer) -> dict[str, Statistic]:
    images = work.measurements.get(method, consumer)[FEATURES].astype(np.float64)
    photos = work.measurements.get(PHOTOS, consumer)[FEATURES][:, 0].astype(np.float64)
    unit = spread(photos) or 1.0
    label = consumer.extractor.label
    found = _best(to_photo(images, photos) / unit, f"distance-{label}")
    if images.shape[1] > 1:
        found[f"pairwise distance-{label}"] = Statistic.mean(pairwise_distance(images) / unit)
    return found


def protocol(work: Work) -> dict[str, Any]:
    return {"extractors": {c.extractor.label: c.extractor.full for c in work.extractors},
            "feature distance": "Euclidean between pooled features, in units of the root mean squared distance between "
                                "two photographs of different layouts",
            "maps and LPIPS": {c.label: c.protocol for c in perceptual_consumers(work)},
            "pixels": "mean absolute difference of RGB, 0..1",
            "best of k": "of the k images of a layout; best-of-1 is the first one",
            "pairwise": "mean over the pairs of the k images of a layout, then over layouts"}


def score(work: Work) -> None:
    """Write the diversity of every method; pairwise numbers only where a method makes several images."""
    for method in work.methods:
        k = work.measurements.images_per_layout(method)
        inputs = work.inputs(METRIC, method, [protocol(work), k])
        if not work.stored(METRIC, method, inputs):
            found = method_statistics(work, method)
            work.write(METRIC, method, inputs, work.values(found), protocol(work) | {"k": k},
                       {name: statistic.per_image[:, 0] for name, statistic in found.items()})
