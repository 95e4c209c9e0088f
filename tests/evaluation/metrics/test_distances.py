"""Distances between sets: closed forms, properties, and torch-fidelity's own public call on the same extractor."""

import numpy as np
import pytest
import scipy.linalg
import torch
import torch_fidelity
from torch.utils.data import TensorDataset

from data.errors import InputError
from evaluation.metrics.distance_formulas import (
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
from evaluation.metrics.manifolds import SetDistances
from evaluation.networks.features import FEATURES, LOGITS, Extractor

RNG = np.random.default_rng(0)
WIDE = RNG.normal(size=(40, 90)), RNG.normal(size=(40, 90)) * 1.5 + 0.2  # N < D
TALL = RNG.normal(size=(300, 12)), RNG.normal(size=(300, 12)) @ RNG.normal(size=(12, 12)) + 0.5  # N > D
MIXED = RNG.normal(size=(40, 60)), RNG.normal(size=(90, 60))


def by_matrix_square_root(x, y):
    """The textbook formula."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(scipy.linalg.sqrtm(a @ b))
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root)


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(3)
    first = torch.randint(0, 256, (120, 3, 16, 16), dtype=torch.uint8, generator=generator)
    second = (torch.randint(0, 256, (120, 3, 16, 16), generator=generator) * 0.8 + 20).to(torch.uint8)
    return first, second


@pytest.fixture(scope="module")
def extractor():
    """12 features and 5 logits of a small random network."""
    torch.manual_seed(4)
    conv, head = torch.nn.Conv2d(3, 12, 5, 2), torch.nn.Linear(12, 5)

    def network(x):
        pooled = conv(x / 255).relu().amax(dim=(2, 3))
        return {FEATURES: pooled, LOGITS: head(pooled)}

    return Extractor("random", network, {"weights": "seed 4"})


class Images(TensorDataset):
    def __getitem__(self, index):
        return super().__getitem__(index)[0]


@pytest.fixture
def of_engine(extractor, images, engine_name):
    def measure(**options):
        return torch_fidelity.calculate_metrics(
            input1=Images(images[0]), input2=Images(images[1]), feature_extractor=engine_name(extractor), cuda=False,
            cache=False, verbose=False, save_cpu_ram=True, **options)
    return measure


def of_ours(extractor, images, layer=FEATURES):
    return [extractor(batch)[layer].double().numpy() for batch in images]


def test_frechet_equals_the_engines(extractor, images, of_engine):
    theirs = of_engine(fid=True)["frechet_inception_distance"]
    assert frechet_distance(*of_ours(extractor, images)) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("size, seed", [(50, 2020), (120, 1)])
def test_kernel_distance_equals_the_engines_with_the_same_seed(extractor, images, of_engine, size, seed):
    theirs = of_engine(kid=True, kid_subset_size=size, rng_seed=seed)
    ours = kernel_distance(*of_ours(extractor, images), size, seed=seed)
    assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    subsets = kernel_subsets(*of_ours(extractor, images), size, seed=seed)
    assert subsets.std() == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-6)


def test_precision_and_recall_equal_the_engines(extractor, images, of_engine):
    theirs = of_engine(prc=True)
    ours = {name: each.mean() for name, each in SetDistances(*of_ours(extractor, images), 3).inside(3, 3).items()}
    assert 0 < ours["recall"] < 1
    for name in ("precision", "recall"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-6)


def test_inception_score_equals_the_engines(extractor, images, of_engine):
    theirs = of_engine(isc=True)["inception_score_mean"]
    assert inception_score(of_ours(extractor, images, LOGITS)[0]).value == pytest.approx(theirs, rel=1e-6)


def test_frechet_of_gaussians_in_closed_form():
    """Points whose mean and covariance are exact: two Gaussians with diagonal covariances and a shift."""
    base = np.linalg.qr(RNG.normal(size=(50, 4)) - 0)[0]
    base -= base.mean(0)
    white = base @ np.linalg.inv(np.linalg.cholesky(np.cov(base, rowvar=False))).T  # covariance exactly 1
    s, t, shift = np.array([1, 2, 3, 0.5]), np.array([2, 2, 1, 1.5]), np.array([1.0, -2, 0, 0.5])
    assert frechet_distance(white * s, white[::-1] * t + shift) == pytest.approx(
        np.square(shift).sum() + np.square(s - t).sum(), rel=1e-10)


@pytest.mark.parametrize("x, y", [WIDE, TALL, MIXED])
def test_frechet_properties(x, y):
    """The trace term without a matrix square root is that with one; symmetry, order, rotations."""
    assert frechet_distance(x, y) == pytest.approx(by_matrix_square_root(x, y), rel=1e-5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))
    order = RNG.permutation(len(x))
    assert frechet_distance(x[order], y) == pytest.approx(frechet_distance(x, y))
    rotation = np.linalg.qr(RNG.normal(size=(x.shape[1], x.shape[1])))[0]
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(frechet_distance(x, y))


def test_features_in_float32_would_lose_what_the_distance_is_made_of():
    """Far from the origin float32 features leave nothing of a small difference: the reason for float64 throughout."""
    x, y = RNG.normal(size=(200, 8)) * 1e-3 + 1e4, RNG.normal(size=(200, 8)) * 2e-3 + 1e4
    truth = frechet_distance(x - 1e4, y - 1e4)
    assert frechet_distance(x, y) == pytest.approx(truth, rel=1e-6)
    assert frechet_distance(x.astype(np.float32), y.astype(np.float32)) != pytest.approx(truth, rel=1e-2)


@pytest.mark.parametrize("terms, distance", [(frechet_terms, frechet_distance), (kernel_terms, kernel_distance)])
@pytest.mark.parametrize("x, y", [WIDE, TALL])
def test_contributions_average_to_the_distance(terms, distance, x, y):
    found = terms(x, y)
    assert found.per_image.shape == (len(x),) and found.value == pytest.approx(distance(x, y), rel=1e-9)
    assert found.per_image.mean() == pytest.approx(found.value, rel=1e-9, abs=1e-12)


def test_frechet_contributions_are_the_derivative_by_the_weight_of_a_pair():
    """Repeating pair 5 changes the distance as its contribution says, to first order."""
    x, y = TALL
    def with_weight(times):
        weights = np.r_[np.full(len(x), 50), times]  # every pair 50 times, pair 5 `times` times more
        index = np.repeat(np.r_[np.arange(len(x)), 5], weights)
        a, b = x[index], y[index]
        correction = (len(index) - 1) / len(index)  # population covariances, as the derivative is taken of
        shift = a.mean(0) - b.mean(0)
        return shift @ shift + correction * (frechet_distance(a, b) - shift @ shift)
    gained = (with_weight(1) - with_weight(0)) * (50 * len(x) + 1)
    found = frechet_terms(x, y)
    assert gained == pytest.approx(found.per_image[5] - found.value, rel=0.02)


def test_the_spread_of_contributions_tells_the_spread_of_the_distance():
    """Over independent sets the standard error from one set is right within a third, and never much too small."""
    rng = np.random.default_rng(5)
    for terms in (frechet_terms, kernel_terms):
        values, errors = [], []
        for _ in range(60):
            z = rng.normal(size=(100, 40))
            found = terms(0.7 * z + 0.6 * rng.normal(size=z.shape) + 0.1, z)
            values.append(found.value)
            errors.append(found.per_image.std(ddof=1) / 10)
        assert 0.8 < np.mean(errors) / np.std(values) < 1.6


def test_kernel_distance_by_hand():
    x, y = np.array([[1.0], [2.0], [0.0]]), np.array([[0.0], [1.0], [3.0]])
    k = lambda a, b: (a * b + 1) ** 3  # noqa: E731
    within_x = 2 * (k(1, 2) + k(1, 0) + k(2, 0)) / 6
    within_y = 2 * (k(0, 1) + k(0, 3) + k(1, 3)) / 6
    across = sum(k(a, b) for a in (1, 2, 0) for b in (0, 1, 3)) / 9
    assert kernel_distance(x, y, 3, subsets=2) == pytest.approx(within_x + within_y - 2 * across)


def test_kernel_subsets_fit_the_set():
    assert subset_size(500) == 250 and subset_size(50_000) == 1000
    x, y = TALL
    assert abs(kernel_distance(x, x[::-1])) < 0.2 * kernel_distance(x, y)
    with pytest.raises(InputError, match="subsets of 1000 images, but the sets have 300 and 300"):
        kernel_distance(x, y, 1000)


def test_inception_score_bounds():
    assert inception_score(np.zeros((20, 4))).value == pytest.approx(1)
    certain = np.eye(4)[np.arange(400) % 4] * 1e3
    assert inception_score(certain, splits=1).value == pytest.approx(4)


def test_bad_features_are_refused():
    x = np.ones((5, 3))
    for call, message in ((lambda: frechet_distance(x, np.ones((5, 4))), "3 and 4 dimensions"),
                          (lambda: frechet_distance(x[:1], x), "at least two images"),
                          (lambda: kernel_distance(x * np.nan, x), "NaN"),
                          (lambda: frechet_terms(x, np.ones((6, 3))), "one of each per layout"),
                          (lambda: SetDistances(x[:3], x, 3), "more than 3 images"),
                          (lambda: inception_score(x), "10 splits")):
        with pytest.raises(InputError, match=message):
            call()


# images of the photographs' own layouts


def test_own_left_out_by_its_definition():
    x, y = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 3))
    k = lambda a, b: (a @ b / 3 + 1) ** 3  # noqa: E731
    pairs = [k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i])
             for i in range(7) for j in range(7) if i != j]
    found = own_left_out(x, y)
    assert found.value == pytest.approx(np.mean(pairs)) and own_left_out(x, x).value == pytest.approx(0, abs=1e-12)
    left_out = np.array([own_left_out(np.delete(x, i, 0), np.delete(y, i, 0)).value for i in range(7)])
    assert found.per_image - found.per_image.mean() == pytest.approx(6 * (left_out.mean() - left_out))


def test_following_the_photographs_biases_kd_and_not_own_left_out():
    """Equal distributions, the truth is 0; an image correlates with its photograph by 0.9."""
    rng, kd, apart = np.random.default_rng(8), [], []
    for _ in range(60):
        y = rng.normal(size=(100, 16))
        x = 0.9 * y + np.sqrt(1 - 0.81) * rng.normal(size=y.shape)
        kd.append(kernel_terms(x, y).value)
        apart.append(own_left_out(x, y).value)
    error = np.std(apart) / np.sqrt(60)
    assert abs(np.mean(apart)) < 3 * error and np.mean(kd) < -10 * error


# CMMD


def official_cmmd(x, y):
    """The formula of the authors' distance.py: unit-length rows, sigma 10, scale 1000, means over all pairs."""
    def kernel(a, b):
        squared = -2 * a @ b.T + np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None]
        return np.exp(-squared / (2 * 10**2))

    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    return 1000 * (kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean())


def test_cmmd():
    for x, y in (WIDE, TALL):
        assert cmmd_terms(x, y).value == pytest.approx(official_cmmd(x, y), rel=1e-9)
        assert cmmd_terms(x, y).per_image.mean() == pytest.approx(cmmd(x, y), rel=1e-9)
    assert cmmd(*MIXED) == pytest.approx(official_cmmd(*MIXED), rel=1e-9)
    assert cmmd(TALL[0], 7 * TALL[0]) == pytest.approx(0, abs=1e-9)  # length says nothing
    by_hand = 1000 * (2 - 2 * np.exp(-2 / 200))  # unit vectors at right angles, one in each set twice
    assert cmmd(np.array([[1.0, 0], [2, 0]]), np.array([[0, 3.0], [0, 1]])) == pytest.approx(by_hand)
