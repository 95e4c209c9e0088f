"""Power and coverage by simulation against the known tables."""

import pytest
from scipy import stats

from data.errors import InputError
from human_study.__main__ import main
from human_study.protocol.protocols import BLURRED, load_protocol
from human_study.simulation.power import Design, answer, binomial_power, simulate, with_power
from human_study.trials.cast import Cast
from human_study.trials.plan import make_plan

# share of simulated studies whose nominal 95 % interval holds the truth: Wilson's naive one, the two-way clustered one
COVERAGE = [((500, 5, 100), .53, .96), ((500, 10, 100), .52, .95), ((500, 25, 100), .52, .94), ((50, 50, 50), .46, .93)]
# power of the two-way test at participant SD 0.5 and image SD 0.8
POWER = [(.55, 20, 50, .38), (.55, 20, 100, .42), (.55, 50, 50, .72), (.60, 10, 50, .59), (.60, 20, 50, .92),
         (.60, 50, 20, .95)]


@pytest.mark.parametrize("design, naive, clustered", COVERAGE)
def test_coverage_of_the_intervals(design, naive, clustered):
    images, participants, trials = design
    found = simulate(Design(participants, trials, images, 0.657, 0.7, 0.8), rounds=300, seed=1)
    assert found.coverage == pytest.approx(clustered, abs=0.04)
    assert found.naive_coverage == pytest.approx(naive, abs=0.09)


@pytest.mark.parametrize("preference, participants, trials, power", POWER)
def test_power_table(preference, participants, trials, power):
    found = simulate(Design(participants, trials, 500, preference, 0.5), rounds=250, seed=2)
    assert found.power == pytest.approx(power, abs=0.09)


def test_binomial_power_by_hand():
    # n = 10: the exact two-sided test at 5 % rejects 0, 1, 9 and 10
    expected = stats.binom.pmf([0, 1, 9, 10], 10, 0.8).sum()
    assert binomial_power(0.8, 10) == pytest.approx(expected)


def test_no_effect_is_found_at_the_nominal_rate_only():
    found = simulate(Design(20, 30, 200, 0.5, 0.7, 0.8), rounds=300, seed=3)
    assert found.power < 0.09


LAYOUTS = [f"{i:05d}" for i in range(500)]


def planned_power(preference, methods=("a",), participant_sd=0.5, rounds=200, settings=("test_trials=50", "hits=50")):
    protocol, cast = load_protocol("lab", settings), Cast("crn", methods, BLURRED)
    plan = make_plan(protocol, cast, LAYOUTS, preference=preference, participant_sd=participant_sd)
    return with_power(plan, protocol, cast, LAYOUTS, 0, rounds).cells


def test_power_of_a_plan_is_that_of_its_own_design():
    """50 participants x 50 trials of 500 images at 0.55: 0.72, as in the table of single designs."""
    cell, = planned_power(0.55)
    assert (cell.participants, cell.judgments) == (50, 2500)
    assert cell.power == pytest.approx(.72, abs=.1)


def test_a_plan_with_more_comparisons_pays_for_them():
    one, = planned_power(0.55)
    four = planned_power(0.55, ("a", "b", "c", "d"), settings=("test_trials=200", "hits=50"))
    assert {cell.judgments for cell in four} == {2500}  # as many of each, and Holm's adjustment over four
    assert sum(cell.power for cell in four) / 4 < one.power - 0.02
    assert all(cell.power < 0.08 for cell in planned_power(0.5, ("a", "b"), rounds=100))  # nothing there: nothing found


def test_assigned_participants_are_people_of_their_own():
    once, = planned_power(0.6, settings=("test_trials=40", "hits=8"))
    many, = planned_power(0.6, settings=("test_trials=40", "hits=8", "assignments=4"))
    assert (once.participants, many.participants) == (8, 32) and many.power > once.power + 0.15
    lonely, = planned_power(0.9, settings=("test_trials=40", "hits=1"), rounds=5)
    assert lonely.power == 0  # one participant: no test


def test_designs_that_cannot_be():
    for design, message in ((Design(1, 10), "2 participants"), (Design(10, 600), "600 trials"),
                            (Design(10, 10, preference=1.0), "between 0 and 1")):
        with pytest.raises(InputError, match=message):
            simulate(design)


def test_command(capsys):
    main(["power", "--preference", "0.7", "--participants", "20,5", "--trials", "20", "--rounds", "40"])
    out = capsys.readouterr().out
    assert "20 participants x 20 trials" in out and "naive coverage" in out
    with pytest.raises(SystemExit):
        main(["power", "--participants", "five"])
    assert "None of these designs" in answer([])
