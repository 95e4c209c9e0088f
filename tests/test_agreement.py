"""Agreement with human orders, effects of a grid, differences to the reference."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau

from data.errors import InputError
from evaluation.agreement import (
    Preference,
    agreement,
    human_order,
    kendall_tau,
    pairwise_agreement,
    read_preferences,
)
from evaluation.context import Context
from evaluation.effects import additive_effects, effects_of, file_name
from evaluation.intervals import Statistic, resample_counts
from evaluation.published_order import TABLE_1, realism
from evaluation.rundir import Method
from evaluation.scores import score_run
from presets.schema import ScoreConfig

RNG = np.random.default_rng(0)
COUNTS = resample_counts(40, 300)


def scores(values, noise=0.1, better=True):
    return {name: Statistic.mean(value + RNG.normal(0, noise, 40), better) for name, value in values.items()}


def test_kendall_equals_scipy_with_ties_and_many_at_once():
    order = np.array([1, 2, 2, 4, 5.0])
    many = RNG.integers(0, 4, (50, 5)).astype(float)
    expected = [kendalltau(row, order).statistic for row in many]
    assert kendall_tau(many, order) == pytest.approx(expected, nan_ok=True)


def test_order_of_the_paper():
    order = realism("cityscapes")
    assert sorted(order, key=order.get, reverse=True) == [
        "crn", "full_resolution", "encoder_decoder", "pix2pix", "gan_segmentation", "image_space"]
    assert order["crn"] == 50 and order["image_space"] == 0.3
    assert set(TABLE_1["nyu"]) == set(TABLE_1["cityscapes"])


def test_agreement_of_a_score_that_orders_as_people_do_and_of_its_reverse():
    human = realism("cityscapes")
    found = agreement(scores(human), human, COUNTS)
    assert found.tau == 1 and found.discordant == [] and found.p == pytest.approx(2 / 720)
    reverse = agreement(scores({name: -value for name, value in human.items()}), human, COUNTS)
    assert reverse.tau == -1 and len(reverse.discordant) == 15
    error = agreement(scores({name: -value for name, value in human.items()}, better=False), human, COUNTS)
    assert error.tau == 1  # an error that falls as realism rises agrees


def test_one_swapped_pair_and_its_interval():
    human = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    found = agreement(scores({"a": 1, "b": 3.02, "c": 3, "d": 9}, noise=0.5), human, COUNTS)
    assert found.interval[0] < 1 and found.interval[1] == 1  # b and c cannot be told apart
    assert found.tau in (1, pytest.approx(4 / 6))


def test_too_few_methods_or_no_order_gives_nothing():
    human = realism("nyu")
    assert agreement(scores({"crn": 1, "pix2pix": 2, "mine": 3}), human, COUNTS) is None
    assert agreement(scores(human, better=None), human, COUNTS) is None
    assert agreement(scores(dict.fromkeys(human, 1.0), noise=0), human, COUNTS) is None


def test_human_order_and_pairwise_agreement_by_hand():
    preferences = [Preference("x", "a", "b", 3), Preference("x", "b", "a"), Preference("y", "a", "b"),
                   Preference("y", "c", "elsewhere")]
    assert human_order(preferences, ["a", "b", "c"]) == {"a": 80, "b": 20}
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
])
def test_bad_preferences_are_named(tmp_path, content, message):
    file = tmp_path / "preferences.json"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_preferences(file)


def test_agreement_and_differences_of_a_run(tiny_run, tiny_judge, tmp_path):
    entries = [{"layout": name, "preferred": "crn", "other": other} for name in tiny_run.layouts()
               for other in ("pix2pix", "image_space")]
    entries += [{"layout": name, "preferred": "pix2pix", "other": "image_space"} for name in tiny_run.layouts()]
    (tmp_path / "preferences.json").write_text(json.dumps(entries))
    options = ScoreConfig(preferences=str(tmp_path / "preferences.json"))
    metrics = ["segmentation", "distances", "reference", "differences", "agreement", "effects"]
    score_run(tiny_run, Context(tiny_judge, bootstrap=200, options=options), metrics)
    orders = {score.method: score for score in tiny_run.scores("agreement")}
    assert set(orders) == {"cityscapes", "nyu", "human-study"}
    assert orders["cityscapes"].protocol["methods"] == ["crn", "image_space", "pix2pix"]
    assert -1 <= orders["human-study"].value("FD-judge").value <= 1
    assert 0 <= orders["human-study"].value("PSNR, per image").value <= 1
    differences = {score.method: score for score in tiny_run.scores("differences")}
    assert set(differences) == {"crn_diversity", "pix2pix", "image_space"}
    tests = differences["pix2pix"].details["tests"]
    assert all(test["p"] <= test["p (Holm)"] <= 1 for test in tests.values())
    own = {score.method: score.value("PSNR").value for score in tiny_run.scores("reference")}
    assert differences["pix2pix"].value("PSNR minus crn").value == pytest.approx(own["pix2pix"] - own["crn"])
    assert tiny_run.scores("effects") == []  # all of one generator and objective: no grid


ROWS, COLUMNS = ["crn", "unet"], ["content", "gan", "image_space"]
CELLS = [(row, column) for row in ROWS for column in COLUMNS]


def test_effects_of_a_full_grid_are_row_and_column_means():
    values = np.array([[1.0, 2, 6], [3, 4, 8]])
    found = additive_effects(values.ravel(), CELLS, ROWS, COLUMNS)
    assert found.mean == pytest.approx(4)
    assert found.rows == pytest.approx([-1, 1]) and found.columns == pytest.approx([-2, -1, 3])
    assert found.rest == pytest.approx(0)
    interacting = values + np.array([[1, -1, 0], [-1, 1, 0]])
    found = additive_effects(interacting.ravel(), CELLS, ROWS, COLUMNS)
    assert found.rows == pytest.approx([-1, 1]) and found.rest == pytest.approx(np.sqrt(4 / 6))


def test_effects_with_a_missing_cell_still_recover_an_additive_table():
    cells = [cell for cell in CELLS if cell != ("unet", "gan")]
    values = np.array([{"crn": 1.0, "unet": -1}[row] + {"content": 5.0, "gan": 7, "image_space": 9}[column]
                       for row, column in cells])
    found = additive_effects(values, cells, ROWS, COLUMNS)
    assert found.rows == pytest.approx([1, -1]) and found.columns == pytest.approx([-2, 0, 2])


def test_a_grid_in_pieces_is_refused():
    with pytest.raises(InputError, match="unconnected parts"):
        additive_effects(np.ones(2), [("crn", "gan"), ("unet", "content")], ROWS, ["gan", "content"])
    with pytest.raises(InputError, match="at least 2 generators"):
        additive_effects(np.ones(2), [("crn", "gan"), ("crn", "content")], ["crn"], ["gan", "content"])


def test_intervals_of_effects_cover_the_truth():
    table = {cell: Statistic.mean(RNG.normal(2 * (cell[0] == "crn") + COLUMNS.index(cell[1]), 1, 40)) for cell in CELLS}
    values, details = effects_of(table, COUNTS)
    by_name = {value.name: value for value in values}
    low, high = by_name["generator crn"].interval
    assert low < 1 < high and low > 0
    assert by_name["generator unet"].value == pytest.approx(-by_name["generator crn"].value)
    assert details["grid"]["crn"]["gan"] == pytest.approx(table["crn", "gan"].value())


def test_effects_of_a_run(tiny_run, tiny_judge):
    grid = {"crn": ("crn", "content"), "pix2pix": ("unet", "gan"), "image_space": ("crn", "gan"),
            "crn_diversity": ("unet", "content")}
    for name, (generator, objective) in grid.items():
        k = 3 if name == "crn_diversity" else 1
        tiny_run.write_method(Method(name, name, generator=generator, objective=objective, images_per_layout=k))
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation", "effects"])
    assert tiny_run.scores("effects") == []  # the diversity model's cell does not count, so the grid is no grid
    for file in (tiny_run.method_folder("crn_diversity") / "variants").iterdir():
        file.unlink()
    tiny_run.write_method(Method("crn_diversity", "U-Net", generator="unet", objective="content"))
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation", "effects"])
    effect = next(s for s in tiny_run.scores("effects") if s.protocol["score"] == "mIoU, void counted")
    assert effect.method == file_name("mIoU, void counted") == "mIoU-void-counted"
    assert {value.name for value in effect.values} >= {"generator crn", "generator unet", "objective gan"}
