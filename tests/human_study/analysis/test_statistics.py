"""The statistics of the human study, one by one: by hand, against other packages, and the paper's numbers."""

import math

import choix
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from evaluation import published
from human_study.analysis import bradley_terry, effects
from human_study.analysis.agreement import krippendorff_alpha, split_half
from human_study.analysis.clustered import (
    Share,
    clustered_difference,
    clustered_equivalence,
    clustered_interval,
    clustered_share,
    clustered_test,
    sandwich,
    wilson,
)
from human_study.analysis.mixed import fit, mixed_models
from human_study.analysis.outputs import read_counts
from human_study.analysis.results import analyse_counts
from human_study.analysis.robustness import votes_to_flip

Y = np.array([1.0, 1, 0, 1, 0, 0])
PARTICIPANTS = np.array([0, 0, 0, 1, 1, 1])
IMAGES = np.array([0, 1, 2, 0, 1, 2])


# --- variances and intervals -----------------------------------------------------------------------------------------

def test_two_way_variance_by_hand():
    # residuals +-1/2, influence e/6: participants sum to (+.5, -.5)/6, images to (1, 0, -1)/6, cells to +-.5/6
    parts = sandwich((Y - 0.5) / 6, PARTICIPANTS, IMAGES)
    assert parts.by_participant[0, 0] == pytest.approx(2 / 1 * (0.25 + 0.25) / 36)
    assert parts.by_image[0, 0] == pytest.approx(3 / 2 * (1 + 0 + 1) / 36)
    assert parts.by_both[0, 0] == pytest.approx(6 / 5 * 6 * 0.25 / 36)
    assert parts.variance() == pytest.approx((1 + 3 - 1.8) / 36 if 1 + 3 - 1.8 > 3 else 3 / 36)
    assert (parts.participants, parts.images, parts.df) == (2, 3, 1)


def test_effective_number_and_interval_by_hand():
    share = clustered_share(Y, PARTICIPANTS, IMAGES)
    assert share.effective_n == pytest.approx(0.25 / (3 / 36))
    low, high = clustered_interval(share)
    t = stats.t.ppf(0.975, 1)
    centre, half = 0.5, t / (1 + t * t / 3) * math.sqrt(0.25 / 3 + t * t / 36)
    assert (low, high) == pytest.approx((centre - half, centre + half))


