"""Do people agree with each other: Krippendorff's alpha and split-half correlation of the images' preferences."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from human_study.analysis.clustered import Estimate

RESAMPLES = 1000
SPLITS = 20


def units(frame: pd.DataFrame, *columns: str) -> np.ndarray:
    """int64 [n]: one code per combination of values, in the order of first appearance; missing values are a value."""
    return frame.groupby(list(columns), sort=False, dropna=False, observed=True).ngroup().to_numpy()


def _disagreement(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per unit judged at least twice: disagreeing ordered pairs per rater, and counts of values."""
    raters = counts.sum(axis=1)
    counts, raters = counts[raters >= 2], raters[raters >= 2]
    return (raters**2 - (counts**2).sum(axis=1)) / (raters - 1), counts


def _alpha(observed: float, totals: np.ndarray) -> float:
    n = totals.sum()
    if n == 0:
        return math.nan
    expected = (n**2 - (totals**2).sum()) / (n - 1)
    return 1.0 if expected == 0 else float(1 - observed / expected)


# not package krippendorff: the same numbers, but NaN where only one value occurs and an error without a second opinion
def krippendorff_alpha(frame: pd.DataFrame) -> Estimate:
    """Krippendorff's alpha for nominal values (Krippendorff 2011) with a bootstrap interval over images: 1 is perfect
    agreement, 0 that of chance, NaN without a unit judged twice, 1 where only one value occurs.

    A unit is one image of one pair at one exposure, its value the outcome (first method, second method, tie), so that
    pairs of different difficulty add to the agreement and equal ones do not.
    frame: columns image_id, a, b, exposure_req_ms, outcome.
    """
    unit = units(frame, "image_id", "a", "b", "exposure_req_ms")
    counts = pd.crosstab(unit, frame["outcome"].to_numpy()).to_numpy(float)
    observed, by_value = _disagreement(counts)
    alpha = _alpha(observed.sum(), by_value.sum(axis=0))
    if math.isnan(alpha):
        return Estimate(alpha, note="no image was judged twice in the same comparison: agreement cannot be measured")
    image = frame["image_id"].to_numpy()[np.unique(unit, return_index=True)[1]]  # of every unit
    codes = pd.factorize(image[counts.sum(axis=1) >= 2])[0]
    images = codes.max() + 1
    if images < 2:
        return Estimate(alpha, note="one image: no interval")
    observed = np.bincount(codes, observed)
    by_value = np.stack([np.bincount(codes, column) for column in by_value.T], axis=1)
    weights = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), RESAMPLES)
    draws = [_alpha(o, t) for o, t in zip(weights @ observed, weights @ by_value, strict=True)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(alpha, (float(low), float(high)))


def split_half(outcomes: np.ndarray, participants: np.ndarray, images: np.ndarray) -> Estimate:
    """Rank correlation (Spearman) of the images' preferences between random halves of the participants, stepped up to
    all participants by the Spearman-Brown formula; mean and 95 % range over SPLITS splits. Of one condition and
    exposure."""
    (participants, people), (images, names) = pd.factorize(participants), pd.factorize(images)
    count, size = len(people), len(names)
    if count < 2 or size < 3:
        return Estimate(math.nan, note="needs at least two participants and three images")
    rng = np.random.default_rng(0)
    found = []
    for _ in range(SPLITS):
        half = (rng.permutation(count) < count // 2)[participants]
        with np.errstate(invalid="ignore"):  # an image that a half did not judge has no mean
            means = [np.bincount(images[side], outcomes[side], size) / np.bincount(images[side], minlength=size)
                     for side in (half, ~half)]
        both = ~np.isnan(means[0]) & ~np.isnan(means[1])
        if both.sum() >= 3 and all(np.ptp(mean[both]) > 0 for mean in means):
            r = stats.spearmanr(means[0][both], means[1][both]).statistic
            found.append(2 * r / (1 + r) if r > -0.999 else -1.0)
    if not found:
        return Estimate(math.nan, note="the two halves share fewer than three images with any spread")
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(float(np.mean(found)), (float(low), float(high)))
