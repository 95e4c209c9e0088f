"""Single pictures and rankings, the whole way: protocol, plan, real page in a real browser, table, analysis."""

import shutil

import pytest

from human_study.analysis.outputs import summary, write_analysis
from human_study.analysis.results import analyse, identity_of
from human_study.batch.write import write_batch
from human_study.protocol.protocols import load_protocol
from human_study.protocol.rules import QualityRules
from human_study.responses.table import read_responses, write_responses
from human_study.server.serve import open_store
from human_study.simulation.participants import KnownTruth
from human_study.simulation.simulate import simulate

pytest.importorskip("playwright", reason="needs playwright")
pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
RULES = QualityRules(use_min_median_rt_ms=None, use_max_fast=None)  # simulated participants need no time to look
FEW = ["sentinels=1", "practice=1", "hits=2"]
SURE = 1 - 1e-9  # close enough to 1 that the outcome does not depend on which trials are drawn


@pytest.fixture
def taken(tiny_run, tmp_path):
    """taken(protocol, settings, truth) -> batch and table of two simulated participants, read back from CSV."""
    def take(protocol, settings, truth, methods):
        batch = write_batch(tiny_run, load_protocol(protocol, [*FEW, *settings]), methods, "crn")
        store = open_store(tiny_run, batch, tmp_path / "k" / "study.key", simulated=True)
        frame = simulate(store, {"attentive": 2}, truth)
        store.close()
        write_responses(frame, tmp_path / "responses.csv")
        return batch, read_responses(tmp_path / "responses.csv")

    return take


def test_real_or_fake(taken, tmp_path):
    truth = KnownTruth({"photos_vs_crn": SURE, "photos_vs_pix2pix": 1 - SURE}, care=1.0)
    batch, frame = taken("hype-infinity", ["test_trials=8"], truth, ["crn", "pix2pix"])
    assert len(frame) == 2 * 10 and set(frame["chosen"]) == {"real", "fake"} and set(frame["layout"]) == {"single"}
    assert frame["left_method"].isna().all() and set(frame["shown"]) == {"photos", "crn", "pix2pix", "blurred-photos"}
    found = analyse(frame, "crn", RULES, identity=identity_of(frame, batch.spec))
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
    assert own["exposure_ms"].notna().all() and own["mask_shown"].all()
    found = analyse(frame, "crn", RULES.model_copy(update={"use_exposure_tolerance_frames": None}))
    assert found.realism == [] and [row.method for row in found.thresholds] == ["crn"]


def test_ranking(taken):
    truth = KnownTruth({"crn_vs_pix2pix": SURE, "crn_vs_image_space": 1 - SURE}, care=1.0)
    batch, frame = taken("ranking", ["test_trials=6"], truth, ["pix2pix", "image_space"])
    tests = frame[frame["sentinel"].eq("none")]
    assert len(tests) == 12 and set(tests["ranked"]) == {"image_space;crn;pix2pix"}
    assert tests["shown"].nunique() >= 3 and set(frame["chosen"]) == {"ranked"} and frame["sentinel_ok"].dropna().all()
    found = analyse(frame, "crn", RULES, identity=identity_of(frame, batch.spec))
    shares = {f"{row.a} {row.b}": (row.share, row.n) for row in found.preferences}
    assert shares == {"crn image_space": (0, 12), "crn pix2pix": (1, 12), "image_space pix2pix": (1, 12)}
    assert found.participation.used == 12 and found.votes
