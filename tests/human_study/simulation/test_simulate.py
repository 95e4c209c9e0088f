"""Simulated participants through the real page in a real browser: the known truth comes back."""

import shutil

import pytest

from data.errors import InputError
from human_study.analysis.quality import apply_rules
from human_study.analysis.results import analyse, identity_of
from human_study.batch.write import write_batch
from human_study.protocol.protocols import load_protocol
from human_study.protocol.rules import QualityRules
from human_study.responses.table import merge_responses
from human_study.server.serve import open_store
from human_study.simulation.participants import KINDS, KnownTruth, parse_truth
from human_study.simulation.simulate import kinds_by_participant, simulate

pytest.importorskip("playwright", reason="needs playwright")
pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
PARTICIPANTS = {"attentive": 3, "lapsing": 1, "left-clicker": 1, "bot": 1}


@pytest.fixture
def store(tiny_run, tmp_path):
    settings = ["test_trials=8", "sentinels=3", "instruction_checks=1", "practice=1", "hits=6"]
    batch = write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix", "image_space"], "crn")
    made = open_store(tiny_run, batch, tmp_path / "k" / "study.key", simulated=True)
    yield made
    made.close()


def test_known_truth_is_recovered(store):
    truth = KnownTruth({"crn_vs_pix2pix": 1 - 1e-9, "crn_vs_image_space": 1e-9}, care=1.0)
    frame = simulate(store, PARTICIPANTS, truth)
    assert set(frame["platform"]) == {"sim"} and len(frame) == 6 * 13
    assert set(frame["submit_status"]) == {"submitted"} and frame["exposure_req_ms"].isna().all()
    kind = frame["participant"].map(kinds_by_participant(store, PARTICIPANTS))
    assert kind.value_counts().to_dict() == {name: 13 * count for name, count in PARTICIPANTS.items()}
    good = frame[(kind == "attentive") & frame["sentinel"].eq("none")]
    rates = good.groupby("condition")["outcome"].mean()
    assert rates["crn_vs_pix2pix"] == 1 and rates["crn_vs_image_space"] == 0
    assert good["chosen"].eq("left").mean() == 0.5  # exact balance of sides
    assert frame.loc[kind == "left-clicker", "chosen"].eq("left").all()
    assert (frame["rt_ms"] > 0).all() and set(frame["input_device"]) == {"keyboard", "mouse"}
    assert (frame["visible_fraction"] == 1).all() and (frame["img_css_w"] == 400).all()
    with pytest.raises(InputError, match="took this study already"):
        simulate(store, PARTICIPANTS, truth)
    rules = QualityRules(use_min_median_rt_ms=None, use_max_fast=None)
    judged = apply_rules(frame, rules)
    used = judged[judged["used"].fillna(False)]
    assert "left-clicker" not in set(kind[used.index]) and "attentive" in set(kind[used.index])


RULES = QualityRules(use_min_median_rt_ms=None, use_max_fast=None)  # simulated participants need no time to look


def test_the_analysis_finds_the_truth_and_leaves_out_the_bot(tiny_run, tmp_path):
    for file in list(tiny_run.path.rglob("0*.png")):
        shutil.copy(file, file.with_name("1" + file.name[1:]))  # 24 layouts
    settings = ["test_trials=16", "sentinels=6", "instruction_checks=0", "practice=0", "hits=6"]
    batch = write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix", "image_space"], "crn")
    store = open_store(tiny_run, batch, tmp_path / "k" / "study.key", simulated=True)
    participants = {"attentive": 5, "bot": 1}
    preference = {"crn_vs_pix2pix": 0.8, "crn_vs_image_space": 0.3}
    frame = simulate(store, participants, KnownTruth(preference, care=1.0))
    store.close()
    found = analyse(frame, "crn", RULES, identity=identity_of(frame, batch.spec))
    assert found.identity.simulated and "SIMULATED" in found.identity.line()
    assert found.participation.participants == 6 and found.participation.participants_used == 5
    kinds = found.participants.set_index("participant")["used"].groupby(kinds_by_participant(store, participants)).sum()
    assert kinds["bot"] == 0 and kinds["attentive"] == 5 * 16
    for one in found.preferences:
        low, high = one.clustered
        assert low < preference[f"{one.a}_vs_{one.b}"] < high and one.n == 5 * 8
    with pytest.raises(InputError, match="never be merged"):
        merge_responses([frame, frame.assign(platform="local")])


def test_a_timed_study(tiny_run, tmp_path):
    settings = ["test_trials=4", "sentinels=1", "instruction_checks=0", "practice=0", "hits=1",
                "exposures_ms=[125, 250]"]
    batch = write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix"], "crn")
    store = open_store(tiny_run, batch, tmp_path / "k" / "study.key", simulated=True)
    frame = simulate(store, {"attentive": 1}, KnownTruth(care=1.0))
    store.close()
    assert sorted(frame["exposure_req_ms"]) == [125, 125, 250, 250, 250] and frame["mask_shown"].all()
    assert set(frame["chosen"]) <= {"left", "right"} and frame["exposure_ms"].gt(0).all()
    found = analyse(frame, "crn", RULES)
    assert [one.requested_ms for one in found.exposures] == [125, 250]
    assert sum(one.measured for one in found.exposures) == 5


def test_answer_probabilities(store):
    trials = [t for hit in store.batch.hits.values() for t in hit]
    truth = KnownTruth({"crn_vs_pix2pix": 0.8}, side_bias=0.5)
    left, right = (next(t for t in trials if t.condition == "crn_vs_pix2pix" and t.methods[place] == "crn")
                   for place in (0, 1))
    assert truth.left(left) == pytest.approx(0.868, abs=1e-3)  # expit(logit(.8) + .5)
    assert truth.left(right) == pytest.approx(0.292, abs=1e-3)  # expit(logit(.2) + .5)
    for t in trials:
        if t.sentinel == "instruction":
            assert truth.left(t) == (t.sentinel_answer == "left")


def test_refusals(store, tiny_run, tmp_path):
    with pytest.raises(InputError, match="did you mean 'attentive'"):
        simulate(store, {"atentive": 1}, KnownTruth())
    with pytest.raises(InputError, match="7 simulated participants, but the study has 6 places"):
        simulate(store, {"bot": 7}, KnownTruth())
    people = open_store(tiny_run, store.batch, tmp_path / "k" / "study.key")
    with pytest.raises(InputError, match="this one is for people's"):
        simulate(people, {"bot": 1}, KnownTruth())
    with pytest.raises(InputError, match="unknown comparison"):
        parse_truth(["crn_vs_pix=0.5"], store.batch)
    for value in ("1.5", "x", ""):
        with pytest.raises(InputError, match="between 0 and 1"):
            parse_truth([f"crn_vs_pix2pix={value}"], store.batch)
    assert set(KINDS) == set(PARTICIPANTS)
