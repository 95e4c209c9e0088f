"""The metric "distances": every method's images against the photographs, on every configured feature extractor.

The row FLOOR says what two sets of real photographs score: no method can be told apart from below it. A method's images
are of the photographs' own layouts; where the renderer can draw those again, the floor has such a set too.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from data.errors import InputError
from data.files import read_json
from evaluation.cache.consumers import FeatureConsumer, ahead
from evaluation.metrics import manifolds
from evaluation.metrics.context import Work, scored_rows
from evaluation.metrics.distance_formulas import (
    ENGINE_SEED,
    KERNEL_SUBSETS,
    cmmd,
    cmmd_terms,
    frechet_distance,
    frechet_terms,
    inception_score,
    kernel_distance,
    kernel_subsets,
    kernel_terms,
    own_left_out,
    subset_size,
)
from evaluation.metrics.modes import known_modes, same_street
from evaluation.networks.features import FEATURES, LOGITS, Extractor
from evaluation.run_directory import FLOOR, PHOTOS, Value
from evaluation.statistics.intervals import Statistic, percentile_interval

METRIC = "distances"
FLOOR_SPLITS = 20
LEAST_IMAGES = 8  # fewer say nothing, and half of them has no nearest neighbours
BATCH = 32
APART = "own photograph left out"


def consumers(work: Work) -> list[FeatureConsumer]:
    return work.extractors


def features(work: Work, method: str, consumer: FeatureConsumer, layer: str = FEATURES) -> np.ndarray:
    """float64 [N, D] of each layout's first image."""
    return work.measurements.get(method, consumer)[layer][:, 0].astype(np.float64)


def method_statistics(work: Work, method: str) -> dict[str, Statistic]:
    """Scores of a method on all extractors; of the photographs, which would be compared with themselves, only IS."""
    return work.statistics(METRIC, method, lambda: {
        name: statistic for consumer in work.extractors
        for name, statistic in _of_extractor(work, method, consumer).items()})


def _of_extractor(work: Work, method: str, consumer: FeatureConsumer) -> dict[str, Statistic]:
    found = {} if method == PHOTOS else _compare(work, method, consumer)
    if LOGITS in work.measurements.get(method, consumer):
        logits = features(work, method, consumer, LOGITS)
        found[consumer.extractor.name("IS")] = Statistic.mean(inception_score(logits).per_image)
    return found


def _compare(work: Work, method: str, consumer: FeatureConsumer) -> dict[str, Statistic]:
    options, extractor = work.context.options, consumer.extractor
    x, y = features(work, method, consumer), features(work, PHOTOS, consumer)
    found = {"FD": Statistic.mean(frechet_terms(x, y).per_image, False),
             "KD": Statistic.mean(kernel_terms(x, y, options.kernel_subset_size).per_image, False)}
    if extractor.is_clip:
        found["CMMD"] = Statistic.mean(cmmd_terms(x, y).per_image, False)
    inside = manifolds.statistics(x, y, options.neighbours, options.density_neighbours, work.block)
    return {extractor.name(name): s for name, s in (found | inside).items()} | {
        f"{extractor.name('KD')}, {APART}": Statistic.mean(own_left_out(x, y).per_image, False)}


def protocol(work: Work) -> dict[str, Any]:
    options = work.context.options
    return {"extractors": {c.extractor.label: c.extractor.full for c in work.extractors},
            "compared with": "the validation photographs of the same layouts",
            "Fréchet": "means and (n-1) covariances, exact trace term",
            "kernel": {"polynomial": "(x.y/D + 1)^3", "subsets": KERNEL_SUBSETS, "seed": ENGINE_SEED,
                       "subset size": _subset(work, work.n)},
            APART: "the same kernel over all pairs i != j of the N layouts, no subsets: without bias where images "
                   "follow the photographs of their own layouts, which biases FD and KD downwards",
            "neighbours of precision and recall": options.neighbours,
            "neighbours of density and coverage": options.density_neighbours,
            "interval of distances": "bootstrap of first-order (Fréchet) and jackknife (kernel) contributions of the "
                                     "layouts: sampling error at this N, without the bias at this N (see the floor)",
            "interval of precision, recall, density, coverage":
                f"the wider of resampled images and {manifolds.HALVES} random halves of the layouts with the manifolds "
                "made again (delete-half jackknife)"}


def check_number(layouts: int) -> None:
    """Raises InputError for fewer layouts than a distance between sets of images needs."""
    if layouts < LEAST_IMAGES:
        raise InputError(f"distances need at least {LEAST_IMAGES} layouts, there are {layouts}; leave them out of "
                         "score.metrics, or give more")


def score(work: Work) -> None:
    """Write the distances of every method, and the floor; none without an extractor."""
    if not work.extractors:
        return
    check_number(work.n)
    for method in scored_rows(work):
        inputs = work.inputs(METRIC, method, [protocol(work)])
        if not work.stored(METRIC, method, inputs) and (found := method_statistics(work, method)):
            contributions = {name: s.per_image[:, 0] for name, s in found.items()}
            details = {"per image": "contribution of the layout; the mean is the score"}
            if method != PHOTOS:
                details["KD over subsets"] = _over_subsets(work, method)
            work.write(METRIC, method, inputs, work.values(found), protocol(work), contributions, details)
    _score_floor(work)


