"""Simulated participants through the real page in a real browser: the known truth comes back, for every task."""

import shutil

import pytest

from data.errors import InputError
from human_study.analysis.outputs import summary, write_analysis
from human_study.analysis.results import analyse, identity_of
from human_study.batch.write import write_batch
from human_study.protocol.protocols import load_protocol
from human_study.protocol.rules import QualityRules
from human_study.responses.table import read_responses, write_responses
from human_study.server.serve import open_store
from human_study.simulation.participants import KINDS, KnownTruth, parse_truth
from human_study.simulation.simulate import kinds_by_participant, simulate

pytest.importorskip("playwright", reason="needs playwright")
pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
RULES = QualityRules(use_min_median_rt_ms=None, use_max_fast=None)  # simulated participants need no time to look
SURE = 1 - 1e-9  # close enough to 1 that the outcome does not depend on which trials are drawn
LAB = ["test_trials=8", "sentinels=3", "instruction_checks=1", "practice=1", "hits=6"]


@pytest.fixture
def open_study(tiny_run, tmp_path):
    """open_study(protocol, settings, methods) -> store of simulated participants."""
    stores = []

    def build(protocol="lab", settings=LAB, methods=("pix2pix", "image_space")):
        batch = write_batch(tiny_run, load_protocol(protocol, settings), list(methods), "crn")
        stores.append(open_store(tiny_run, batch, tmp_path / "k" / "study.key", simulated=True))
        return stores[-1]

    yield build
    for store in stores:
        store.close()


def test_known_truth_is_recovered_and_careless_participants_are_left_out(open_study):
    store, participants = open_study(), {"attentive": 3, "lapsing": 1, "left-clicker": 1, "bot": 1}
    truth = KnownTruth({"crn_vs_pix2pix": SURE, "crn_vs_image_space": 1 - SURE}, care=1.0)
    frame = simulate(store, participants, truth)
    assert set(frame["platform"]) == {"sim"} and set(frame["submit_status"]) == {"submitted"}
    assert frame["exposure_req_ms"].isna().all() and set(participants) == set(KINDS)
    kinds = kinds_by_participant(store, participants)
    kind = frame["participant"].map(kinds)
    assert kind.value_counts().to_dict() == {name: 13 * count for name, count in participants.items()}
    good = frame[(kind == "attentive") & frame["sentinel"].eq("none")]
    rates = good.groupby("condition")["outcome"].mean()
    assert rates["crn_vs_pix2pix"] == 1 and rates["crn_vs_image_space"] == 0
    assert good["chosen"].eq("left").mean() == 0.5  # exact balance of sides
    assert frame.loc[kind == "left-clicker", "chosen"].eq("left").all()
    assert (frame["rt_ms"] > 0).all() and set(frame["input_device"]) == {"keyboard", "mouse"}
    assert (frame["visible_fraction"] == 1).all() and (frame["img_css_w"] == 400).all()
    with pytest.raises(InputError, match="took this study already"):
        simulate(store, participants, truth)
    found = analyse(frame, "crn", RULES, identity=identity_of(frame, store.batch.spec))
    assert found.identity.simulated and "SIMULATED" in found.identity.line() and found.participation.participants == 6
    used = found.participants.set_index("participant")["used"].groupby(kinds).sum()
    assert used["left-clicker"] == 0 and used["bot"] == 0 and used["attentive"] == 3 * 8


