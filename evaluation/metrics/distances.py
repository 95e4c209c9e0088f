"""The metric "distances": every method's images against the photographs, on every configured feature extractor.

The row FLOOR says what two sets of real photographs score: no method can be told apart from below it.
"""

from typing import Any

import numpy as np
import torch

from data.errors import InputError
from data.files import read_json
from evaluation.measuring.consumers import FeatureConsumer
from evaluation.measuring.context import Work, scored_rows
from evaluation.measuring.intervals import Statistic, percentile_interval
from evaluation.metrics.distance_formulas import (
    ENGINE_SEED,
    KERNEL_SUBSETS,
    frechet_distance,
    frechet_terms,
    inception_score,
    kernel_distance,
    kernel_terms,
    precision_recall,
    subset_size,
)
from evaluation.networks.features import FEATURES, LOGITS, Extractor
from evaluation.rundir import FLOOR, PHOTOS, Value

METRIC = "distances"
FLOOR_SPLITS = 20
LEAST_IMAGES = 8  # fewer say nothing, and half of them has no nearest neighbours
TRAIN_BATCH = 32


def consumers(work: Work) -> list[FeatureConsumer]:
    return work.extractors


def features(work: Work, method: str, consumer: FeatureConsumer, layer: str = FEATURES) -> np.ndarray:
    """float64 [N, D] of each layout's first image."""
    return work.measurements.get(method, consumer)[layer][:, 0].astype(np.float64)


def method_statistics(work: Work, method: str) -> dict[str, Statistic]:
    """Scores of a method on all extractors; of the photographs, which would be compared with themselves, only IS."""
    return work.statistics(METRIC, method, lambda: {
        consumer.extractor.name(name): statistic for consumer in work.extractors
        for name, statistic in _of_extractor(work, method, consumer).items()})


def _of_extractor(work: Work, method: str, consumer: FeatureConsumer) -> dict[str, Statistic]:
    found = {} if method == PHOTOS else _compare(work, method, consumer)
    if LOGITS in work.measurements.get(method, consumer):
        found["IS"] = Statistic.mean(inception_score(features(work, method, consumer, LOGITS)).per_image)
    return found


def _compare(work: Work, method: str, consumer: FeatureConsumer) -> dict[str, Statistic]:
    options = work.context.options
    x, y = features(work, method, consumer), features(work, PHOTOS, consumer)
    precise, recalled = precision_recall(x, y, options.neighbours)
    return {"FD": Statistic.mean(frechet_terms(x, y).per_image, False),
            "KD": Statistic.mean(kernel_terms(x, y, options.kernel_subset_size).per_image, False),
            "precision": Statistic.of_images(precise), "recall": Statistic.mean(recalled)}


def protocol(work: Work) -> dict[str, Any]:
    options = work.context.options
    return {"extractors": {c.extractor.label: c.extractor.full for c in work.extractors},
            "compared with": "the validation photographs of the same layouts",
            "Fréchet": "means and (n-1) covariances, exact trace term",
            "kernel": {"polynomial": "(x.y/D + 1)^3", "subsets": KERNEL_SUBSETS, "seed": ENGINE_SEED,
                       "subset size": _subset(work, work.n)},
            "neighbours of precision and recall": options.neighbours,
            "interval of distances": "bootstrap of first-order (Fréchet) and jackknife (kernel) contributions of the "
                                     "layouts: sampling error at this N, without the bias at this N (see the floor)"}


def check_number(layouts: int) -> None:
    """Raises InputError for fewer layouts than a distance between sets of images needs."""
    if layouts < LEAST_IMAGES:
        raise InputError(f"distances need at least {LEAST_IMAGES} layouts, there are {layouts}; leave them out of "
                         "score.metrics, or give more")


def score(work: Work) -> None:
    """Write the distances of every method, and the floor."""
    check_number(work.n)
    for method in scored_rows(work):
        inputs = work.inputs(METRIC, method, [protocol(work)])
        if not work.stored(METRIC, method, inputs) and (found := method_statistics(work, method)):
            contributions = {name: s.per_image[:, 0] for name, s in found.items()}
            work.write(METRIC, method, inputs, work.values(found), protocol(work), contributions,
                       {"per image": "contribution of the layout; the mean is the score"})
    _score_floor(work)


