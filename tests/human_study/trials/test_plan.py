"""The plan before anything runs: counts, time, cost, and the interval to expect."""

import json

import pytest

from human_study.__main__ import main
from human_study.protocol.protocols import BLURRED, PROTOCOLS, UNDER_TEST, load_protocol
from human_study.trials.cast import Cast
from human_study.trials.plan import expected_width, latent, make_plan, naive_width, plan_text, warnings

LAYOUTS = [f"{i:05d}" for i in range(500)]


@pytest.mark.parametrize("images, participants, trials, width", [(500, 5, 100, .33), (500, 50, 100, .082)])
def test_widths_found_by_simulation(images, participants, trials, width):
    """Mean widths of the two-way interval over 400 simulated studies, participant SD 0.7, image SD 0.8, p = 0.657."""
    assert expected_width(.657, participants * trials, participants, images) == pytest.approx(width, rel=.06)


def test_width_without_spread_is_the_binomial_one():
    assert expected_width(.5, 10_000, 500, 500, 0, 0) == pytest.approx(2 * 1.965 * .005, rel=1e-3)
    assert naive_width(30 / 50, 50) == pytest.approx(.72 - .46, abs=.006)  # Wilson of 30 of 50
    assert expected_width(.6, 100, 1, 100) == 1.0
    assert latent(.5, 2.0) == pytest.approx(0) and latent(.8, 0) == pytest.approx(1.386, abs=1e-3)


def test_timed_study_of_2017():
    protocol = PROTOCOLS["crn2017-timed"]
    plan = make_plan(protocol, Cast("crn", ("pix2pix",), "image_space"), LAYOUTS, pay=2.0, fee=.4)
    assert (plan.hits, plan.participants, plan.trials_per_hit) == (10, 200, (110, 110))
    # 15 x (0.125 + ... + 8) s + 5 x 4 s + 110 x 0.5 s = 313 s before any answer, and 2 s per answer
    assert plan.minutes_per_hit * 60 == pytest.approx(313.1 + 220, abs=.1)
    assert len(plan.cells) == 21 and {cell.judgments for cell in plan.cells} == {1000}
    assert all(cell.left_surplus == 0 for cell in plan.cells)
    assert plan.total_cost == pytest.approx(2.0 * 1.4 * 200)


def test_unlimited_study_warns():
    protocol = PROTOCOLS["crn2017-unlimited"]
    plan = make_plan(protocol, Cast("crn", ("pix2pix",), UNDER_TEST), LAYOUTS, pay=.5)
    assert plan.kinds_per_hit == {"test": 100, "perceptual": 10} and plan.total_cost == .5 * 5
    assert plan.minutes_per_hit == pytest.approx(110 * 4 / 60) and plan.repeated_scenes_per_hit == 0
    found = " ".join(warnings(plan, protocol))
    assert "below 8.00" in found and "5 participants per comparison" in found


def test_lab():
    protocol = load_protocol("lab", ["test_trials=50"])
    plan = make_plan(protocol, Cast("crn", ("a", "b", "c"), BLURRED), LAYOUTS, pay_per_hour=12.0)
    assert plan.kinds_per_hit == {"instruction": 2, "perceptual": 10, "practice": 3, "test": 48}
    assert plan.pay_per_hit == pytest.approx(12 * plan.minutes_per_hit / 60)
    assert [cell.judgments for cell in plan.cells] == [480, 480, 480] and plan.repeated_scenes_per_hit == 0
    assert "48 of 50 test trials" in " ".join(warnings(plan, protocol))
    assert "-\n" in plan_text(plan, protocol)  # no power without a simulation
    assert "crn_vs_b" in plan_text(plan, protocol) and "guessing" not in plan_text(plan, protocol)
    few = load_protocol("lab", ["sentinels=4"])
    text = plan_text(make_plan(few, Cast("crn", ("a",), BLURRED), LAYOUTS), few)
    assert "4 of 4 sentinels" in text and "probability 0.062 (more than 0.05)" in text and "slips with 0.922" in text


def test_command(tiny_run, capsys):
    main(["plan", "--run", str(tiny_run.path), "--protocol", "crn2017-timed", "--pay", "1", "--rounds", "2"])
    text = capsys.readouterr().out
    assert "warning: a true preference of 0.6 is found in only" in text  # 12 images
    assert "warning: 10 trials of a session show a scene that was shown before" in text  # 22 trials, 12 layouts
    main(["plan", "--layouts", "100", "--methods", "a,b", "--rounds", "20", "--json"])
    planned = json.loads(capsys.readouterr().out)
    assert planned["hits"] == 30 and planned["preference"] == 0.6
    assert [0 <= cell["power"] <= 1 for cell in planned["cells"]] == [True, True]
    for arguments, message in ((["--layouts", "9"], "--methods"), (["--run", "nowhere"], "no such run"),
                               (["--layouts", "9", "--methods", "a", "--preference", "1"], "between 0 and 1")):
        with pytest.raises(SystemExit) as stopped:
            main(["plan", *arguments])
        error = capsys.readouterr().err
        assert stopped.value.code == 2 and message in error and error.count("\n") == 1
    assert not (tiny_run.study / "crn2017-timed").exists()  # a plan writes nothing
