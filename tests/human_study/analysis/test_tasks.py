"""Single pictures and rankings: scores counted by hand, strengths against choix and brute force, coverage."""

import choix
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

from data.errors import InputError
from human_study.analysis import bradley_terry, plackett_luce, real_or_fake
from human_study.analysis.results import analyse
from human_study.protocol.rules import QualityRules
from human_study.responses.table import make_responses
from human_study.trials.plan import latent
from tests.human_study.analysis.rows import ranked, single

RULES = QualityRules()


def test_hype_counted_by_hand():
    rows = [single(w, 4 * k + i, shown, chosen) for w in "ab" for k, (shown, chosen) in enumerate(
        [("photos", "real"), ("photos", "fake"), ("crn", "real"), ("crn", "fake")]) for i in range(4 if k else 1)]
    table = analyse(make_responses(rows), "crn", RULES)
    (found,) = table.realism
    # of each participant: 1 photograph called real, 4 called fake; 4 pictures called real, 4 fake
    assert found.error.n == 26 and found.error.value == 16 / 26
    assert found.doubted.value == 4 / 5 and found.deceived.value == 0.5 and found.verdict == "undecided"
    assert table.preferences == [] and table.rankings == [] and table.task == "real_or_fake"


def test_differences_between_methods_in_errors():
    rows = [single(f"w{w}", 2 * i + j, method, "real" if (i + w) % (2 + j) == 0 else "fake", method)
            for w in range(8) for i in range(12) for j, method in enumerate(("crn", "pix2pix"))]
    table = analyse(make_responses(rows), "crn", RULES)
    (difference,) = table.comparisons
    shares = {found.method: found.error.value for found in table.realism}
    assert difference.difference.value == pytest.approx(shares["pix2pix"] - shares["crn"])
    assert difference.difference.interval[0] < difference.difference.value < 0