def test_answer_probabilities_and_refusals(open_study, tiny_run, tmp_path):
    store = open_study()
    trials = [t for hit in store.batch.hits.values() for t in hit]
    truth = KnownTruth({"crn_vs_pix2pix": 0.8}, side_bias=0.5)
    left, right = (next(t for t in trials if t.condition == "crn_vs_pix2pix" and t.methods[place] == "crn")
                   for place in (0, 1))
    assert truth.left(left) == pytest.approx(0.868, abs=1e-3)  # expit(logit(.8) + .5)
    assert truth.left(right) == pytest.approx(0.292, abs=1e-3)  # expit(logit(.2) + .5)
    for t in trials:
        if t.sentinel == "instruction":
            assert truth.left(t) == (t.sentinel_answer == "left")
    people = open_store(tiny_run, store.batch, tmp_path / "k" / "study.key")
    for opened, participants, message in ((store, {"atentive": 1}, "did you mean 'attentive'"),
                                          (store, {"bot": 7}, "7 simulated participants, but the study has 6 places"),
                                          (people, {"bot": 1}, "this one is for people's")):
        with pytest.raises(InputError, match=message):
            simulate(opened, participants, KnownTruth())
    people.close()
    for text, message in (("crn_vs_pix=0.5", "unknown comparison"), ("crn_vs_pix2pix=1.5", "between 0 and 1"),
                          ("crn_vs_pix2pix=x", "between 0 and 1"), ("crn_vs_pix2pix=", "between 0 and 1")):
        with pytest.raises(InputError, match=message):
            parse_truth([text], store.batch)


# --- other tasks -----------------------------------------------------------------------------------------------------

@pytest.fixture
def taken(open_study, tmp_path):
    """taken(protocol, settings, truth, methods) -> specification and table of two simulated participants."""
    def take(protocol, settings, truth, methods):
        store = open_study(protocol, ["sentinels=1", "practice=1", "hits=2", *settings], methods)
        write_responses(simulate(store, {"attentive": 2}, truth), tmp_path / "responses.csv")
        return store.batch.spec, read_responses(tmp_path / "responses.csv")

    return take


def test_real_or_fake(taken, tmp_path):
    truth = KnownTruth({"photos_vs_crn": SURE, "photos_vs_pix2pix": 1 - SURE}, care=1.0)
    spec, frame = taken("hype-infinity", ["test_trials=8"], truth, ["crn", "pix2pix"])
    assert len(frame) == 2 * 10 and set(frame["chosen"]) == {"real", "fake"} and set(frame["layout"]) == {"single"}
    assert frame["left_method"].isna().all() and set(frame["shown"]) == {"photos", "crn", "pix2pix", "blurred-photos"}
    found = analyse(frame, "crn", RULES, identity=identity_of(frame, spec))
    errors = {row.method: (row.error.value, row.error.n, row.deceived.value) for row in found.realism}
    assert errors == {"crn": (0, 8, 0), "pix2pix": (1, 8, 1)}
    assert "crn" in summary(found) and tmp_path / "a" / "realism.csv" in write_analysis(found, tmp_path / "a")
    assert "Zhou et al. 2019" in (tmp_path / "a" / "report.md").read_text()


def test_a_staircase_gets_shorter_for_who_is_right(taken):
    steps = ["staircase.down_ms=40", "staircase.up_ms=120", "staircase.start_ms=400", "test_trials=6"]
    _, frame = taken("hype-time", steps, KnownTruth(default=SURE, care=1.0), [])
    own = frame[frame["adaptive"].astype(bool)]
    for _, session in own.groupby("session_id"):
        assert session.sort_values("trial_index")["exposure_req_ms"].tolist() == [400, 360, 320, 280, 240, 200]
    assert own["exposure_ms"].gt(0).all() and own["mask_shown"].all()
    found = analyse(frame, "crn", RULES.model_copy(update={"use_exposure_tolerance_frames": None}))
    assert found.realism == [] and [row.method for row in found.thresholds] == ["crn"]


def test_ranking(taken):
    truth = KnownTruth({"crn_vs_pix2pix": SURE, "crn_vs_image_space": 1 - SURE}, care=1.0)
    spec, frame = taken("ranking", ["test_trials=6"], truth, ["pix2pix", "image_space"])
    tests = frame[frame["sentinel"].eq("none")]
    assert len(tests) == 12 and set(tests["ranked"]) == {"image_space;crn;pix2pix"}
    assert tests["shown"].nunique() >= 3 and set(frame["chosen"]) == {"ranked"} and frame["sentinel_ok"].dropna().all()
    found = analyse(frame, "crn", RULES, identity=identity_of(frame, spec))
    shares = {f"{row.a} {row.b}": (row.share, row.n) for row in found.preferences}
    assert shares == {"crn image_space": (0, 12), "crn pix2pix": (1, 12), "image_space pix2pix": (1, 12)}
    assert found.participation.used == 12 and found.votes
