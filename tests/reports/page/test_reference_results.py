"""Comparison of a run with the reference results, in its report."""

import pytest

from reports.page import reference_results
from reports.reference import load_reference, write_reference
from tests.scores import value_of


@pytest.fixture
def reference(scored_run, tmp_path, monkeypatch):
    """Reference results made of the run itself."""
    found = load_reference(write_reference([scored_run], tmp_path / "made"))
    monkeypatch.setattr(reference_results, "matching_reference", lambda run: found)
    return found


def test_a_run_that_found_the_same(scored_run, reference):
    note = reference_results.reference_results(scored_run)
    assert note.sentence == ("All 15 values that can be compared agree with the reference results made (1 training "
                             "seed) within the intervals.")
    assert note.lines == ()


def test_a_run_that_found_otherwise(scored_run, reference):
    score = next(s for s in scored_run.scores("segmentation") if s.method == "crn")
    score.values[0] = value_of("mIoU", 0.2, (0.18, 0.22))
    scored_run.write_score(score)
    note = reference_results.reference_results(scored_run)
    assert note.sentence.startswith("1 of 15 values differ from the reference results made")
    assert note.lines == ("CRN, mIoU: 0.200 here, 0.700 in the reference (worse)",)


def test_another_judge_is_said(scored_run, reference):
    for score in scored_run.scores():
        score.provenance |= {"judge": "another", "extractor": "another"}
        scored_run.write_score(score)
    assert "cannot be compared" in reference_results.reference_results(scored_run).sentence


def test_without_a_reference_of_these_pictures_the_others_are_named(scored_run, monkeypatch):
    monkeypatch.setattr(reference_results, "matching_reference", lambda run: None)
    monkeypatch.setattr(reference_results, "reference_names", lambda: ["camvid-vgg19"])
    assert reference_results.reference_results(scored_run).sentence == (
        "Reference results on other pictures ship with the suite: camvid-vgg19.")
    monkeypatch.setattr(reference_results, "reference_names", lambda: [])
    assert reference_results.reference_results(scored_run).sentence == ""