def study(rng, participants=20, images=40, error=0.35):
    """float [n] outcomes with spreads between participants and images, as judged() gives them."""
    mean = latent(error, np.hypot(0.7, 0.8))
    by_participant, by_image = rng.normal(0, 0.7, participants), rng.normal(0, 0.8, images)
    w, i = np.repeat(np.arange(participants), images // 2), np.concatenate(
        [rng.permutation(images)[:images // 2] for _ in range(participants)])
    outcome = rng.random(len(w)) < special.expit(mean + by_participant[w] + by_image[i])
    return pd.DataFrame({"a": "photos", "b": "crn", "photo": i % 2 == 0, "outcome": outcome.astype(float),
                         "exposure_req_ms": np.nan, "participant": w, "image_id": i, "adaptive": False})


def test_hype_interval_holds_the_truth():
    rng = np.random.default_rng(0)
    found = [real_or_fake.realism(study(rng))[0].error.interval for _ in range(60)]
    held = np.mean([low <= 0.35 <= high for low, high in found])
    assert 0.86 <= held <= 1  # nominal 0.95; a binomial interval holds it in about 0.7


def test_hype_time_is_the_mean_over_participants_of_their_commonest_exposure():
    levels = {"a": [500, 490, 480, 480], "b": [500, 490, 490, 520], "c": [500, 510, 500, 510]}
    rows = [single(w, i, "crn", "fake", exposure_req_ms=ms, adaptive=True, exposure_ms=ms)
            for w, own in levels.items() for i, ms in enumerate(own)]
    table = analyse(make_responses(rows), "crn", RULES)
    (found,) = table.thresholds
    assert found.time_ms.value == pytest.approx((480 + 490 + 505) / 3) and table.realism == []
    assert found.time_ms.interval[0] == pytest.approx(found.time_ms.value - 4.302653 * np.std([480, 490, 505], ddof=1)
                                                      / np.sqrt(3))
    assert (found.participants, found.trials, found.shortest_ms, found.longest_ms) == (3, 4, 480, 505)


def rankings(strengths, count, rng, participants=10, bias=0.0):
    methods = sorted(strengths)
    rows = []
    for i in range(count):
        shown = [methods[j] for j in rng.permutation(len(methods))]
        drawn = {m: strengths[m] - bias * place + rng.gumbel() for place, m in enumerate(shown)}
        rows.append(ranked(f"w{i % participants}", i, shown, sorted(shown, key=drawn.get, reverse=True),
                           image_id=f"i{(i // participants + i) % 17}"))
    return make_responses(rows)


TRUTH = {"crn": 0.4, "photos": 1.2, "pix2pix": -0.3, "zebra": 0.0}


def test_plackett_luce_agrees_with_choix_and_with_brute_force():
    frame, methods = rankings(TRUTH, 60, np.random.default_rng(3)), sorted(TRUTH)
    shown, orders = ([[methods.index(method) for method in order.split(";")] for order in frame[name]]
                     for name in ("shown", "ranked"))
    places = np.array([[one.index(method) for method in order] for one, order in zip(shown, orders, strict=True)])
    designs = np.concatenate([-places[:, :, None], np.eye(4)[np.array(orders)][:, :, 1:]], axis=2)
    by_choix = choix.opt_rankings(4, orders)
    assert plackett_luce.fit(list(designs[:, :, 1:]))[0] == pytest.approx(by_choix[1:] - by_choix[0], abs=1e-4)

    def minus_likelihood(parameters):
        utility = designs @ parameters
        return -sum((utility[:, k] - special.logsumexp(utility[:, k:], axis=1)).sum() for k in range(3))

    brute = optimize.minimize(minus_likelihood, np.zeros(4), method="BFGS").x
    assert plackett_luce.fit(list(designs))[0] == pytest.approx(brute, abs=1e-3)
    found = plackett_luce.rank(frame)
    assert found.side.value == pytest.approx(brute[0], abs=1e-3)
    strengths = [one.value for one in found.strengths]
    assert np.subtract(strengths, strengths[0])[1:] == pytest.approx(brute[1:], abs=1e-3)


def test_a_ranking_of_two_is_a_pair():
    frame = rankings({"crn": 0.5, "pix2pix": 0.0}, 120, np.random.default_rng(1), bias=0.3)
    sides = [("left" if r.split(";")[0] == s.split(";")[0] else "right") for s, r in
             zip(frame["shown"], frame["ranked"], strict=True)]
    shown = [s.split(";") for s in frame["shown"]]
    pairs = make_responses(frame.drop(columns=["shown", "ranked", "condition"]).assign(
        task="pairs", layout="side_by_side", chosen=sides, left_method=[s[0] for s in shown],
        right_method=[s[1] for s in shown], condition="crn_vs_pix2pix"))
    one, two = (analyse(table, "crn", RULES) for table in (frame, pairs))
    assert one.preferences == two.preferences and one.votes == two.votes and one.side_bias == two.side_bias
    a, b = one.rankings[0].ranking, two.rankings[0].ranking
    assert a.methods == b.methods and a.rank_intervals == b.rank_intervals
    for first, second in zip((*a.strengths, a.side), (*b.strengths, b.side), strict=True):
        assert first.value == pytest.approx(second.value, abs=1e-6)
        assert first.interval == pytest.approx(second.interval, abs=1e-5)


def test_place_and_strengths_are_found_and_intervals_hold_them():
    rng, held = np.random.default_rng(5), []
    centre = np.mean(list(TRUTH.values()))
    for _ in range(12):
        found = plackett_luce.rank(rankings(TRUTH, 120, rng, participants=12, bias=0.2))
        held += [low <= TRUTH[m] - centre <= high for m, (low, high) in
                 zip(found.methods, (s.interval for s in found.strengths), strict=True)]
        held.append(found.side.interval[0] <= 0.2 <= found.side.interval[1])
    assert 0.9 <= np.mean(held) <= 1.0


def test_implied_pairs_are_not_counted_as_independent():
    rng = np.random.default_rng(2)
    # every participant always gives one order: the rankings carry as much as there are participants
    rows = [ranked(f"w{w}", i, list(rng.permutation(["a", "b", "c"])), order, image_id=f"i{i}")
            for w in range(6) for order in [list(rng.permutation(["a", "b", "c"]))] for i in range(20)]
    found = analyse(make_responses(rows), "a", RULES.model_copy(update={"use_max_streak": None}))
    for one in found.preferences:
        assert one.n == 120 and one.effective_n < 12


def test_methods_that_always_win_have_no_strength():
    rows = [ranked("w", i, ["a", "b", "c"], ["a", *(["b", "c"] if i % 2 else ["c", "b"])]) for i in range(9)]
    assert "a won or lost every comparison" in plackett_luce.rank(make_responses(rows)).problem
    assert isinstance(plackett_luce.rank(make_responses(rows)), bradley_terry.Ranking)


@pytest.mark.parametrize(("change", "message"), [
    ({"chosen": "left"}, "chosen is no answer of task ranking"), ({"ranked": "a;b"}, "ranked is no order"),
    ({"shown": None}, "shown is empty"), ({"shown": "a;a;b"}, "different methods"),
    ({"condition": "a_vs_b"}, "does not name the methods shown"), ({"left_method": "a"}, "only pairs have sides")])
def test_rows_that_cannot_be(change, message):
    with pytest.raises(InputError, match=message):
        make_responses([ranked("w", 0, ["a", "b", "c"], ["c", "a", "b"]) | change])


def test_several_tasks_are_not_analysed_together():
    rows = [ranked("w", 0, ["crn", "b"], ["b", "crn"]), single("w", 1, "crn", "real")]
    with pytest.raises(InputError, match="several tasks in one table"):
        analyse(make_responses(rows), "crn")
