"""The spreads found in a pilot, against those that its answers were drawn with."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from human_study.__main__ import main
from human_study.protocol.protocols import load_protocol
from human_study.responses.table import make_responses, read_responses, write_responses
from human_study.simulation.pilot import pilot_spreads, seconds_per_trial, spreads
from human_study.simulation.power import Design, draw
from human_study.trials.plan import PARTICIPANT_SD, latent


def answered(outcomes, participants, images, other="a") -> pd.DataFrame:
    """A table of responses of crn against another method, crn on the left in half of the trials."""
    crn_left = np.arange(len(outcomes)) % 2 == 0
    return make_responses(pd.DataFrame({
        "study_id": "lab-pilot", "spec_sha256": "5" * 64, "platform": "local", "session_id": participants.astype(str),
        "participant": participants.astype(str), "trial_index": np.arange(len(outcomes)), "trial_id": "t",
        "block": "test", "image_id": images.astype(str), "condition": f"crn_vs_{other}", "layout": "side_by_side",
        "left_method": np.where(crn_left, "crn", other), "right_method": np.where(crn_left, other, "crn"),
        "chosen": np.where(crn_left == (outcomes == 1), "left", "right"), "sentinel": "none", "rt_ms": 2500.0,
        "submit_status": "submitted"}))


def pilot(preference, participant_sd, image_sd, seed, participants=60, trials=40, images=120) -> pd.DataFrame:
    design = Design(participants, trials, images, preference, participant_sd, image_sd)
    m = latent(preference, float(np.hypot(participant_sd, image_sd)))
    return answered(*draw(design, np.random.default_rng(seed), m))


def single_pictures(outcomes, participants, images) -> pd.DataFrame:
    """A table of responses of single pictures, half of them photographs; outcomes: 1 is an error."""
    photo = np.random.default_rng(0).permutation(np.arange(len(outcomes)) % 2 == 0)
    real = photo != (outcomes == 1)
    frame = answered(outcomes, participants, images).drop(columns=["left_method", "right_method"])
    return make_responses(frame.assign(
        task="real_or_fake", layout="single", condition="photos_vs_crn", shown=np.where(photo, "photos", "crn"),
        chosen=np.where(real, "real", "fake"), exposure_req_ms=500.0))


def ranked(seed, participant_sd, image_sd, participants=40, images=30) -> pd.DataFrame:
    """Everybody ranks three methods' pictures of every image, by strengths with Gumbel noise: pairs are logistic."""
    rng, methods = np.random.default_rng(seed), ("a", "b", "crn")
    by_participant = rng.normal(0, participant_sd / np.sqrt(2), (participants, 3))
    by_image = rng.normal(0, image_sd / np.sqrt(2), (images, 3))
    w, i = np.repeat(np.arange(participants), images), np.tile(np.arange(images), participants)
    order = np.argsort(-(by_participant[w] + by_image[i] + rng.gumbel(size=(len(w), 3))), axis=1)
    frame = answered(np.ones(len(w)), w, i).drop(columns=["left_method", "right_method"])
    return make_responses(frame.assign(
        task="ranking", layout="grid", condition="a_vs_b_vs_crn", shown=";".join(methods), chosen="ranked",
        ranked=[";".join(methods[k] for k in row) for row in order], rt_ms=12_000.0))


def test_errors_give_the_same_spreads_as_preferences():
    drawn = draw(Design(60, 40, 120, .3, .7, .8), np.random.default_rng(0), latent(.3, float(np.hypot(.7, .8))))
    found = pilot_spreads(single_pictures(*drawn), load_protocol("hype-infinity"), "crn")
    assert found == spreads(answered(*drawn), "crn")


@pytest.mark.parametrize("protocol, made, participant_sd, image_sd", [
    ("lab", lambda seed: pilot(.35, 1.2, .3, seed), 1.2, .3), ("lab", lambda seed: pilot(.75, .2, 1.5, seed), .2, 1.5),
    ("ranking", lambda seed: ranked(seed, .7, .8), .7, .8)])
def test_spreads_are_recovered(protocol, made, participant_sd, image_sd):
    found = [pilot_spreads(made(seed), load_protocol(protocol), "crn") for seed in range(4)]
    assert np.mean([one.participant_sd for one in found]) == pytest.approx(participant_sd, abs=.18)
    assert np.mean([one.image_sd for one in found]) == pytest.approx(image_sd, abs=.18)


