"""A mixed model to compare with the clustered intervals: logit P(a is preferred) = mean + participant + image, where
participant and image effects are normal.

Fitted by Laplace's approximation with the mean integrated out, as in REML, because the spreads would be underestimated
otherwise. statsmodels' BinomialBayesMixedGLM fits the same model by variational Bayes, whose intervals are far too
narrow here: its nominal 95 % intervals held the truth in 15 of 25 simulated studies.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from human_study.analysis.clustered import CONFIDENCE
from human_study.analysis.preference import by_exposure

MOST_CELLS = 250_000  # participants x images; some seconds
LARGEST_STEP = 3.0  # of Newton's method, log odds
LARGEST_SD = 5.0  # log odds; with a larger one every participant, or image, always gives the same answer
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True)
class MixedModel:
    """One pair at one exposure. `share`: of votes for method a, averaged over participants and images; not the share of
    the average participant and image."""

    a: str
    b: str
    exposure_ms: float | None
    share: float | None = None
    interval: tuple[float, float] | None = None  # 95 %
    participant_sd: float | None = None  # log odds
    image_sd: float | None = None
    note: str = ""


def mixed_models(frame: pd.DataFrame, ties: str = "half") -> list[MixedModel]:
    """One row per pair and exposure of preference.judgments. ties: "half" a vote for each method, or "drop"."""
    rows = []
    for (a, b), exposure_ms, group in by_exposure(frame, "a", "b"):
        if ties == "drop":
            group = group[group["outcome"] != 0.5]
        outcome = group["outcome"].to_numpy(float)
        participants, images = (pd.factorize(group[name])[0] for name in ("participant", "image_id"))
        counts = [int(codes.max(initial=-1)) + 1 for codes in (participants, images)]
        if min(counts) < 2:
            rows.append(MixedModel(a, b, exposure_ms, note="needs two participants and two images"))
        elif outcome.min() == outcome.max():
            rows.append(MixedModel(a, b, exposure_ms, note="all judgments are alike: no finite estimate"))
        elif counts[0] * counts[1] > MOST_CELLS:
            rows.append(MixedModel(a, b, exposure_ms, note="too many participants and images for this model"))
        else:
            try:
                mean, error, sds = fit(outcome, participants, images)
            except np.linalg.LinAlgError:
                rows.append(MixedModel(a, b, exposure_ms, note="almost all judgments are alike: no finite estimate"))
                continue
            half = stats.t.ppf((1 + CONFIDENCE) / 2, min(counts) - 1) * error
            share, low, high = (_marginal(at, float(np.hypot(*sds))) for at in (mean, mean - half, mean + half))
            rows.append(MixedModel(a, b, exposure_ms, share, (low, high), *sds))
    return rows


def _marginal(mean: float, sd: float) -> float:
    """Expectation of the logistic function of a normal variable."""
    return float(WEIGHTS @ special.expit(mean + sd * NODES) / WEIGHTS.sum())


def fit(outcome: np.ndarray, participants: np.ndarray, images: np.ndarray) -> tuple[float, float, tuple[float, float]]:
    """Mean, its standard error, and the standard deviations of participants and of images, all in log odds.

    outcome: 1, 0 or 0.5 [n]; participants, images: codes [n] from 0.
    """
    # the factor with more levels is eliminated, which is cheap because its block of the information is diagonal
    more_participants = participants.max() > images.max()
    few, many = (images, participants) if more_participants else (participants, images)
    f, m = few.max() + 1, many.max() + 1
    effects = np.zeros(1 + f), np.zeros(m)  # mean and the factor with few levels; the one with many

    def laplace(sds: np.ndarray) -> tuple[float, np.ndarray]:
        """Log likelihood with the effects integrated out, and the information [1 + f, 1 + f] of mean and few; sds: of
        few and many."""
        nonlocal effects
        few_precision, many_precision = sds ** -2.0
        prior = np.r_[0.0, np.full(f, few_precision)]
        x, z = effects
        for _ in range(100):
            p = special.expit(x[0] + x[1 + few] + z[many])
            weight, rest = p * (1 - p), outcome - p
            x_slope = np.r_[rest.sum(), np.bincount(few, rest, f)] - prior * x
            z_slope = np.bincount(many, rest, m) - many_precision * z
            cross = np.vstack([np.bincount(many, weight, m),
                               np.bincount(few * m + many, weight, f * m).reshape(f, m)])
            diagonal = cross[0] + many_precision
            information = np.diag(np.r_[weight.sum(), np.bincount(few, weight, f)] + prior)
            information[0, 1:] = information[1:, 0] = np.diag(information)[1:] - few_precision
            information -= (cross / diagonal) @ cross.T
            step = np.linalg.solve(information, x_slope - cross @ (z_slope / diagonal))
            step = step.clip(-LARGEST_STEP, LARGEST_STEP)
            x, z = x + step, z + (z_slope - cross.T @ step) / diagonal
            if np.abs(step).max() < 1e-8:
                break
        effects = x, z
        eta = x[0] + x[1 + few] + z[many]
        value = (outcome * eta - np.logaddexp(0, eta)).sum() - (prior @ x**2 + many_precision * z @ z) / 2
        value += (f * np.log(few_precision) + m * np.log(many_precision) - np.linalg.slogdet(information)[1]
                  - np.log(diagonal).sum()) / 2
        return float(value), information

    found = optimize.minimize(lambda logs: -laplace(np.exp(logs))[0], np.log([0.5, 0.5]), method="Nelder-Mead",
                              bounds=[(-4, np.log(LARGEST_SD))] * 2, options={"xatol": 0.01, "fatol": 0.005})
    sds = np.exp(found.x)
    _, information = laplace(sds)
    error = float(np.sqrt(np.linalg.inv(information)[0, 0]))
    return float(effects[0][0]), error, tuple(map(float, sds[::-1] if more_participants else sds))