def _over_subsets(work: Work, method: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over the subsets, as papers print KID; no interval: the subsets overlap."""
    found = {}
    for consumer in work.extractors:
        sets = (features(work, name, consumer) for name in (method, PHOTOS))
        values = kernel_subsets(*sets, size=_subset(work, work.n))
        found[consumer.extractor.name("KD")] = {"mean": float(values.mean()), "standard deviation": float(values.std())}
    return found


def _score_floor(work: Work) -> None:
    file = work.run.dataset / "train.json"
    trained = read_json(file)["photo_sha256"] if file.exists() else []
    lacking = _why_not_train(work, len(trained))
    content = work.measurements.content(PHOTOS)
    inputs = work.inputs(METRIC, FLOOR, [protocol(work), content, trained, lacking, work.run.scenes()])
    if work.stored(METRIC, FLOOR, inputs):
        return
    values = [value for consumer in work.extractors for value in _halves(work, consumer)]
    if not lacking:
        values += _train_against_val(work, len(trained))
    redrawn, how = _same_layouts(work)
    made_of = protocol(work) | _floor_protocol(work, lacking) | {"same layouts": how}
    work.write(METRIC, FLOOR, inputs, values + redrawn, made_of)


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
    options = work.context.options
    most = max(options.neighbours, options.density_neighbours)
    found = {"FD": frechet_distance(x, y), "KD": kernel_distance(x, y, _subset(work, len(x)))}
    if extractor.is_clip:
        found["CMMD"] = cmmd(x, y)
    if len(x) > most:
        inside = manifolds.Distances(x, y, most).inside(options.neighbours, options.density_neighbours)
        found |= {name: values.mean() for name, values in inside.items()}
    return {extractor.name(name): float(value) for name, value in found.items()}


def _halves(work: Work, consumer: FeatureConsumer) -> list[Value]:
    real, half = features(work, PHOTOS, consumer), work.n // 2
    rng = np.random.default_rng(work.context.seed)
    orders = [rng.permutation(work.n) for _ in range(FLOOR_SPLITS)]
    found = [_plain(work, consumer.extractor, real[o[:half]], real[o[half : 2 * half]]) for o in orders]
    series = {name: np.array([numbers[name] for numbers in found]) for name in found[0]}
    return [Value(name, float(numbers.mean()), percentile_interval(numbers), higher_is_better=_order(name))
            for name, numbers in series.items()]


def _order(name: str) -> bool:
    return name.startswith(("precision", "recall", "density", "coverage"))


def _train_against_val(work: Work, trained: int) -> list[Value]:
    """The floor at the methods' own N: as many training photographs as there are layouts, drawn at random."""
    chosen = np.sort(np.random.default_rng(work.context.seed).choice(trained, work.n, replace=False))
    values = []
    photos = (work.context.train_photos(part) for part in _parts(chosen))
    for consumer, x in zip(work.extractors, _features_of(work, photos), strict=True):
        found = _plain(work, consumer.extractor, x, features(work, PHOTOS, consumer))
        values += [Value(f"{name}, train against val", float(value), None, "one pair of sets", _order(name))
                   for name, value in found.items()]
    return values


def _same_layouts(work: Work) -> tuple[list[Value], str]:
    """The floor of a set of the same layouts: another appearance of each, drawn by the renderer; and what it is."""
    if not known_modes(work):
        return [], "none: photographs cannot be drawn again"
    if (street := same_street(work.run)) is None:
        return [], "none: the renderer of this version does not give the run's first photograph"
    drawn = (np.stack([street.redraw(int(i), 0).photo for i in part]) for part in _parts(np.arange(work.n)))
    values = []
    for consumer, x in zip(work.extractors, _features_of(work, drawn), strict=True):
        y, extractor = features(work, PHOTOS, consumer), consumer.extractor
        found = _plain(work, extractor, x, y) | {f"{extractor.name('KD')}, {APART}": own_left_out(x, y).value}
        values += [Value(f"{name}, same layouts", value, None, "one pair of sets", _order(name))
                   for name, value in found.items()]
    return values, f"another appearance of each of the {work.n} layouts, drawn by the renderer"


def _parts(indices: np.ndarray) -> list[np.ndarray]:
    return np.array_split(indices, -(-len(indices) // BATCH))


def _features_of(work: Work, batches: Iterable[np.ndarray]) -> list[np.ndarray]:
    """float64 [N, D] on each extractor of photographs uint8 [n, 3, H, W], a few of them in memory."""
    found: list[list[np.ndarray]] = [[] for _ in work.extractors]
    for photos in ahead(batches):
        for part, consumer in zip(found, work.extractors, strict=True):
            part.append(consumer.extractor(torch.from_numpy(photos))[FEATURES].numpy())
    return [np.concatenate(part).astype(np.float64) for part in found]
