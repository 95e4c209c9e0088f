"""Comparisons of methods: agreement with human orders, differences to the baseline, effects of a grid."""

import shutil
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.stats import kendalltau

from data.errors import InputError
from data.files import write_json
from evaluation import published
from evaluation.metrics.agreement import agreement, kendall_tau, pairwise_agreement, random_range
from evaluation.metrics.base import Metric, ScoreKind
from evaluation.metrics.effects import additive_effects, effects_of, file_name
from evaluation.metrics.work import Context
from evaluation.run_directory import PHOTOS, Method, Quantity
from evaluation.scoring import METRICS, score_run, scored_inputs
from evaluation.statistics.intervals import Statistic, holm, resample_counts
from evaluation.statistics.preferences import (
    Preference,
    compared,
    order_of,
    preference_files,
    read_preferences,
    strengths,
)
from presets.schema import ScoreConfig

RNG = np.random.default_rng(0)
COUNTS = resample_counts(40, 300)


def scores(values, noise=0.1):
    return {name: Statistic.mean(value + RNG.normal(0, noise, 40)) for name, value in values.items()}


def test_kendall_equals_scipy_with_ties_and_many_at_once():
    many, orders = RNG.integers(0, 4, (2, 50, 5)).astype(float)
    for others in (orders, orders[0]):
        expected = [kendalltau(*pair).statistic for pair in zip(many, np.broadcast_to(others, (50, 5)), strict=True)]
        assert kendall_tau(many, others) == pytest.approx(expected, nan_ok=True)


def test_range_of_random_orders_is_that_of_all_orders():
    for m in (3, 4, 6):
        taus = np.abs(kendall_tau(np.array(list(permutations(range(m))), float), np.arange(m, dtype=float)))
        low, high = random_range(m)
        assert low == -high and (taus <= high + 1e-9).mean() >= 0.95 > (taus < high - 1e-9).mean()
    assert random_range(3) == (-1, 1) and random_range(6)[1] == pytest.approx(11 / 15)


def test_agreement_of_a_score_that_orders_as_people_do_and_of_its_reverse():
    human = published.preferences().realism("cityscapes")  # the paper's order
    assert sorted(human, key=human.get)[::5] == ["image_space", "crn"] and human["image_space"] == 0.3
    found = agreement(scores(human), True, human, COUNTS)
    assert found.tau == 1 and found.discordant == [] and found.p == pytest.approx(2 / 720)
    falling = scores({name: -value for name, value in human.items()})
    reverse = agreement(falling, True, human, COUNTS)
    assert reverse.tau == -1 and len(reverse.discordant) == 15
    assert agreement(falling, False, human, COUNTS).tau == 1  # an error that falls as realism rises agrees


def test_intervals_of_tau():
    """One swapped pair; an order that never changes; a human order that changes with the layouts."""
    human = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    found = agreement(scores({"a": 1, "b": 3.02, "c": 3, "d": 9}, noise=0.5), True, human, COUNTS)
    assert found.interval[0] < 1 and found.interval[1] == 1  # b and c cannot be distinguished
    assert found.tau in (1, pytest.approx(4 / 6))
    found = agreement(scores(human, noise=0.01), True, human, COUNTS)
    assert found.tau == 1 and found.interval is None
    assert found.note.startswith("the order never changed when layouts were resampled")
    resampled = {name: value + RNG.normal(0, 2, len(COUNTS)) for name, value in human.items()}
    found = agreement(scores(human, noise=0.01), True, human, COUNTS, resampled)
    assert found.interval[0] < 0 and found.interval[1] == 1


def test_too_few_methods_give_nothing():
    human = published.preferences().realism("nyu")
    assert agreement(scores({"crn": 1, "pix2pix": 2, "mine": 3}), True, human, COUNTS) is None
    assert agreement(scores(dict.fromkeys(human, 1.0), noise=0), True, human, COUNTS) is None


def star(wins, methods="abcde"):
    """Choices on one layout: so many of 100 for CRN against each method."""
    return [p for method, won in zip(methods, wins, strict=True)
            for p in (Preference("x", "crn", method, won), Preference("x", method, "crn", 100 - won))]


def ranked(order):
    return sorted(order.realism, key=order.realism.get, reverse=True)


def test_orders_of_choices():
    """Mean shares of wins would put CRN (87) far above b (55), to whom it lost. One that always wins stays finite."""
    order = order_of("study", "", star([97, 45, 98, 99, 98.5]), ["x"], ["crn", *"abcde"])
    assert ranked(order) == ["b", "crn", "a", "c", "e", "d"]
    order = order_of("study", "", star([100, 0, 60], "abc"), ["x"], ["crn", "a", "b", "c"])
    assert ranked(order) == ["b", "crn", "c", "a"] and np.isfinite(list(order.realism.values())).all()


