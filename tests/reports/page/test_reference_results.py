"""A run beside reference results, in its report."""

import pytest

from evaluation.trainings import Trainings, training_of, write_trainings
from reports.page import reference_results
from reports.page.reference_results import evidence
from reports.reference import load_reference, write_reference
from tests.scores import moved


@pytest.fixture
def reference(scored_run, tmp_path):
    """Reference results of three trainings, the first of which is the run itself."""
    folder, first = write_reference([scored_run], tmp_path / "made"), training_of(scored_run)
    write_trainings(Trainings([first, moved(first, 1, 0.01), moved(first, 2, -0.01)]), folder / "trainings.json")
    return load_reference(folder)


def test_a_run_is_compared_as_on_the_command_line(scored_run, reference):
    note = reference_results.reference_results(scored_run, reference)
    assert note.sentence.startswith("0 of ") and "No difference is beyond chance" in note.sentence and not note.lines
    score = next(s for s in scored_run.scores("segmentation") if s.method == "crn")
    score.values[0] = moved(training_of(scored_run), 3, 9.0).values()["segmentation", "crn", "mIoU"]
    scored_run.write_score(score)
    note = reference_results.reference_results(scored_run, reference)
    assert "1 difference is beyond chance" in note.sentence and note.lines[0].startswith("CRN, mIoU: 9.700 here, 0.700")


def test_another_judge_cannot_be_compared(scored_run, reference):
    for score in scored_run.scores():
        score.provenance |= {"judge": "another", "extractor": "another"}
        scored_run.write_score(score)
    assert "cannot be compared" in reference_results.reference_results(scored_run, reference).sentence


def test_without_a_reference_of_these_pictures_the_others_are_named(scored_run, monkeypatch):
    monkeypatch.setattr(reference_results, "reference_names", lambda: ["camvid-vgg19"])
    assert reference_results.reference_results(scored_run, None).sentence == (
        "Reference results on other pictures ship with the suite: camvid-vgg19.")
    monkeypatch.setattr(reference_results, "reference_names", lambda: [])
    assert reference_results.reference_results(scored_run, None).sentence == ""


def test_a_single_run_borrows_the_seeds_of_a_reference_with_its_settings(scored_run, reference):
    assert not len(evidence(scored_run, None).trainings)
    found = evidence(scored_run, reference)
    assert len(found.trainings) == 3 and found.source == " of the reference results made"
    reference.about["settings"]["data.dataset"] = "another"
    assert not len(evidence(scored_run, reference).trainings)
    first = training_of(scored_run)
    write_trainings(Trainings([first, moved(first, 1, 0.01)]), scored_run.trainings_file)
    found = evidence(scored_run, reference)
    assert len(found.trainings) == 2 and not found.source
