"""The metric "distances": every method's images against the photographs, on every configured feature extractor.

The row FLOOR holds the scores of two sets of real photographs: smaller differences distinguish no methods. A method's
images are of the photographs' own layouts; where the renderer can draw those again, the floor has such a set too.
"""

from typing import Any

import numpy as np

from data.errors import InputError
from data.files import fingerprint
from evaluation.cache.consumers import FeatureConsumer
from evaluation.cache.measurements import OtherPhotographs
from evaluation.metrics import manifolds
from evaluation.metrics.base import Measured, Metric, ScoreKind, scored_rows
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
from evaluation.metrics.work import Work
from evaluation.networks.features import FEATURES, LOGITS, Extractor
from evaluation.run_directory import FLOOR, PHOTOS, Quantity, Value
from evaluation.statistics.intervals import Statistic, percentile_interval

FLOOR_SPLITS = 20
LEAST_IMAGES = 8  # with fewer, half of them has no nearest neighbours
OWN_LEFT_OUT = "own photograph left out"  # variants of a score
TRAIN_AGAINST_VAL, SAME_LAYOUTS = "train against val", "same layouts"


def _distance(title: str, leading: int | None = None) -> ScoreKind:
    return ScoreKind(title, False, axis="likeness", leading=leading)


def features(work: Work, method: str, consumer: FeatureConsumer, layer: str = FEATURES) -> np.ndarray:
    """float64 [N, D] of each layout's first image."""
    return work.measurements.get(method, consumer)[layer][:, 0].astype(np.float64)


class DistancesMetric(Metric):
    """Every method and, on extractors with an Inception score, the photographs; and the floor."""

    name, title, on_features = "distances", "Distance to the photographs", True
    scores = {"FID": _distance("FID", 1), "FD": _distance("Fréchet distance", 2), "KID": _distance("KID"),
              "KD": _distance("Kernel distance", 3), "CMMD": _distance("CMMD", 4),
              "IS": ScoreKind("Inception score"), "precision": ScoreKind("Precision"), "recall": ScoreKind("Recall"),
              "density": ScoreKind("Density"), "coverage": ScoreKind("Coverage")}

    def applies(self, work: Work) -> bool:
        return bool(work.extractors)

    def consumers(self, work: Work) -> list[FeatureConsumer]:
        return work.extractors

    def rows(self, work: Work) -> list[str]:
        check_number(work.n)
        return [*scored_rows(work), FLOOR]

    def provenance(self, work: Work) -> dict[str, Any]:
        options = work.context.options
        return {"extractors": {c.extractor.label: c.extractor.provenance for c in work.extractors},
                "compared with": "the validation photographs of the same layouts",
                "Fréchet": "means and (n-1) covariances, exact trace term",
                "kernel": {"polynomial": "(x.y/D + 1)^3", "subsets": KERNEL_SUBSETS, "seed": ENGINE_SEED,
                           "subset size": _subset(work, work.n)},
                OWN_LEFT_OUT: "the same kernel over all pairs i != j of the N layouts, no subsets: without bias where "
                              "images follow the photographs of their own layouts, which biases FD and KD downwards",
                "neighbours of precision and recall": options.neighbours,
                "neighbours of density and coverage": options.density_neighbours,
                "interval of distances": "bootstrap of first-order (Fréchet) and jackknife (kernel) contributions of "
                                         "the layouts: sampling error at this N, without the bias at this N (see the "
                                         "floor)",
                "interval of precision, recall, density, coverage":
                    f"the wider of resampled images and {manifolds.HALVES} random halves of the layouts with the "
                    "manifolds made again (delete-half jackknife)"}

    def inputs(self, work: Work, row: str) -> list[Any]:
        if row != FLOOR:
            return super().inputs(work, row)
        return [self.provenance(work), work.measurements.content(PHOTOS), work.run.training_photographs() or [],
                _why_not_train(work), work.run.scenes()]

    def statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        """Scores on all extractors; of the photographs, which would be compared with themselves, only IS."""
        found = {}
        for consumer in work.extractors:
            found |= {} if method == PHOTOS else _compare(work, method, consumer)
            if LOGITS in work.measurements.get(method, consumer):
                logits = features(work, method, consumer, LOGITS)
                found[consumer.extractor.quantity("IS")] = Statistic.mean(inception_score(logits).per_image)
        return found

    def measure(self, work: Work, row: str) -> Measured | None:
        if row == FLOOR:
            return self._floor(work)
        if (found := super().measure(work, row)) is not None:
            found.details["per image"] = "contribution of the layout; the mean is the score"
            if row != PHOTOS:
                found.details["KD over subsets"] = _over_subsets(work, row)
        return found

    def _floor(self, work: Work) -> Measured:
        lacking, half = _why_not_train(work), work.n // 2
        values = [value for consumer in work.extractors for value in self._halves(work, consumer)]
        if not lacking:
            values += self._of_others(work, _train_photographs(work), TRAIN_AGAINST_VAL)
        redrawn, how = _same_layouts(work)
        if redrawn:
            values += self._of_others(work, redrawn, SAME_LAYOUTS)
        return Measured(values, {
            "N": half, "kernel": self.provenance(work)["kernel"] | {"subset size": _subset(work, half)},
            "floor": f"two random halves of the photographs, mean of {FLOOR_SPLITS} splits; the Fréchet distance's "
                     f"bias at N = {half} is about twice that at N = {work.n}",
            "interval": f"95 % range over {FLOOR_SPLITS} splits",
            "train against val": lacking or f"{work.n} training photographs against the {work.n} validation "
                                            f"photographs, kernel subsets of {_subset(work, work.n)}",
            "same layouts": how})

    def _of_others(self, work: Work, photographs: OtherPhotographs, variant: str) -> list[Value]:
        """Scores of one other set of photographs on each extractor."""
        values = []
        measured = work.measurements.of_others(photographs, work.extractors)
        for consumer, arrays in zip(work.extractors, measured, strict=True):
            x = arrays[FEATURES][:, 0].astype(np.float64)
            y, extractor = features(work, PHOTOS, consumer), consumer.extractor
            found = {extractor.quantity(name, variant): value
                     for name, value in _of_sets(work, extractor, x, y).items()}
            if variant == SAME_LAYOUTS:
                found[extractor.quantity("KD", f"{OWN_LEFT_OUT}, {variant}")] = own_left_out(x, y).value
            values += [self.value(quantity, value, None, "one pair of sets") for quantity, value in found.items()]
        return values

    def _halves(self, work: Work, consumer: FeatureConsumer) -> list[Value]:
        real, half = features(work, PHOTOS, consumer), work.n // 2
        rng = np.random.default_rng(work.context.seed)
        orders = [rng.permutation(work.n) for _ in range(FLOOR_SPLITS)]
        found = [_of_sets(work, consumer.extractor, real[o[:half]], real[o[half : 2 * half]]) for o in orders]
        series = {name: np.array([numbers[name] for numbers in found]) for name in found[0]}
        return [self.value(consumer.extractor.quantity(name), numbers.mean(), percentile_interval(numbers))
                for name, numbers in series.items()]