def test_strengths_are_the_maximum_of_the_likelihood_for_many_at_once():
    wins = RNG.integers(0, 30, (20, 5, 5)).astype(float) * (1 - np.eye(5))
    pairs = compared(wins)
    found = strengths(wins, pairs)
    wins = wins + 0.1 * pairs
    share = 1 / (1 + np.exp(found[:, None, :] - found[:, :, None]))
    expected = ((wins + wins.transpose(0, 2, 1)) * share).sum(-1)
    assert wins.sum(-1) == pytest.approx(expected, rel=1e-4) and found.mean(-1) == pytest.approx(0, abs=1e-5)
    assert found[3] == pytest.approx(strengths(wins[3] - 0.1 * pairs, pairs), abs=1e-5)
    two = strengths(np.array([[0, 30.0], [10, 0]]), ~np.eye(2, dtype=bool))
    assert two[0] - two[1] == pytest.approx(np.log(30.1 / 10.1), abs=1e-5)


def test_what_cannot_be_placed_is_left_out_with_a_note():
    preferences = [*star([60, 40], "ab"), Preference("x", "c", "d", 500), Preference("z", "a", "b", 7)]
    order = order_of("study", "", preferences, ["x"], ["crn", "a", "b", "c", "d", "never shown"])
    assert ranked(order) == ["b", "crn", "a"]
    assert order.notes == ["c, d, never shown: no comparison ties them to the others",
                           "1 preferences: about layouts that this run does not have"]
    through = [Preference("x", PHOTOS, name, won) for name, won in (("a", 9), ("b", 5))]
    through += [Preference("x", name, PHOTOS) for name in "ab"]
    assert order_of("study", "", through, ["x"], ["a", "b"]).realism.keys() == {"a", "b", PHOTOS}
    order = order_of("study", "", star([60], "a"), ["y"], ["crn", "a"])
    assert len(order.realism) == 1 and set(order.realism.values()) == {0}
    assert "2 preferences: about layouts that this run does not have" in order.notes


def test_choices_are_resampled_with_their_layouts():
    """a beats b on 22 of 40 layouts: the next 40 may say otherwise."""
    preferences = [Preference(str(i), *("ab" if i < 22 else "ba")) for i in range(40)]
    found = order_of("study", "", preferences, [str(i) for i in range(40)], ["a", "b"]).resampled(COUNTS)
    above = (found["a"] > found["b"]).mean()
    assert 0.6 < above < 0.85


def test_pairwise_agreement_by_hand():
    preferences = [Preference("x", "a", "b", 3), Preference("x", "b", "a"), Preference("y", "a", "b"),
                   Preference("y", "c", "elsewhere")]
    per_image = {"a": np.array([1.0, 0]), "b": np.array([0.0, 1])}
    found = pairwise_agreement(preferences, per_image, ["x", "y"], higher_is_better=True)
    assert found.value() == pytest.approx(3 / 5)
    assert pairwise_agreement(preferences, per_image, ["x", "y"], False).value() == pytest.approx(2 / 5)
    tie = {"a": np.zeros(2), "b": np.zeros(2)}
    assert pairwise_agreement(preferences, tie, ["x", "y"], True).value() == 0.5
    assert pairwise_agreement(preferences, per_image, ["z"], True) is None


@pytest.mark.parametrize("content, message", [
    ("[]", "list of preferences is expected"), ("{", "not valid JSON"),
    ('[{"layout": "a", "preferred": "crn", "other": "x"}, {"layout": "a"}]', "entry 1 needs layout, preferred"),
    ('[{"layout": "a", "preferred": "crn", "other": "x", "count": "many"}]', "entry 0 needs .* a number as count"),
])
def test_bad_preferences_are_named(tmp_path, content, message):
    file = tmp_path / "preferences.json"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_preferences(file)


def choices(run):
    """People put crn before pix2pix before image_space, on every layout."""
    return [{"layout": name, "preferred": preferred, "other": other} for name in run.layouts()
            for preferred, other in (("crn", "pix2pix"), ("crn", "image_space"), ("pix2pix", "image_space"))]


