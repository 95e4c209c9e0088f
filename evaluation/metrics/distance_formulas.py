"""Distances between two sets of images in a feature space: Fréchet, kernels, and the Inception score.

Pure functions of float64 features [N, D]; generated set first, real set second. Each has a twin that also gives one
number per image whose mean is the score: the image's first-order contribution (infinitesimal jackknife) or its
jackknife pseudo-value. They feed the paired bootstrap; the interval is that of the distance at this N, whose bias
(large for the Fréchet distance when N is below D) is not part of it: compare with the real-against-real floor.
"""

from dataclasses import dataclass

import numpy as np

from data.errors import InputError

KERNEL_SUBSETS = 100  # torch-fidelity's default
KERNEL_SUBSET_SIZE = 1000  # likewise; smaller where N is smaller
ENGINE_SEED = 2020  # torch-fidelity's default rng_seed
CMMD_SIGMA, CMMD_SCALE = 10.0, 1000.0  # Jayasumana et al. 2024


@dataclass(frozen=True)
class Terms:
    """A distance and what each pair of images adds to it: per_image float64 [N], mean equal to value."""

    value: float
    per_image: np.ndarray


def check_features(x: np.ndarray, y: np.ndarray) -> None:
    """Raises InputError unless both are [N, D] of one D, finite, with at least two images each."""
    for features in (x, y):
        if features.ndim != 2 or len(features) < 2:
            raise InputError(f"features of at least two images [N, D] expected, got shape {list(features.shape)}")
        if not np.isfinite(features).all():
            raise InputError("features hold NaN or infinity; the extractor or its weights are broken")
    if x.shape[1] != y.shape[1]:
        raise InputError(f"features of {x.shape[1]} and {y.shape[1]} dimensions cannot be compared")


def _scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)


