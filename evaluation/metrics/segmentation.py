"""The metric "segmentation": does the judge find in the image what the layout shows?

Everything comes from integer confusion matrices, one per image. Two rules for void pixels (unlabelled in the layout):
ignored (left out), or counted (wrong whatever the judge answers there, as in scripts that give pixel accuracies more
than ten points lower). A class absent from both truth and prediction has no IoU and is left out of the mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import InputError
from data.files import fingerprint
from evaluation.cache.consumers import judge_pass
from evaluation.cache.measurements import ImageBatch
from evaluation.metrics.base import Measured, Metric, ScoreKind, as_json, scored_rows
from evaluation.metrics.work import Work
from evaluation.networks.judges import LabelJudge
from evaluation.run_directory import Quantity
from evaluation.statistics.intervals import Statistic, ratio, resampled


def confusion_matrices(prediction: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each true class (row, void last) given each predicted class (column, void never predicted).

    prediction, truth: uint8 [N, H, W]; classes: C with void. Returns int64 [N, C, C - 1].
    Raises InputError when the judge gave void or a class outside the label space.
    """
    if prediction.shape != truth.shape:
        raise InputError(f"the judge answered {list(prediction.shape)} for layouts {list(truth.shape)}")
    if prediction.max(initial=0) >= classes - 1:
        raise InputError(f"the judge answered class {prediction.max()}, expected 0..{classes - 2} (void is no answer)")
    n = len(truth)
    cell = truth.astype(np.int64) * (classes - 1) + prediction
    cell += np.arange(n).reshape(-1, 1, 1) * classes * (classes - 1)
    return np.bincount(cell.ravel(), minlength=n * classes * (classes - 1)).reshape(n, classes, classes - 1)


def sums(confusion: np.ndarray) -> np.ndarray:
    """What all formulas need, per image: confusion [N, C, C-1] -> float64 [N, 4 (C-1)].

    Four blocks of C - 1: true positives, predicted outside void, labelled, predicted on void.
    """
    labelled = confusion[..., :-1, :]
    parts = [np.diagonal(labelled, axis1=-2, axis2=-1), labelled.sum(-2), labelled.sum(-1), confusion[..., -1, :]]
    return np.concatenate(parts, axis=-1).astype(np.float64)


def _parts(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.split(sums, 4, axis=-1))


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1).astype(np.float64))


def iou(sums: np.ndarray) -> np.ndarray:
    """IoU per class, void ignored: [..., 4 (C-1)] -> [..., C-1]; NaN for a class in neither truth nor prediction."""
    tp, predicted, labelled, _ = _parts(sums)
    return ratio(tp, predicted + labelled - tp)


def class_accuracy(sums: np.ndarray) -> np.ndarray:
    """Share of a class's labelled pixels found: [..., 4 (C-1)] -> [..., C-1]; NaN for a class without pixels."""
    tp, _, labelled, _ = _parts(sums)
    return ratio(tp, labelled)


def mean_iou(sums: np.ndarray) -> np.ndarray:
    return _mean_of_defined(iou(sums))


def mean_iou_void_counted(sums: np.ndarray) -> np.ndarray:
    """The judge's answer on a void pixel is a false positive of the class that it gives."""
    tp, predicted, labelled, on_void = _parts(sums)
    return _mean_of_defined(ratio(tp, predicted + on_void + labelled - tp))


def pixel_accuracy(sums: np.ndarray) -> np.ndarray:
    tp, _, labelled, _ = _parts(sums)
    return ratio(tp.sum(-1), labelled.sum(-1))


def pixel_accuracy_void_counted(sums: np.ndarray) -> np.ndarray:
    """Void pixels count in the denominator and are never right."""
    tp, _, labelled, on_void = _parts(sums)
    return ratio(tp.sum(-1), labelled.sum(-1) + on_void.sum(-1))


def mean_class_accuracy(sums: np.ndarray) -> np.ndarray:
    return _mean_of_defined(class_accuracy(sums))


def frequency_weighted_iou(sums: np.ndarray) -> np.ndarray:
    """IoU weighted by the labelled pixels of each class."""
    labelled = _parts(sums)[2]
    return ratio((labelled * np.nan_to_num(iou(sums))).sum(-1), labelled.sum(-1))


FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mIoU": mean_iou,
    "pixel accuracy": pixel_accuracy,
    "mean class accuracy": mean_class_accuracy,
    "frequency-weighted IoU": frequency_weighted_iou,
    "mIoU, void counted": mean_iou_void_counted,
    "pixel accuracy, void counted": pixel_accuracy_void_counted,
}
LEADING = {"mIoU": 1, "pixel accuracy": 2}
OF_ONE_IMAGE = ("mIoU", "pixel accuracy")  # scores that each image has by itself too
VOID_RULE = "ignored; values named 'void counted' count void pixels as wrong"


def statistics(confusion: np.ndarray) -> dict[str, Statistic]:
    """All scores from per-image confusion matrices [N, C, C-1], each in 0..1."""
    per_image, each = sums(confusion), per_image_values(confusion)
    return {name: Statistic(per_image, formula, each=each.get(name)) for name, formula in FORMULAS.items()}


def per_image_values(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Each score of every image on its own, [N]; NaN where an image has no labelled pixel."""
    per_image = sums(confusion)
    return {name: FORMULAS[name](per_image) for name in OF_ONE_IMAGE}


@dataclass(frozen=True)
class JudgeConsumer:
    """Measures {"confusion": int64 [B, C, C-1]} of each layout's first image."""

    judge: LabelJudge
    classes: int
    name: str = "judge"

    @property
    def key(self) -> str:
        return fingerprint("confusion", self.judge.provenance, self.classes)

    @property
    def alone(self) -> bool:
        return getattr(self.judge, "alone", False)

    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        one_pass = hasattr(self.judge, "predict_with_features")
        prediction = judge_pass(batch, self.judge)[0] if one_pass else self.judge.predict(batch.images[:, 0])
        return {"confusion": confusion_matrices(prediction.cpu().numpy(), batch.layouts, self.classes)}


class SegmentationMetric(Metric):
    """Scores of every method and of the photographs (the oracle row), with tables per class."""

    name, title = "segmentation", "Layout, by the judge"
    scores = {name: ScoreKind(name, axis="layout", leading=LEADING.get(name)) for name in FORMULAS}

    def consumers(self, work: Work) -> list[JudgeConsumer]:
        return [JudgeConsumer(work.judge(), len(work.run.labels()))]

    def rows(self, work: Work) -> list[str]:
        return scored_rows(work)

    def provenance(self, work: Work) -> dict[str, Any]:
        return {"judge": work.judge().provenance, "void": VOID_RULE, "labels": list(work.run.labels().names),
                "label resize": "nearest, at the size of the images", "absent classes": "left out of means"}

    def _confusion(self, work: Work, method: str) -> np.ndarray:
        return work.measurements.get(method, self.consumers(work)[0])["confusion"]

    def statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        return {Quantity(name): found for name, found in statistics(self._confusion(work, method)).items()}

    def measure(self, work: Work, row: str) -> Measured:
        confusion = self._confusion(work, row)
        return Measured(self.values(work, self.cached_statistics(work, row)), per_image=per_image_values(confusion),
                        details=_details(work, confusion))


def _details(work: Work, confusion: np.ndarray) -> dict[str, Any]:
    """Per-class tables and the confusion matrix (rows: layout, void last; columns: what the judge found)."""
    names = work.run.labels().names[:-1]
    total = sums(confusion)
    of_classes, replicates, n = iou(total.sum(0)), iou(work.counts @ total), len(total)
    influence = n * of_classes - (n - 1) * iou(total.sum(0) - total)
    intervals = [resampled(of_classes[i], [replicates[:, i]], influence[:, i], work.block).interval
                 for i in range(len(names))]
    return {"IoU per class": dict(zip(names, as_json(of_classes), strict=True)),
            "IoU per class, interval": dict(zip(names, intervals, strict=True)),
            "accuracy per class": dict(zip(names, as_json(class_accuracy(total.sum(0))), strict=True)),
            "confusion": confusion.sum(0).tolist()}


METRIC = SegmentationMetric()