def test_preferences_of_the_runs_own_studies_are_found_and_simulated_ones_are_not(tiny_run, tiny_judge):
    people, workers = (tiny_run.study / name / "analysis" for name in ("people", "workers"))
    context = Context(tiny_judge, bootstrap=200)
    before = scored_inputs(tiny_run, context)
    for folder, simulated in ((people, False), (workers, True)):
        write_json(folder / "preferences.json", choices(tiny_run))
        write_json(folder / "analysis.json", {"identity": {"simulated": simulated}})
    assert preference_files(tiny_run, None) == {"human-study-people": people / "preferences.json"}
    with pytest.raises(InputError, match="no person judged"):
        preference_files(tiny_run, str(workers / "preferences.json"))
    assert scored_inputs(tiny_run, context) != before
    score_run(tiny_run, context, ["similarity", "agreement"])
    assert {score.method for score in tiny_run.scores("agreement")} == {"cityscapes", "nyu", "human-study-people"}


def test_agreement_and_differences_of_a_run(tiny_run, tiny_judge, tmp_path):
    write_json(tmp_path / "preferences.json", choices(tiny_run))
    options = ScoreConfig(preferences=str(tmp_path / "preferences.json"))
    metrics = ["segmentation", "distances", "diversity", "similarity", "differences", "agreement", "effects"]
    score_run(tiny_run, Context(tiny_judge, bootstrap=200, options=options), metrics)
    orders = {score.method: score for score in tiny_run.scores("agreement")}
    assert set(orders) == {"cityscapes", "nyu", "human-study"}
    assert orders["cityscapes"].provenance["methods"] == ["crn", "image_space", "pix2pix"]
    own = {score.method: score for score in tiny_run.scores("similarity")}
    study, people = orders["human-study"], ["crn", "pix2pix", "image_space"]
    psnr = [own[method].value("PSNR").value for method in people]
    assert study.value("PSNR").value == pytest.approx(kendalltau(psnr, [3, 2, 1]).statistic)
    each = {method: np.array(own[method].per_image["PSNR"]) for method in people}
    right = [each[a] > each[b] for a, b in combinations(people, 2)]
    assert study.value("PSNR, per image").value == pytest.approx(np.mean(right))
    by_image = {value.name.removesuffix(", per image") for value in study.values if value.name.endswith("per image")}
    assert by_image == {"mIoU", "pixel accuracy", "precision-judge", "density-judge", "PSNR", "SSIM",
                        "best-of-1 pixels", "best-of-1 distance-judge"}  # no shares of a distance between sets
    assert study.details["tau of random orders, 95 %"]["PSNR"] == [-1, 1]
    p = study.details["p"]
    assert list(study.details["p (Holm)"].values()) == pytest.approx(holm(list(p.values()))) and len(p) > 5
    differences = {score.method: score for score in tiny_run.scores("differences")}
    assert set(differences) == {"crn_diversity", "pix2pix", "image_space"}
    tests = differences["pix2pix"].details["tests"]
    assert all(test["p"] <= test["p (Holm)"] <= 1 for test in tests.values())
    assert "one training seed each" in differences["pix2pix"].provenance["test"]
    assert differences["pix2pix"].value("PSNR minus crn").value == pytest.approx(psnr[1] - psnr[0])
    assert not [value.name for value in differences["crn_diversity"].values if "best-of-3" in value.name]
    assert differences["crn_diversity"].value("best-of-1 pixels minus crn")
    assert tiny_run.scores("effects") == []  # all of one generator and objective: no grid


class MadeUp(Metric):
    """A metric whose statistics are given: method -> number per layout, by score."""

    name, title = "made-up", "Made up"

    def __init__(self, numbers):
        self.numbers = numbers
        self.scores = {name: ScoreKind(name) for name in numbers("", 1)}

    def statistics(self, work, method):
        return {Quantity(name): Statistic.mean(each) for name, each in self.numbers(method, work.n).items()}


def compare(run, monkeypatch, numbers):
    monkeypatch.setitem(METRICS, "made-up", MadeUp(numbers))
    score_run(run, Context(bootstrap=200), ["made-up", "differences", "effects"])


def test_an_undefined_score_has_no_difference_and_no_effects(tiny_run, monkeypatch):
    for name, (generator, objective) in GRID.items():
        tiny_run.write_method(Method(name, name, generator=generator, objective=objective))
        shutil.rmtree(tiny_run.method_folder(name) / "variants", ignore_errors=True)
    compare(tiny_run, monkeypatch, lambda method, n: {
        "fine": np.arange(n) + len(method), "broken": np.full(n, np.nan if method == "pix2pix" else 1.0)})
    names = {score.method: [value.name for value in score.values] for score in tiny_run.scores("differences")}
    assert names["pix2pix"] == ["fine minus crn"]
    assert names["image_space"] == ["fine minus crn", "broken minus crn"]
    assert [score.method for score in tiny_run.scores("effects")] == ["fine"]