def _score_floor(work: Work) -> None:
    file = work.run.dataset / "train.json"
    trained = read_json(file)["photo_sha256"] if file.exists() else []
    lacking = _why_not_train(work, len(trained))
    inputs = work.inputs(METRIC, FLOOR, [protocol(work), work.measurements.content(PHOTOS), trained, lacking])
    if work.stored(METRIC, FLOOR, inputs):
        return
    values = [value for consumer in work.extractors for value in _halves(work, consumer)]
    if not lacking:
        values += _train_against_val(work, len(trained))
    work.write(METRIC, FLOOR, inputs, values, protocol(work) | _floor_protocol(work, lacking))


def _why_not_train(work: Work, trained: int) -> str:
    """Why training photographs cannot be set against those of validation; empty where they can."""
    if work.context.train_photos is None or not trained:
        return "none: training photographs are not at hand"
    return f"none: {trained} training photographs are fewer than {work.n} of validation" if trained < work.n else ""


def _floor_protocol(work: Work, lacking: str) -> dict[str, Any]:
    half = work.n // 2
    return {"N": half, "kernel": protocol(work)["kernel"] | {"subset size": _subset(work, half)},
            "floor": f"two random halves of the photographs, mean of {FLOOR_SPLITS} splits; the Fréchet distance's "
                     f"bias at N = {half} is about twice that at N = {work.n}",
            "interval": f"95 % range over {FLOOR_SPLITS} splits",
            "train against val": lacking or f"{work.n} training photographs against the {work.n} validation "
                                            f"photographs, kernel subsets of {_subset(work, work.n)}"}


def _subset(work: Work, n: int) -> int:
    """Images in a subset of the kernel distance between sets of n."""
    return min(work.context.options.kernel_subset_size or subset_size(n), n)


def _plain(work: Work, extractor: Extractor, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    precise, recalled = precision_recall(x, y, work.context.options.neighbours)
    return {extractor.name("FD"): frechet_distance(x, y),
            extractor.name("KD"): kernel_distance(x, y, _subset(work, len(x))),
            extractor.name("precision"): precise.mean(), extractor.name("recall"): recalled.mean()}


def _halves(work: Work, consumer: FeatureConsumer) -> list[Value]:
    real, half = features(work, PHOTOS, consumer), work.n // 2
    rng = np.random.default_rng(work.context.seed)
    orders = [rng.permutation(work.n) for _ in range(FLOOR_SPLITS)]
    found = [_plain(work, consumer.extractor, real[o[:half]], real[o[half : 2 * half]]) for o in orders]
    series = {name: np.array([numbers[name] for numbers in found]) for name in found[0]}
    return [Value(name, float(numbers.mean()), percentile_interval(numbers), higher_is_better=_order(name))
            for name, numbers in series.items()]


def _order(name: str) -> bool:
    return name.startswith(("precision", "recall"))


def _train_against_val(work: Work, trained: int) -> list[Value]:
    """The floor at the methods' own N: as many training photographs as there are layouts, drawn at random."""
    chosen = np.sort(np.random.default_rng(work.context.seed).choice(trained, work.n, replace=False))
    values = []
    for consumer, x in zip(work.extractors, _train_features(work, chosen), strict=True):
        found = _plain(work, consumer.extractor, x, features(work, PHOTOS, consumer))
        values += [Value(f"{name}, train against val", float(value), None, "one pair of sets", _order(name))
                   for name, value in found.items()]
    return values


def _train_features(work: Work, chosen: np.ndarray) -> list[np.ndarray]:
    """float64 [N, D] on each extractor of the training photographs with these indices, a few of them in memory."""
    found: list[list[np.ndarray]] = [[] for _ in work.extractors]
    for indices in np.array_split(chosen, -(-len(chosen) // TRAIN_BATCH)):
        photos = torch.from_numpy(work.context.train_photos(indices))
        for part, consumer in zip(found, work.extractors, strict=True):
            part.append(consumer.extractor(photos)[FEATURES].numpy())
    return [np.concatenate(part).astype(np.float64) for part in found]
