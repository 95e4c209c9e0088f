"""Segmentation scores against cases computed by hand."""

import numpy as np
import pytest

from data.errors import InputError
from evaluation.metrics.segmentation import (
    FORMULAS,
    class_accuracy,
    confusion_matrices,
    iou,
    mean_iou,
    per_image_values,
    statistics,
    sums,
)
from evaluation.statistics.intervals import Statistic

# classes: a, b, c (absent), void
TRUTH = np.array([[[0, 0, 0, 1], [1, 1, 3, 3]]], np.uint8)
PREDICTION = np.array([[[0, 0, 1, 1], [1, 0, 0, 1]]], np.uint8)


@pytest.fixture
def confusion():
    return confusion_matrices(PREDICTION, TRUTH, 4)


def test_confusion_by_hand(confusion):
    assert confusion.dtype == np.int64
    assert confusion[0].tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize("name, expected", [
    ("mIoU", (2 / 4 + 2 / 4) / 2),  # the absent class c is left out, not counted as 0
    ("pixel accuracy", 4 / 6),
    ("mean class accuracy", 2 / 3),
    ("frequency-weighted IoU", 0.5),
    ("mIoU, void counted", (2 / 5 + 2 / 5) / 2),
    ("pixel accuracy, void counted", 4 / 8),
])
def test_figures_by_hand(confusion, name, expected):
    assert statistics(confusion)[name].value() == pytest.approx(expected, abs=1e-15)


def test_absent_class_has_no_iou_and_epsilon_would_be_wrong(confusion):
    found = iou(sums(confusion))[0]
    assert np.isnan(found[2]) and found[:2].tolist() == [0.5, 0.5]
    tp, predicted, labelled, _ = np.split(sums(confusion)[0], 4)
    with_epsilon = (tp / (predicted + labelled - tp + 1e-8)).mean()  # the defect of the most used script
    assert with_epsilon == pytest.approx(1 / 3) and mean_iou(sums(confusion))[0] == pytest.approx(1 / 2)


def test_perfect_prediction_scores_one_whatever_lies_under_void():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, (4, 8, 8), dtype=np.uint8)
    prediction = np.where(truth == 4, 2, truth).astype(np.uint8)
    found = statistics(confusion_matrices(prediction, truth, 5))
    for name in ("mIoU", "pixel accuracy", "mean class accuracy", "frequency-weighted IoU"):
        assert found[name].value() == 1
    assert found["pixel accuracy, void counted"].value() == pytest.approx((truth != 4).mean())


def test_frequency_weights_by_labelled_pixels():
    truth = np.array([[[0] * 9 + [1]]], np.uint8)
    prediction = np.zeros_like(truth)
    assert statistics(confusion_matrices(prediction, truth, 3))["frequency-weighted IoU"].value() == \
        pytest.approx(0.9 * 0.9)


def test_set_figures_pool_pixels_and_ignore_order():
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 4, (2, 6, 8, 8), dtype=np.uint8)
    prediction = prediction.clip(0, 2)
    confusion = confusion_matrices(prediction, truth, 4)
    whole = confusion_matrices(prediction.reshape(1, -1, 8), truth.reshape(1, -1, 8), 4)
    for name, statistic in statistics(confusion).items():
        assert statistic.value() == pytest.approx(FORMULAS[name](sums(whole))[0])
        assert statistics(confusion[::-1])[name].value() == pytest.approx(statistic.value())
    assert per_image_values(confusion)["mIoU"].mean() != pytest.approx(statistics(confusion)["mIoU"].value())


def test_a_class_that_is_not_there_and_an_image_of_void_only():
    ones, zeros = np.ones((1, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8)
    wrong = sums(confusion_matrices(ones, zeros, 3))
    assert mean_iou(wrong)[0] == 0 and np.isnan(class_accuracy(wrong)[0, 1])
    of_void = confusion_matrices(zeros, 3 * ones, 4)
    assert np.isnan(per_image_values(of_void)["mIoU"]).all() and np.isnan(Statistic(sums(of_void), mean_iou).value())


def test_a_judge_that_answers_void_or_another_size_is_refused():
    with pytest.raises(InputError, match="answered class 3, expected 0..2"):
        confusion_matrices(np.full((1, 2, 4), 3, np.uint8), TRUTH, 4)
    with pytest.raises(InputError, match="answered"):
        confusion_matrices(np.zeros((1, 2, 2), np.uint8), TRUTH, 4)