def test_plans_of_other_tasks_take_their_own_pilots(tmp_path, capsys):
    flat = np.random.default_rng(0).integers(0, 2, 400).astype(float), np.repeat(range(20), 20), np.tile(range(20), 20)
    pilots = {"pairs": answered(*flat), "hype-infinity": single_pictures(*flat), "ranking": ranked(0, .7, .8, 10, 10)}
    pilots["hype-time"] = pilots["hype-infinity"].assign(adaptive=True)
    for name, frame in pilots.items():
        write_responses(frame, tmp_path / f"{name}.csv")

    def plan(protocol, pilot):
        main(["plan", "--protocol", protocol, "--layouts", "400", "--methods", "a,b", "--rounds", "20", "--pilot",
              str(tmp_path / f"{pilot}.csv")])
        return capsys.readouterr().out

    text = plan("hype-infinity", "hype-infinity")
    assert "pilot: 400 judgments of 20 participants and 20 images give spreads of" in text
    assert "(2.5 s per answer" in text and "true share of right answers 0.6" in text
    assert re.search(r"photos_vs_a .* [01]\.\d\d$", text, re.MULTILINE)
    text = plan("ranking", "ranking")
    assert "pilot: 300 judgments of 10 participants and 10 images" in text and "(12 s per answer)" in text
    text = plan("hype-time", "hype-time")
    assert "images give 2.5 s per answer" in text and "neither width nor power" in text and "spread" not in text
    for protocol, pilot, message in (("hype-infinity", "hype-time", "they keep the share of errors"),
                                     ("ranking", "pairs", "holds answers of task pairs, protocol ranking asks ranking"),
                                     ("lab", "ranking", "holds answers of task ranking, protocol lab asks pairs")):
        with pytest.raises(SystemExit):
            plan(protocol, pilot)
        assert message in (error := capsys.readouterr().err) and error.count("\n") == 1


def test_pilots_without_spread_and_without_information():
    found = [spreads(pilot(.6, 0, 0, seed), "crn") for seed in range(3)]
    assert np.mean([one.participant_sd + one.image_sd for one in found]) < .35
    assert found[0].judgments == 2400 and found[0].seconds == 2.5
    # by hand: two participants of one mind each, two images: all of the spread is the participants'
    by_hand = spreads(answered(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])), "crn")
    assert by_hand.participant_sd > 2 and by_hand.image_sd < .1
    with pytest.raises(InputError, match="no participant judged two images"):
        spreads(answered(np.array([1, 0]), np.array([0, 1]), np.array([0, 1])), "crn")


def test_a_small_pilot_of_many_layouts_gives_its_time_alone(tmp_path, capsys):
    """Nobody judged what somebody else did."""
    file = tmp_path / "pilot.csv"
    write_responses(answered(np.array([1, 0, 1, 1]), np.array([0, 0, 1, 1]), np.arange(4)).assign(rt_ms=9000.0), file)
    main(["plan", "--layouts", "100", "--methods", "a", "--rounds", "0", "--pilot", str(file)])
    text = capsys.readouterr().out
    assert "give 9.0 s per answer; no spreads (the assumed ones stay): no image was judged by two" in text
    assert f"spread (log odds) {PARTICIPANT_SD:g} between" in text and "(9 s per answer)" in text


def test_a_pilot_is_apart(tiny_run):
    main(["hits", "--run", str(tiny_run.path), "--protocol", "lab", "--methods", "pix2pix", "--set", "name=lab-pilot",
          "hits=2", "test_trials=4", "sentinels=2"])
    assert (tiny_run.study / "lab-pilot" / "secret" / "spec.json").exists() and not (tiny_run.study / "lab").exists()


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


def test_spreads_minutes_and_pay_of_the_plan_follow_the_pilot(tmp_path, capsys):
    file = tmp_path / "pilot.csv"
    write_responses(pilot(.6, 1.0, .2, 0).assign(rt_ms=9000.0, platform="sim"), file)
    expected = spreads(read_responses(file), "crn")
    words = ["plan", "--layouts", "100", "--methods", "a", "--rounds", "0", "--pay-per-hour", "12"]
    plans = []
    for more in ([], ["--pilot", str(file)]):
        main([*words, "--json", *more])
        plans.append(json.loads(capsys.readouterr().out))
    assert [one["answer_seconds"] for one in plans] == [4, 9]
    assert plans[1]["minutes_per_hit"] == pytest.approx(plans[0]["minutes_per_hit"] * 9 / 4)
    assert plans[1]["total_cost"] == pytest.approx(plans[0]["total_cost"] * 9 / 4)
    assert plans[0]["protocol_sha256"] == plans[1]["protocol_sha256"]
    main([*words, "--pilot", str(file)])
    text = capsys.readouterr().out
    assert "(9 s per answer)" in text and "--set answer_seconds=9" in text
    assert f"spread (log odds) {round(expected.participant_sd, 2):g} between participants" in text
    assert "pilot (SIMULATED, no person judged): 2400 judgments of 60 participants" in text
