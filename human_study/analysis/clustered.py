"""Variances, intervals and tests for judgments that share participants and images.

Judgments of one participant, or of one image, are not independent, so an interval that counts judgments is far too
narrow (a nominal 95 % covers the truth in about half of the studies). The variance here is the two-way cluster-robust
one of Cameron, Gelbach & Miller (2011): by participant plus by image minus their intersection, never below the larger
of the two, with t quantiles of min(participants, images) - 1 degrees of freedom.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sandwich:
    """Two-way covariance of k estimates in its three parts, each float64 [k, k], and the numbers of clusters."""

    by_participant: np.ndarray
    by_image: np.ndarray
    by_both: np.ndarray
    participants: int
    images: int

    @property
    def df(self) -> int:
        return min(self.participants, self.images) - 1

    @property
    def missing(self) -> str:
        """Why no clustered interval exists; empty otherwise."""
        if self.participants < 2:
            return "one participant: the spread between participants cannot be estimated"
        return "one image: the spread between images cannot be estimated" if self.images < 2 else ""

    def variance(self, contrast: np.ndarray | None = None) -> float:
        """Variance of contrast @ estimates (default: of the first estimate)."""
        contrast = np.eye(len(self.by_participant))[0] if contrast is None else np.asarray(contrast, float)
        participant, image, both = (float(contrast @ part @ contrast)
                                    for part in (self.by_participant, self.by_image, self.by_both))
        return max(participant + image - both, participant, image)


# not statsmodels' cov_type="cluster": the same numbers, but its two-way variance has no floor and can be negative, and
# it takes 15 times as long, which counts for power and for a million judgments
def sandwich(scores: np.ndarray, participants: np.ndarray, images: np.ndarray) -> Sandwich:
    """Two-way covariance of sum(scores), where scores are the judgments' influences on k estimates.

    scores: float [n] or [n, k], summing to about 0 at the estimate; participants, images: integer codes [n], each >= 0.
    """
    scores = scores.reshape(len(scores), -1)
    participants, images = pd.factorize(participants)[0], pd.factorize(images)[0]
    both = pd.factorize(participants.astype(np.int64) * (images.max(initial=0) + 1) + images)[0]
    parts, sizes = [], []
    for codes in (participants, images, both):
        groups = int(codes.max(initial=-1)) + 1
        sums = np.stack([np.bincount(codes, column, groups) for column in scores.T], axis=1)  # [groups, k]
        parts.append(sums.T @ sums * (groups / (groups - 1) if groups > 1 else 1.0))
        sizes.append(groups)
    return Sandwich(*parts, *sizes[:2])


@dataclass(frozen=True)
class Share:
    """A share of judgments (0..1). `effective_n`: the number of independent judgments that would carry as much
    information, at most n; None for the reason in `missing`."""

    value: float
    n: int
    effective_n: float | None
    df: int
    missing: str = ""


def clustered_share(outcomes: np.ndarray, participants: np.ndarray, images: np.ndarray) -> Share:
    """Mean of outcomes (each 0, 0.5 or 1) with its effective number of judgments.

    Where all outcomes are 0 or all are 1 there is no spread to see; each participant then counts as one judgment, or
    each image where those are fewer.
    """
    n = len(outcomes)
    if n == 0:
        return Share(math.nan, 0, None, 0, "no judgments")
    share = float(np.mean(outcomes))
    parts = sandwich((outcomes - share) / n, participants, images)
    if parts.missing:
        return Share(share, n, None, 0, parts.missing)
    if share in (0.0, 1.0):
        return Share(share, n, float(parts.df + 1), parts.df,
                     "all judgments agree: every participant (or image, where fewer) counts as one judgment")
    variance = parts.variance()
    effective = min(share * (1 - share) / variance, n) if variance > 0 else n
    return Share(share, n, float(effective), parts.df)


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n judgments; quantile: of the normal or t distribution (1.96 for 95 %)."""
    spread = quantile**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = quantile * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def clustered_interval(share: Share, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Wilson's interval at the effective number of judgments with a t quantile; None without such a number."""
    if share.effective_n is None:
        return None
    return wilson(share.value, share.effective_n, stats.t.ppf((1 + confidence) / 2, share.df))


def clustered_test(share: Share, null: float = 0.5) -> float | None:
    """Two-sided p value of share = null: the score test that `clustered_interval` inverts."""
    if share.effective_n is None:
        return None
    return float(2 * stats.t.sf(abs(_score(share, null)), share.df))


def clustered_equivalence(share: Share, margin: float, null: float = 0.5) -> float | None:
    """p value of TOST: the larger of the one-sided tests of share <= null - margin and share >= null + margin.

    A small value means that the share lies within the margin: the two methods differ by no more than that.
    """
    if share.effective_n is None:
        return None
    above = stats.t.sf(_score(share, null - margin), share.df)
    below = stats.t.cdf(_score(share, null + margin), share.df)
    return float(max(above, below))


def _score(share: Share, null: float) -> float:
    return (share.value - null) / math.sqrt(null * (1 - null) / share.effective_n)


@dataclass(frozen=True)
class Estimate:
    """A number with its clustered 95 % interval and the two-sided p value of 0; None for the reason in `note`."""

    value: float
    interval: tuple[float, float] | None = None
    p: float | None = None
    note: str = ""


def clustered_difference(outcomes: np.ndarray, second: np.ndarray, participants: np.ndarray, images: np.ndarray
                         ) -> Estimate:
    """Difference of two shares, mean over `second` minus mean over the rest, paired through the participants and images
    that they share.

    second: bool [n]. The value is NaN where one of the two groups is empty.
    """
    outcomes, second = np.asarray(outcomes, float), np.asarray(second, bool)
    if second.all() or not second.any():
        return Estimate(math.nan, note="only one of the two groups has judgments")
    shares = np.array([outcomes[~second].mean(), outcomes[second].mean()])
    counts = np.array([(~second).sum(), second.sum()])
    group = second.astype(int)
    influence = (outcomes - shares[group]) / counts[group] * (2 * group - 1)
    return estimate(float(shares[1] - shares[0]), sandwich(influence, participants, images))


def estimate(value: float, parts: Sandwich, contrast: np.ndarray | None = None) -> Estimate:
    """Wald interval and test of one linear contrast of estimates (default: of the first one)."""
    if parts.missing:
        return Estimate(value, note=parts.missing)
    error = math.sqrt(parts.variance(contrast))
    if error == 0:
        return Estimate(value, note="no spread between participants or images: no interval")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, parts.df)) * error
    return Estimate(value, (value - half, value + half), float(2 * stats.t.sf(abs(value) / error, parts.df)))