def test_variance_and_wilsons_interval_equal_statsmodels():
    rng = np.random.default_rng(3)
    w, i = np.repeat(np.arange(20), 15), np.tile(np.arange(15), 20)
    y = (rng.random(300) < special.expit(-rng.normal(0, 1, 20)[w] - rng.normal(0, 1, 15)[i])).astype(float)
    theirs = sm.OLS(y, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": np.column_stack([w, i])}).bse[0]
    assert math.sqrt(sandwich((y - y.mean()) / 300, w, i).variance()) == pytest.approx(theirs, rel=1e-6)
    for wins, n in [(30, 50), (997, 1000), (500, 500), (0, 7)]:
        interval = proportion_confint(wins, n, method="wilson")
        assert wilson(wins / n, n, stats.norm.ppf(0.975)) == pytest.approx(interval, abs=1e-12)


def test_where_clusters_carry_no_variance():
    alike = clustered_share(np.ones(500), np.repeat(np.arange(5), 100), np.arange(500))  # one judgment per participant
    assert alike.effective_n == 5 and "all judgments agree" in alike.missing
    assert clustered_interval(alike)[0] < 0.5 < 1.0 == clustered_interval(alike)[1]
    # every participant and every image splits its votes evenly: no narrower than independent judgments
    assert clustered_share(np.array([1.0, 0, 0, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])).effective_n == 4
    for participants, images, why in (([0, 0, 0], [0, 1, 2], "one participant"), ([0, 1, 2], [0, 0, 0], "one image")):
        share = clustered_share(np.array([1.0, 0, 1]), np.array(participants), np.array(images))
        assert clustered_interval(share) is None and clustered_test(share) is None and why in share.missing
        assert clustered_equivalence(share, 0.05) is None


def test_test_and_interval_agree():
    rng = np.random.default_rng(0)
    for _ in range(50):
        y, w, i = (rng.random(60) < 0.6).astype(float), rng.integers(0, 8, 60), rng.integers(0, 12, 60)
        share = clustered_share(y, w, i)
        low, high = clustered_interval(share)
        assert (clustered_test(share) < 0.05) == (not low <= 0.5 <= high)


def test_equivalence_is_both_one_sided_tests():
    assert clustered_equivalence(Share(0.5, 4000, 4000.0, 100), 0.05) < 1e-8
    assert clustered_equivalence(Share(0.5, 100, 100.0, 20), 0.05) > 0.1
    assert clustered_equivalence(Share(0.7, 4000, 4000.0, 100), 0.05) > 0.99
    assert clustered_equivalence(Share(0.45, 4000, 4000.0, 100), 0.05) == pytest.approx(0.5)


def test_difference_of_shares_is_paired():
    # the second method wins on exactly the images where the first does: paired, no noise is left but the shift
    rng = np.random.default_rng(0)
    easy = rng.normal(0, 2, 60)
    w, i = np.repeat(np.arange(20), 60), np.tile(np.arange(60), 20)
    both = np.concatenate([(rng.random(1200) < special.expit(easy[i])) for _ in range(2)]).astype(float)
    second = np.repeat([False, True], 1200)
    paired = clustered_difference(both, second, np.tile(w, 2), np.tile(i, 2))
    apart = clustered_difference(both, second, np.tile(w, 2), np.concatenate([i, i + 60]))
    assert paired.value == pytest.approx(both[second].mean() - both[~second].mean())
    assert paired.interval[1] - paired.interval[0] < 0.5 * (apart.interval[1] - apart.interval[0])
    assert "one of the two" in clustered_difference(both, np.ones(2400, bool), np.tile(w, 2), np.tile(i, 2)).note


# --- the mixed model -------------------------------------------------------------------------------------------------

def crossed(n_participants: int, n_images: int, mean: float, sds: tuple[float, float], seed: int) -> pd.DataFrame:
    """Every participant judges every image once."""
    rng = np.random.default_rng(seed)
    w, i = np.repeat(np.arange(n_participants), n_images), np.tile(np.arange(n_images), n_participants)
    eta = mean + rng.normal(0, sds[0], n_participants)[w] + rng.normal(0, sds[1], n_images)[i]
    return pd.DataFrame({"a": "x", "b": "y", "exposure_req_ms": np.nan, "participant": w, "image_id": i,
                         "outcome": (rng.random(len(w)) < special.expit(eta)).astype(float)})


@pytest.mark.parametrize("shape, sds", [((25, 40), (0.9, 0.4)), ((40, 25), (0.4, 0.9))])
def test_the_mixed_model_recovers_mean_and_spreads(shape, sds):
    found = [fit(*(crossed(*shape, 0.5, sds, seed)[name].to_numpy() for name in ("outcome", "participant", "image_id")))
             for seed in range(8)]
    assert np.mean([mean for mean, _, _ in found]) == pytest.approx(0.5, abs=0.15)
    assert np.mean([spreads for _, _, spreads in found], axis=0) == pytest.approx(sds, abs=0.12)
    assert sum(abs(mean - 0.5) < 2.2 * error for mean, error, _ in found) >= 7


def test_the_mixed_model_beside_the_shares():
    frame = crossed(25, 40, 0.5, (0.9, 0.4), 1)
    only, = mixed_models(frame)
    low, high = only.interval
    assert low < only.share < high and only.share == pytest.approx(frame["outcome"].mean(), abs=0.02)
    assert "two participants" in mixed_models(frame[frame["participant"] == 0])[0].note
    assert "alike" in mixed_models(frame.assign(outcome=1.0))[0].note
    one_lost = frame.assign(outcome=(np.arange(len(frame)) > 0).astype(float))
    assert mixed_models(one_lost)[0].note or mixed_models(one_lost)[0].share > 0.98
    assert mixed_models(frame.assign(outcome=0.5), "drop")[0].note


# --- Bradley-Terry ---------------------------------------------------------------------------------------------------

def votes(n: int = 4000, side: float = 0.0, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    names, strengths = np.array(["a", "b", "c", "d"]), np.array([1.0, 0.3, -0.2, -1.1])
    i = rng.integers(0, 4, n)
    j = (i + rng.integers(1, 4, n)) % 4
    left = rng.random(n) < special.expit(side + strengths[i] - strengths[j])
    return pd.DataFrame({"left_method": names[i], "right_method": names[j], "chosen": np.where(left, "left", "right"),
                         "participant": rng.integers(0, 40, n), "image_id": rng.integers(0, 100, n)}), strengths


def test_bradley_terry_equals_choix_without_side_bias():
    frame, _ = votes()
    votes_for = [("abcd".index(left), "abcd".index(right))[::1 if chosen == "left" else -1] for left, right, chosen in
                 zip(frame["left_method"], frame["right_method"], frame["chosen"], strict=True)]
    theirs = choix.ilsr_pairwise(4, votes_for, alpha=0)
    cells, _, _ = bradley_terry.counted(frame)
    ours = np.concatenate([[0], bradley_terry.fit(cells, side=False)[0]])
    assert ours - ours.mean() == pytest.approx(theirs, abs=1e-5)


def test_bradley_terry_recovers_strengths_and_side_bias():
    frame, truth = votes(8000, side=0.25)
    ranking = bradley_terry.rank(frame)
    for strength, true in zip(ranking.strengths, truth - truth.mean(), strict=True):
        assert strength.interval[0] < true < strength.interval[1]
    assert ranking.side.interval[0] < 0.25 < ranking.side.interval[1] and ranking.side.p < 0.001
    assert ranking.rank_intervals == ((1, 1), (2, 2), (3, 3), (4, 4))
    assert sum(strength.value for strength in ranking.strengths) == pytest.approx(0)


def test_bradley_terry_covariance_equals_statsmodels():
    frame, _ = votes(600, side=0.2)
    rng = np.random.default_rng(1)  # habits of participants and images, so that both kinds of clusters carry variance
    lean = rng.normal(0, 1, 40)[frame["participant"]] + rng.normal(0, 1, 100)[frame["image_id"]]
    frame["chosen"] = np.where(rng.random(len(frame)) < 0.5, np.where(lean > 0, "left", "right"), frame["chosen"])
    cells, codes, outcome = bradley_terry.counted(frame)
    groups = frame[["participant", "image_id"]].to_numpy()
    theirs = sm.Logit(outcome, cells.design()[codes]).fit(disp=0, cov_type="cluster", cov_kwds={"groups": groups})
    side = bradley_terry.rank(frame).side
    half = stats.t.ppf(0.975, 39) * theirs.bse[0]
    assert side.value == pytest.approx(theirs.params[0], abs=1e-6)
    assert side.interval[1] - side.value == pytest.approx(half, rel=0.02)


def chosen(*pairs: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame([{"left_method": left, "right_method": right, "chosen": side, "participant": n % 3,
                          "image_id": n} for n, (left, right, side) in enumerate(pairs)])


@pytest.mark.parametrize("frame, why", [
    (chosen(("a", "b", "left"), ("b", "a", "right")), "a won or lost every"),
    (chosen(("a", "b", "left"), ("a", "b", "right"), ("c", "d", "left"), ("c", "d", "right")), "never compared"),
    (chosen(("a", "b", "left"), ("b", "a", "left")), "one side was always chosen"),
    (chosen(("a", "b", "left"), ("a", "b", "right")), "confounded"),
    (chosen(("a", "b", "left"), ("b", "a", "left"), ("c", "a", "left"), ("a", "c", "right")), "c won or lost every")])
def test_what_is_not_identifiable_is_reported(frame, why):
    ranking = bradley_terry.rank(frame)
    assert why in ranking.problem and not ranking.strengths


ROCK_PAPER_SCISSORS = [("a", "b", "left"), ("b", "a", "right"), ("b", "c", "left"), ("c", "b", "right"),
                       ("c", "a", "left"), ("a", "c", "right")]


@pytest.mark.parametrize("judged", [ROCK_PAPER_SCISSORS, [("a", "b", "tie"), ("b", "a", "tie")] * 5])
def test_cyclic_preferences_and_ties_make_methods_equal(judged):
    strengths = [strength.value for strength in bradley_terry.rank(chosen(*judged)).strengths]
    assert strengths and strengths == pytest.approx([0] * len(strengths), abs=1e-8)


@pytest.mark.parametrize("judged, votes", [
    ([("a", "b", "left")] * 12 + [("b", "a", "right")] * 8 + [("a", "b", "right")] * 13, 7),  # of two: the margin
    ([("a", "b", "left")] * 6 + [("a", "b", "right")] * 4 + [("a", "c", "left")] * 9 + [("a", "c", "right")], 2)])
def test_votes_to_flip_are_those_of_the_closest_rival(judged, votes):
    flip = votes_to_flip(chosen(*judged))
    assert (flip.top, flip.rival, flip.votes, flip.total) == ("a", "b", votes, len(judged))


# --- agreement and behaviour -----------------------------------------------------------------------------------------

def alpha_of(image_ids, outcomes):
    return krippendorff_alpha(pd.DataFrame({"image_id": image_ids, "a": "x", "b": "y", "exposure_req_ms": np.nan,
                                            "outcome": outcomes}))


def test_alpha_by_hand_and_by_the_package():
    # Krippendorff (2011), nominal data without missing values: 10 units, 2 raters, alpha = 0.095
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert alpha_of(np.tile(np.arange(10), 2), first + second).value == pytest.approx(0.095, abs=0.0005)
    counts = np.random.default_rng(0).integers(0, 5, (40, 3))
    image, outcome = (np.repeat(values.ravel(), counts.ravel()) for values in np.indices((40, 3)))
    package = pytest.importorskip("krippendorff")
    assert alpha_of(image, outcome / 2).value == pytest.approx(
        package.alpha(value_counts=counts, level_of_measurement="nominal"))
    assert "no image was judged twice" in alpha_of([1, 2], [1.0, 0.0]).note


def test_split_half_high_where_images_differ_and_none_for_one_participant():
    rng = np.random.default_rng(0)
    w, i = np.repeat(np.arange(30), 40), np.tile(np.arange(40), 30)
    y = (rng.random(1200) < special.expit(rng.normal(0, 2, 40)[i])).astype(float)
    assert split_half(y, w, i).value > 0.85
    assert abs(split_half((rng.random(1200) < 0.5).astype(float), w, i).value) < 0.45
    assert "two participants" in split_half(y, np.zeros(1200), i).note


def test_side_bias_is_found():
    frame, _ = votes()
    assert effects.side_bias(frame).p > 0.01
    frame["chosen"] = np.where(np.random.default_rng(0).random(len(frame)) < 0.2, "left", frame["chosen"])
    assert effects.side_bias(frame).p < 0.001


def test_agreement_with_others_by_hand():
    frame = pd.DataFrame({"image_id": 1, "condition": "x", "exposure_req_ms": np.nan, "participant": list("abc"),
                          "outcome": [1.0, 1.0, 0.0]})
    found = effects.agreement_with_others(frame)
    assert math.isnan(found["a"]) and math.isnan(found["b"]) and found["c"] == 0


# --- the paper's numbers ---------------------------------------------------------------------------------------------

def test_the_papers_counts_give_the_papers_numbers():
    analysis = analyse_counts(read_counts("figure-4"), "figure 4", "crn")
    cells = {(one.a, one.b, one.exposure_ms): one for one in analysis.preferences}
    stated = {125: (72.5, 73.4, 52.6), 250: (85.0, 84.0, 57.4), 500: (95.1, 87.4, 64.2)}  # in the paper's text
    for ms, values in stated.items():
        for pair, percent in zip(published.preferences().figure_4, values, strict=True):
            assert 100 * cells[*pair, ms].share == pytest.approx(percent, abs=0.06)
    assert round(cells["photos", "crn", 125].p_exact, 2) == 0.12
    others = [one.p_exact_holm for key, one in cells.items() if key != ("photos", "crn", 125)]
    assert len(others) == 20 and max(others) < 1e-4
    assert all(one.clustered is None and "counts only" in one.note for one in analysis.preferences)


def test_published_values_either_way_round():
    share = published.preferences().share
    assert share("crn", "pix2pix", None) == pytest.approx(0.969)
    assert share("pix2pix", "crn", None) == pytest.approx(0.031)
    assert share("crn", "pix2pix", None, "nyu") == pytest.approx(0.772)
    assert share("crn", "photos", 125) == pytest.approx(1 - 515 / 980)
    assert share("crn", "spade", None) is None
    assert share("crn", "pix2pix", 100) is None
