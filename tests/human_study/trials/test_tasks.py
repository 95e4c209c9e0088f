"""Trials of single pictures and of rankings: counts, balance, refused settings; staircases; plans."""

from collections import Counter

import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.protocol.protocols import NOT_FOR, PROTOCOLS, load_protocol
from human_study.protocol.staircase import Staircase
from human_study.trials.cast import Cast, choose_cast
from human_study.trials.draw import draw
from human_study.trials.plan import make_plan, plan_text

LAYOUTS = [f"{i:05d}" for i in range(400)]
CAST = Cast("crn", ("pix2pix", "image_space"), "blurred-photos")


def drawn(name, *settings, cast=CAST):
    return draw(load_protocol(name, settings), cast, LAYOUTS, "study", 0)


def in_test(hit):
    return [trial for trial in hit.trials if trial.sentinel == "none"]


def test_every_method_has_as_many_photographs_as_pictures():
    hits = drawn("hype-infinity", "hits=12")
    for hit in hits:
        assert Counter((t.condition, t.methods) for t in in_test(hit)) == {
            (f"photos_vs_{m}", (shown,)): 16 for m in ("crn", "pix2pix", "image_space") for shown in ("photos", m)}
        assert len({t.image_id for t in hit.trials}) == len(hit.trials) == 96 + 10 + 4
        practice = [t for t in hit.trials if t.block == "practice"]
        assert hit.trials[:4] == tuple(practice)
        assert Counter(t.sentinel_answer for t in practice) == {"real": 2, "fake": 2}
        assert {t.sentinel_answer for t in hit.trials if t.sentinel != "none" and t not in practice} == {"fake"}
    roles = Counter((t.image_id, t.condition, t.methods) for hit in hits[:6] for t in in_test(hit))
    assert set(roles.values()) == {1} and len(roles) == 6 * 96  # six participants see a scene in all six roles


def test_exposures_and_staircases_of_single_pictures():
    fixed = in_test(drawn("hype-infinity", "exposures_ms=[100, 400]", "hits=1")[0])
    assert set(Counter((t.condition, t.methods, t.exposure_ms) for t in fixed).values()) == {8}
    adaptive = drawn("hype-time", "hits=1")[0]
    assert all(t.adaptive and t.exposure_ms == 500 for t in in_test(adaptive))
    assert not any(t.adaptive for t in adaptive.trials if t.sentinel != "none")


def test_a_staircase_settles_at_three_of_four():
    stairs = Staircase()
    assert [stairs.level(right) for right in ([], [True], [False], [True, False])] == [500, 490, 530, 520]
    assert stairs.level([True] * 99) == 100 and stairs.level([False] * 99) == 1000
    assert stairs.level([True, True, True, False] * 25) == 500
    literal = Staircase(down_ms=30, up_ms=10)  # as the paper's sentence has them: two of three right, and down
    assert literal.level([True, True, False] * 50) == literal.shortest_ms + 10
    with pytest.raises(InputError, match="expected shortest_ms <= start_ms"):
        load_protocol("hype-time", ["staircase.start_ms=50"])


@pytest.mark.parametrize("methods", [("pix2pix",), ("pix2pix", "image_space"), ("a", "b", "c", "photos")])
def test_every_method_is_equally_often_at_every_place(methods):
    cast = Cast("crn", methods, "blurred-photos")
    count = len(methods) + 1
    hits = drawn("ranking", f"hits={count}", f"test_trials={4 * count}", cast=cast)
    for hit in hits:
        places = Counter((m, place) for t in in_test(hit) for place, m in enumerate(t.methods))
        assert set(places.values()) == {4} and len(places) == count**2
        checks = [t for t in hit.trials if t.sentinel == "perceptual" and t.block == "test"]
        assert len(checks) == 5 and all(t.sentinel_answer == "blurred-photos" in t.methods for t in checks)
        assert all(len(set(t.methods)) == count for t in hit.trials)
    of_scene = Counter((t.image_id, t.methods) for hit in hits for t in in_test(hit))
    assert set(of_scene.values()) == {1}  # of one scene every participant has other places


VALUES = {"staircase": "{}", "pairs": "all", "instruction_checks": "1", "repeats": "1", "ties": "true",
          "stacked": "true", "show_layout": "true", "feedback": "true", "exposures_ms": "[100]"}


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in NOT_FOR.items() for name in names])
def test_settings_without_meaning_for_a_task_are_refused(task, name):
    preset = {"pairs": "lab", "real_or_fake": "hype-infinity", "ranking": "ranking"}[task]
    with pytest.raises(InputError, match=f"{name} does not go with task {task}"):
        load_protocol(preset, [f"{name}={VALUES[name]}"])


def test_tasks_that_cannot_be(tiny_run):
    for preset, methods, reference, message in (
            ("ranking", [], "crn", "at least two methods"), ("hype-time", ["photos"], "crn", "leave them out"),
            ("ranking", ["pix2pix", "pix2pix"], "crn", "listed twice")):
        with pytest.raises(InputError, match=message):
            choose_cast(tiny_run, PROTOCOLS[preset], methods, reference)
    assert choose_cast(tiny_run, PROTOCOLS["hype-time"], ["pix2pix"], "crn") == Cast("pix2pix", (), "blurred-photos")
    with pytest.raises(InputError, match="needs design per-participant"):
        load_protocol("crn2017-unlimited", ["task=ranking"])
    with pytest.raises(InputError, match="not both"):
        load_protocol("hype-time", ["exposures_ms=[100]"])
    with pytest.raises(InputError, match="test_trials=4, but 6 are needed"):
        drawn("hype-infinity", "test_trials=4")


def test_hits_are_for_pairs(tiny_run, capsys):
    with pytest.raises(SystemExit):
        main(["hits", "--run", str(tiny_run.path), "--protocol", "ranking"])
    error = capsys.readouterr().err
    assert "HIT tables hold pairs only; task ranking is run by the study server" in error and error.count("\n") == 1


def test_plans():
    ranking = load_protocol("ranking")
    plan = make_plan(ranking, CAST, LAYOUTS)
    assert [cell.condition for cell in plan.cells] == ["crn_vs_image_space", "crn_vs_pix2pix", "pix2pix_vs_image_space"]
    assert {cell.judgments for cell in plan.cells} == {30 * 24} and plan.sentinel_chance == pytest.approx(1 / 3)
    assert "sentinels must be right" not in plan_text(plan, ranking)
    hype = load_protocol("hype-infinity")
    assert "share of right answers 0.6" in plan_text(make_plan(hype, CAST, LAYOUTS), hype)
    time = load_protocol("hype-time", ["test_trials=120"])
    plan = make_plan(time, CAST, LAYOUTS)
    assert {cell.width for cell in plan.cells} == {None} and "40 trials per staircase" in plan_text(plan, time)