ROWS, COLUMNS = ["crn", "unet"], ["content", "gan", "image_space"]
CELLS = [(row, column) for row in ROWS for column in COLUMNS]
GRID = {"crn": ("crn", "content"), "pix2pix": ("unet", "gan"), "image_space": ("crn", "gan"),
        "crn_diversity": ("unet", "content")}


def test_effects_of_a_full_grid_are_row_and_column_means_and_a_missing_cell_changes_nothing():
    values = np.array([[1.0, 2, 6], [3, 4, 8]])
    found = additive_effects(values.ravel(), CELLS, ROWS, COLUMNS)
    assert found.mean == pytest.approx(4)
    assert found.rows == pytest.approx([-1, 1]) and found.columns == pytest.approx([-2, -1, 3])
    assert found.rest == pytest.approx(0)
    interacting = values + np.array([[1, -1, 0], [-1, 1, 0]])
    found = additive_effects(interacting.ravel(), CELLS, ROWS, COLUMNS)
    assert found.rows == pytest.approx([-1, 1]) and found.rest == pytest.approx(np.sqrt(4 / 6))
    without_last = additive_effects(values.ravel()[:-1], CELLS[:-1], ROWS, COLUMNS)
    assert without_last.rows == pytest.approx([-1, 1]) and without_last.columns == pytest.approx([-2, -1, 3])


def test_a_grid_in_pieces_is_refused():
    with pytest.raises(InputError, match="unconnected parts"):
        additive_effects(np.ones(2), [("crn", "gan"), ("unet", "content")], ROWS, ["gan", "content"])
    with pytest.raises(InputError, match="at least 2 generators"):
        additive_effects(np.ones(2), [("crn", "gan"), ("crn", "content")], ["crn"], ["gan", "content"])


def test_intervals_of_effects_cover_the_truth():
    table = {cell: Statistic.mean(RNG.normal(2 * (cell[0] == "crn") + COLUMNS.index(cell[1]), 1, 40)) for cell in CELLS}
    values, details = effects_of(table, Quantity("x"), ScoreKind("x"), COUNTS)
    by_name = {value.name: value for value in values}
    low, high = by_name["generator crn"].interval
    assert low < 1 < high and low > 0
    assert by_name["generator unet"].value == pytest.approx(-by_name["generator crn"].value)
    assert details["grid"]["crn"]["gan"] == pytest.approx(table["crn", "gan"].value())


def test_two_grids_apart_do_not_stop_the_scoring(tiny_run, monkeypatch):
    """The larger one is analysed."""
    cells = [*CELLS, *((row, column) for row in ("a", "b") for column in ("c", "d"))]
    for row, column in cells:
        name = f"{row}+{column}"
        tiny_run.write_method(Method(name, name, generator=row, objective=column))
        shutil.copytree(tiny_run.method_folder("crn") / "images", tiny_run.method_folder(name) / "images")
    for name in ("crn", "crn_diversity", "pix2pix", "image_space"):
        shutil.rmtree(tiny_run.method_folder(name))
    compare(tiny_run, monkeypatch, lambda method, n: {"x": np.arange(n) + len(method), "y": np.arange(n)})
    found = tiny_run.scores("effects")
    assert [score.provenance["score"] for score in found] == ["x", "y"]
    assert sorted(found[0].provenance["methods"].values()) == sorted(f"{row}+{column}" for row, column in CELLS)
    assert found[0].provenance["left out"].startswith("a+c, a+d, b+c, b+d: a grid apart")


def test_effects_of_a_run(tiny_run, tiny_judge):
    for name, (generator, objective) in GRID.items():
        k = 3 if name == "crn_diversity" else 1
        tiny_run.write_method(Method(name, name, generator=generator, objective=objective, images_per_layout=k))
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation", "effects"])
    assert tiny_run.scores("effects") == []  # the diversity model's cell does not count, so the grid is no grid
    for file in (tiny_run.method_folder("crn_diversity") / "variants").iterdir():
        file.unlink()
    tiny_run.write_method(Method("crn_diversity", "U-Net", generator="unet", objective="content"))
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation", "effects"])
    effect = next(s for s in tiny_run.scores("effects") if s.provenance["score"] == "mIoU, void counted")
    assert effect.method == file_name("mIoU, void counted") == "mIoU-void-counted"
    assert {value.name for value in effect.values} >= {"generator crn", "generator unet", "objective gan"}
