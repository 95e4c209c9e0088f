"""The spreads a pilot says, against those that its answers were drawn with."""

import json

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.design.plan import latent
from human_study.rehearsal.pilot import seconds_per_trial, spreads
from human_study.rehearsal.power import Design, draw
from human_study.table.responses import make_responses, read_responses, write_responses


def answered(outcomes, workers, images, other="a") -> pd.DataFrame:
    """A table of responses of crn against another method, crn on the left in half of the trials."""
    crn_left = np.arange(len(outcomes)) % 2 == 0
    return make_responses(pd.DataFrame({
        "study_id": "lab-pilot", "spec_sha256": "5" * 64, "platform": "local", "session_id": workers.astype(str),
        "worker_id": workers.astype(str), "trial_index": np.arange(len(outcomes)), "trial_id": "t", "block": "test",
        "image_id": images.astype(str), "condition": f"crn_vs_{other}", "layout": "side_by_side",
        "left_method": np.where(crn_left, "crn", other), "right_method": np.where(crn_left, other, "crn"),
        "chosen": np.where(crn_left == (outcomes == 1), "left", "right"), "sentinel": "none", "rt_ms": 2500.0,
        "submit_status": "submitted"}))


def pilot(preference, worker_sd, image_sd, seed, workers=60, trials=40, images=120) -> pd.DataFrame:
    design = Design(workers, trials, images, preference, worker_sd, image_sd)
    m = latent(preference, float(np.hypot(worker_sd, image_sd)))
    return answered(*draw(design, np.random.default_rng(seed), m))


@pytest.mark.parametrize("preference, worker_sd, image_sd", [(.6, .7, .8), (.35, 1.2, .3), (.75, .2, 1.5)])
def test_spreads_are_recovered(preference, worker_sd, image_sd):
    found = [spreads(pilot(preference, worker_sd, image_sd, seed), "crn") for seed in range(6)]
    assert np.mean([one.worker_sd for one in found]) == pytest.approx(worker_sd, abs=.15)
    assert np.mean([one.image_sd for one in found]) == pytest.approx(image_sd, abs=.15)


def test_no_spread_is_no_spread():
    found = [spreads(pilot(.6, 0, 0, seed), "crn") for seed in range(4)]
    assert np.mean([one.worker_sd + one.image_sd for one in found]) < .35
    assert found[0].judgments == 2400 and found[0].seconds == 2.5


def test_pairs_by_hand():
    """Two workers of one mind each, two images: all of the spread is the workers'."""
    found = spreads(answered(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])), "crn")
    assert found.worker_sd > 2 and found.image_sd < .1


def test_a_pilot_that_says_nothing_is_refused():
    with pytest.raises(InputError, match="no participant judged two images"):
        spreads(answered(np.array([1, 0]), np.array([0, 1]), np.array([0, 1])), "crn")


def test_a_pilot_is_apart_and_feeds_the_plan(tiny_run, tmp_path, capsys):
    run = ["--run", str(tiny_run.path), "--protocol", "lab"]
    main(["hits", *run, "--methods", "pix2pix", "--set", "name=lab-pilot", "hits=2",
          "test_trials=4", "sentinels=2"])
    assert (tiny_run.study / "lab-pilot" / "secret" / "spec.json").exists() and not (tiny_run.study / "lab").exists()
    write_responses(pilot(.6, 1.0, .2, 0), tmp_path / "pilot.csv")
    expected = spreads(read_responses(tmp_path / "pilot.csv"), "crn")
    main(["plan", "--layouts", "100", "--methods", "a", "--rounds", "0", "--pilot", str(tmp_path / "pilot.csv")])
    text = capsys.readouterr().out
    assert f"spread (log odds) {expected.worker_sd:g} between participants" in text
    assert "2400 judgments of 60 participants" in text and "2.5 s per answer" in text


def on_the_page(onsets, **more) -> pd.DataFrame:
    """Two sessions on clocks of their own."""
    frame = answered(np.ones(2 * len(onsets)), np.repeat([0, 1], len(onsets)), np.arange(2 * len(onsets)))
    trials = np.tile(np.arange(len(onsets)), 2)
    return make_responses(frame.assign(trial_index=trials, onset_ts=np.r_[onsets, np.add(onsets, 7e6)], **more))


def test_time_per_answer_by_hand():
    """From one pair to the next: 4 s and 6 s, of which 2 s were a pause; a reload begins another clock."""
    assert seconds_per_trial(on_the_page([1000, 5000, 11000])) == 5
    assert seconds_per_trial(on_the_page([1000, 5000, 11000], paused_ms=[0, 2000, 0] * 2)) == 4
    assert seconds_per_trial(on_the_page([1000, 5000, np.nan, 11000])) == 4
    timed = on_the_page([1000, 5000, 11000], exposure_req_ms=500)
    assert seconds_per_trial(timed, delay_ms=500) == 4  # the plan adds exposure and delay itself
    assert seconds_per_trial(on_the_page([np.nan] * 3, rt_ms=2000)) == 2  # another tool's table: the answer alone
    assert seconds_per_trial(on_the_page([np.nan] * 3, rt_ms=np.nan)) is None


def test_minutes_and_pay_follow_the_pilot(tmp_path, capsys):
    file = tmp_path / "pilot.csv"
    write_responses(pilot(.6, 1.0, .2, 0).assign(rt_ms=9000.0), file)
    words = ["plan", "--layouts", "100", "--methods", "a", "--rounds", "0", "--pay-per-hour", "12", "--json"]
    plans = []
    for more in ([], ["--pilot", str(file)]):
        main([*words, *more])
        plans.append(json.loads(capsys.readouterr().out))
    assert [one["answer_seconds"] for one in plans] == [4, 9]
    assert plans[1]["minutes_per_hit"] == pytest.approx(plans[0]["minutes_per_hit"] * 9 / 4)
    assert plans[1]["total_cost"] == pytest.approx(plans[0]["total_cost"] * 9 / 4)
    assert plans[0]["protocol_sha256"] == plans[1]["protocol_sha256"]
    main([*words[:-1], "--pilot", str(file)])
    assert "(9 s per answer)" in (text := capsys.readouterr().out) and "--set answer_seconds=9" in text