def _trace_term(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """tr (S1 S2)^(1/2) for S1 = A'A, S2 = B'B, as the nuclear norm of A B'; and diag U S U', diag V S V' of its SVD.

    For N > D a thin QR of each factor leaves a D x D problem with the same singular values.
    """
    q_a, r_a = np.linalg.qr(a) if len(a) > a.shape[1] else (None, a)
    q_b, r_b = np.linalg.qr(b) if len(b) > b.shape[1] else (None, b)
    u, s, vt = np.linalg.svd(r_a @ r_b.T, full_matrices=False)
    u = u if q_a is None else q_a @ u
    v = vt.T if q_b is None else q_b @ vt.T
    return float(s.sum()), (u * u) @ s, (v * v) @ s


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Fréchet (2-Wasserstein) distance of Gaussians with the sets' means and (n-1) covariances.

    Heusel et al. 2017, Eq. 6. Exact trace term, no matrix square root. Called FID only on Inception's features.
    """
    check_features(x, y)
    a, b = _scaled(x), _scaled(y)
    shift = x.mean(axis=0) - y.mean(axis=0)
    small = min(len(x), len(y), x.shape[1]) < x.shape[1]
    product = a @ b.T if small else np.linalg.qr(a, mode="r") @ np.linalg.qr(b, mode="r").T
    trace = np.linalg.svd(product, compute_uv=False).sum()
    return float(max(0.0, shift @ shift + (a * a).sum() + (b * b).sum() - 2 * trace))


def frechet_terms(x: np.ndarray, y: np.ndarray) -> Terms:
    """Fréchet distance with first-order contributions of the pairs (x_i, y_i): images of one layout go together."""
    _check_paired(x, y)
    a, b = _scaled(x), _scaled(y)
    shift = x.mean(axis=0) - y.mean(axis=0)
    trace, from_a, from_b = _trace_term(a, b)
    value = max(0.0, float(shift @ shift + (a * a).sum() + (b * b).sum() - 2 * trace))
    n = len(x)
    influence = 2 * (x - y) @ shift + n * ((a * a).sum(1) + (b * b).sum(1) - from_a - from_b)
    return Terms(value, value + influence - influence.mean())


def _check_paired(x: np.ndarray, y: np.ndarray) -> None:
    check_features(x, y)
    if len(x) != len(y):
        raise InputError(f"{len(x)} and {len(y)} images: contributions per layout need one of each per layout")


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x.y / D + 1)^3, Bińkowski et al. 2018: float64 [N, M]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def subset_size(n: int) -> int:
    """Images in each subset of the kernel distance: the usual 1000, or half of the set where that is fewer."""
    return max(2, min(KERNEL_SUBSET_SIZE, n // 2))


def kernel_subsets(x: np.ndarray, y: np.ndarray, size: int | None = None, subsets: int = KERNEL_SUBSETS,
                   seed: int = ENGINE_SEED) -> np.ndarray:
    """Squared MMD with the cubic kernel in each of random subsets, [subsets]; their mean is the kernel distance.

    The subsets are those torch-fidelity draws for the same seed. The estimate has no bias for two independent sets; of
    images made for the photographs' own layouts the pairs i = i are no independent ones (see own_left_out).
    Raises InputError when a set is smaller than the subsets.
    """
    check_features(x, y)
    size = size or subset_size(min(len(x), len(y)))
    if size > min(len(x), len(y)):
        raise InputError(f"kernel distance: subsets of {size} images, but the sets have {len(x)} and {len(y)}; lower "
                         "score.kernel_subset_size")
    in_x, in_y = np.zeros((subsets, len(x))), np.zeros((subsets, len(y)))
    rng = np.random.RandomState(seed)
    for s in range(subsets):
        in_x[s, rng.choice(len(x), size, replace=False)] = 1
        in_y[s, rng.choice(len(y), size, replace=False)] = 1
    xx, yy, xy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    np.fill_diagonal(xx, 0)
    np.fill_diagonal(yy, 0)
    within = (in_x @ xx * in_x).sum(axis=1) + (in_y @ yy * in_y).sum(axis=1)
    across = (in_x @ xy * in_y).sum(axis=1)
    return within / (size * (size - 1)) - 2 * across / size**2


def kernel_distance(x: np.ndarray, y: np.ndarray, size: int | None = None, subsets: int = KERNEL_SUBSETS,
                    seed: int = ENGINE_SEED) -> float:
    """Mean of kernel_subsets (KID when on Inception's features). May be slightly negative for equal distributions."""
    return float(np.mean(kernel_subsets(x, y, size, subsets, seed)))


def kernel_terms(x: np.ndarray, y: np.ndarray, size: int | None = None, seed: int = ENGINE_SEED) -> Terms:
    """Kernel distance with jackknife pseudo-values of the pairs (x_i, y_i), of the MMD over all N images.

    For equal distributions the jackknife errs on the wide side (about twice the variance), never on the narrow one.
    """
    _check_paired(x, y)
    n = len(x)
    xx, yy, xy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    within = xx + yy
    np.fill_diagonal(within, 0)
    full = within.sum() / (n * (n - 1)) - 2 * xy.sum() / n**2
    kept_within = within.sum() - 2 * within.sum(axis=1)
    kept_across = xy.sum() - xy.sum(axis=0) - xy.sum(axis=1) + np.diagonal(xy)
    left_out = kept_within / ((n - 1) * (n - 2)) - 2 * kept_across / (n - 1) ** 2
    pseudo = n * full - (n - 1) * left_out
    value = kernel_distance(x, y, size, seed=seed)
    return Terms(value, value + pseudo - pseudo.mean())


def own_left_out(x: np.ndarray, y: np.ndarray) -> Terms:
    """Squared MMD with the cubic kernel over all pairs i != j, in all three sums: no image meets the photograph of its
    own layout. Without bias where layouts are independent, however closely an image follows its photograph; 0 for a set
    against itself. Jackknife pseudo-values of the pairs (x_i, y_i)."""
    _check_paired(x, y)
    xy = polynomial_kernel(x, y)
    pairs = polynomial_kernel(x, x) + polynomial_kernel(y, y) - xy - xy.T
    np.fill_diagonal(pairs, 0)
    n = len(x)
    value = pairs.sum() / (n * (n - 1))
    left_out = (pairs.sum() - 2 * pairs.sum(axis=1)) / ((n - 1) * (n - 2))
    return _of_left_out(float(value), left_out)


def _of_left_out(value: float, left_out: np.ndarray) -> Terms:
    """Pseudo-values from what the number is without each layout."""
    n = len(left_out)
    pseudo = n * value - (n - 1) * left_out
    return Terms(value, value + pseudo - pseudo.mean())


def cmmd_terms(x: np.ndarray, y: np.ndarray) -> Terms:
    """CMMD, Jayasumana et al. 2024: squared MMD of unit-length embeddings with a Gaussian kernel of width 10, times
    1000, all pairs counted (i = i too, as in the authors' code). Jackknife pseudo-values of the pairs (x_i, y_i)."""
    _check_paired(x, y)
    a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    xy = _gaussian_kernel(a, b)
    pairs = _gaussian_kernel(a, a) + _gaussian_kernel(b, b) - xy - xy.T
    n, total = len(x), pairs.sum()
    left_out = (total - 2 * pairs.sum(axis=1) + np.diagonal(pairs)) / (n - 1) ** 2
    return _of_left_out(CMMD_SCALE * float(total / n**2), CMMD_SCALE * left_out)


def cmmd(x: np.ndarray, y: np.ndarray) -> float:
    """The value of cmmd_terms, for sets of any size."""
    check_features(x, y)
    a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    within = _gaussian_kernel(a, a).mean() + _gaussian_kernel(b, b).mean()
    return float(CMMD_SCALE * (within - 2 * _gaussian_kernel(a, b).mean()))


def _gaussian_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of unit vectors [N, D], [M, D]: |a - b|^2 = 2 - 2 a.b."""
    return np.exp(-(2 - 2 * a @ b.T) / (2 * CMMD_SIGMA**2))


def inception_score(logits: np.ndarray, splits: int = 10, seed: int = ENGINE_SEED) -> Terms:
    """exp of the mean divergence of class probabilities from their mean, averaged over splits (Salimans et al. 2016).

    logits: float64 [N, classes]. The splits are those of torch-fidelity for the same seed; contributions per image are
    first-order ones of the score over all N images. Raises InputError for fewer images than splits.
    """
    if len(logits) < splits:
        raise InputError(f"Inception score: {len(logits)} images for {splits} splits")
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    shuffled = log_p[np.random.RandomState(seed).permutation(len(log_p))]
    bounds = [i * len(log_p) // splits for i in range(splits + 1)]
    scores = [np.exp(_divergences(shuffled[a:b]).mean()) for a, b in zip(bounds, bounds[1:], strict=False)]
    divergences = _divergences(log_p)
    value = float(np.mean(scores))
    influence = np.exp(divergences.mean()) * (divergences - divergences.mean())
    return Terms(value, value + influence)


def _divergences(log_p: np.ndarray) -> np.ndarray:
    p = np.exp(log_p)
    return (p * (log_p - np.log(p.mean(axis=0)))).sum(axis=1)
