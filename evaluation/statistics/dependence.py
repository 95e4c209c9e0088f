"""How many independent layouts a set is worth whose neighbours resemble one another, as the frames of a film do.

The mean of N values with autocorrelations rho_k scatters like that of N / (1 + 2 sum rho_k) independent ones. Both the
autocovariances and the variance are biased downwards by the scatter of the mean itself, which is put back. Imports no
torch.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEAST_FOR_INTERVAL = 5  # independent pieces; with fewer, intervals of 95 % cover 75 to 86 % however they are widened
LEAST_FOR_TEST = 30
NOTICED = 4.0  # standard errors of a lag-1 autocorrelation from which layouts drawn one by one count as dependent
LEVEL = 0.95


def correlation_time(values: np.ndarray) -> float:
    """1 + 2 sum rho_k of values [N] in their order, 1..N: the larger of two estimates.

    Geyer's initial monotone sequence (Statistical Science 7, 1992) of autocovariances to which the scatter of the mean
    is added, and the first-order autoregression with Kendall's correction; the first sees slow drifts under noise, the
    second is steadier in short series.
    """
    n, centred = len(values), values - values.mean()
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    covariances = np.fft.irfft(power)[: n // 2] / (n - np.arange(n // 2))
    if covariances[0] <= 0:
        return 1.0
    return float(min(n, max(_geyer(covariances, n), _autoregression(covariances[1] / covariances[0], n))))


def _geyer(covariances: np.ndarray, n: int) -> float:
    even = len(covariances) // 2 * 2
    time = 1.0
    for _ in range(50):
        rho = covariances + covariances[0] * time / n
        pairs = (rho[:even:2] + rho[1:even:2]) / rho[0]
        negative = np.flatnonzero(pairs <= 0)
        pairs = np.minimum.accumulate(pairs[: negative[0] if len(negative) else None])
        found = min(n, max(1.0, 2 * pairs.sum() - 1))
        if abs(found - time) < 1e-3:
            break
        time = found
    return found


def _autoregression(lag_1: float, n: int) -> float:
    corrected = min(lag_1 + (1 + 3 * lag_1) / n, 1 - 2 / n)
    return max(1.0, (1 + corrected) / (1 - corrected))


def effective_number(values: np.ndarray, film: bool) -> float:
    """Independent layouts that these are worth for the mean of `values` [N], at most N.

    film: neighbours are known to depend on one another; otherwise they count as independent as long as the lag-1
    autocorrelation stays within four standard errors.
    """
    n = len(values)
    if n < 8 or not np.isfinite(values).all() or np.ptp(values) == 0:
        return float(n)
    centred = values - values.mean()
    if not film and (centred[1:] @ centred[:-1]) / (centred @ centred) * np.sqrt(n) < NOTICED:
        return float(n)
    return n / correlation_time(values)


@dataclass(frozen=True)
class Dependence:
    """pieces: what N layouts are worth for this number. widening: of the spread of its replicates."""

    pieces: float
    n: int
    widening: float = 1.0

    @property
    def found(self) -> bool:
        return self.pieces < self.n

    @property
    def interval_possible(self) -> bool:
        return not self.found or self.pieces >= LEAST_FOR_INTERVAL

    @property
    def test_possible(self) -> bool:
        return not self.found or self.pieces >= LEAST_FOR_TEST

    @property
    def note(self) -> str:
        """What a reader has to know; empty for independent layouts."""
        worth = f"the {self.n} layouts depend on their neighbours, worth about {self.pieces:.0f} independent ones"
        if not self.found:
            return ""
        return f"{worth}; interval widened" if self.interval_possible else f"{worth}: too few for an interval"


def dependence(influence: np.ndarray, replicates: np.ndarray, film: bool) -> Dependence:
    """Of a number with these contributions of the layouts [N] (their mean is the number) and these replicates [R].

    The widened spread is that of a t interval for so many pieces, with the variance of the contributions freed of its
    bias; never less than the replicates' own.
    """
    n = len(influence)
    pieces = effective_number(influence, film)
    own = np.nanstd(replicates) if np.isfinite(replicates).any() else 0.0
    if pieces >= n or pieces < 2 or not own:
        return Dependence(pieces, n)
    error = np.sqrt(influence.var(ddof=1) / (1 - 1 / pieces) / pieces)
    half = stats.t.ppf((1 + LEVEL) / 2, pieces - 1) * error
    return Dependence(pieces, n, max(1.0, half / (stats.norm.ppf((1 + LEVEL) / 2) * own)))