def _compare(work: Work, method: str, consumer: FeatureConsumer) -> dict[Quantity, Statistic]:
    options, extractor = work.context.options, consumer.extractor
    x, y = features(work, method, consumer), features(work, PHOTOS, consumer)
    found = {"FD": Statistic.mean(frechet_terms(x, y).per_image),
             "KD": Statistic.mean(kernel_terms(x, y, options.kernel_subset_size).per_image)}
    if extractor.is_clip:
        found["CMMD"] = Statistic.mean(cmmd_terms(x, y).per_image)
    inside = manifolds.statistics(x, y, options.neighbours, options.density_neighbours, work.block)
    return {extractor.quantity(name): s for name, s in (found | inside).items()} | {
        extractor.quantity("KD", OWN_LEFT_OUT): Statistic.mean(own_left_out(x, y).per_image)}


def check_number(layouts: int) -> None:
    """Raises InputError for fewer layouts than a distance between sets of images needs."""
    if layouts < LEAST_IMAGES:
        raise InputError(f"distances need at least {LEAST_IMAGES} layouts, there are {layouts}; leave them out of "
                         "score.metrics, or give more")


def _over_subsets(work: Work, method: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over the subsets, as papers print KID; no interval: the subsets overlap."""
    found = {}
    for consumer in work.extractors:
        sets = (features(work, name, consumer) for name in (method, PHOTOS))
        values = kernel_subsets(*sets, size=_subset(work, work.n))
        name = consumer.extractor.quantity("KD").name
        found[name] = {"mean": float(values.mean()), "standard deviation": float(values.std())}
    return found


def _why_not_train(work: Work) -> str:
    """The reason why training photographs cannot be compared with those of validation; empty where they can."""
    trained = len(work.run.training_photographs() or [])
    if work.context.train_photos is None or not trained:
        return "none: training photographs are not available"
    return f"none: {trained} training photographs are fewer than {work.n} of validation" if trained < work.n else ""


def _subset(work: Work, n: int) -> int:
    """Images in a subset of the kernel distance between sets of n."""
    return min(work.context.options.kernel_subset_size or subset_size(n), n)


def _of_sets(work: Work, extractor: Extractor, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Score -> value of two sets of features."""
    options = work.context.options
    most = max(options.neighbours, options.density_neighbours)
    found = {"FD": frechet_distance(x, y), "KD": kernel_distance(x, y, _subset(work, len(x)))}
    if extractor.is_clip:
        found["CMMD"] = cmmd(x, y)
    if len(x) > most:
        inside = manifolds.SetDistances(x, y, most).inside(options.neighbours, options.density_neighbours)
        found |= {name: values.mean() for name, values in inside.items()}
    return found


def _train_photographs(work: Work) -> OtherPhotographs:
    """The floor at the methods' own N: as many training photographs as there are layouts, drawn at random."""
    trained = work.run.training_photographs()
    chosen = np.sort(np.random.default_rng(work.context.seed).choice(len(trained), work.n, replace=False))
    return OtherPhotographs("training-photographs", fingerprint([trained[i] for i in chosen]),
                            lambda places: work.context.train_photos(chosen[places]))


def _same_layouts(work: Work) -> tuple[OtherPhotographs | None, str]:
    """The floor of a set of the same layouts: another appearance of each, drawn by the renderer; and what it is."""
    if not known_modes(work):
        return None, "none: photographs cannot be drawn again"
    if (street := same_street(work.run)) is None:
        return None, "none: the renderer of this version does not give the run's first photograph"
    redrawn = OtherPhotographs("redrawn-photographs", fingerprint("draw 0", work.run.scenes()),
                               lambda places: np.stack([street.redraw(int(i), 0).photo for i in places]))
    return redrawn, f"another appearance of each of the {work.n} layouts, drawn by the renderer"


METRIC = DistancesMetric()
