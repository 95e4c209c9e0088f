"""Scores of several trainings in one file."""

from dataclasses import replace

import pytest

from data.errors import InputError
from data.files import write_json
from evaluation import merge
from evaluation.run_directory import PHOTOS
from evaluation.trainings import Trainings, read_trainings, training_of, write_trainings
from tests.conftest import make_run
from tests.scores import moved


@pytest.fixture
def training(scored_run):
    return training_of(scored_run)


def test_trainings_are_read_as_written(training, tmp_path):
    others = [moved(training, 1, 0.1), moved(training, 0, 0.2, 10 * training.budget)]
    write_trainings(Trainings([*others, training]), tmp_path / "trainings.json")
    found = read_trainings(tmp_path / "trainings.json")
    assert list(found) == [training, *others] and found.budgets == [training.budget, 10 * training.budget]
    assert found.at(training.budget).values("segmentation", "mIoU")["crn"] == pytest.approx([0.7, 0.8])
    assert PHOTOS in found.values("segmentation", "mIoU")
    assert not any(score.per_image or score.details for one in found for score in one.scores)
    assert len(read_trainings(tmp_path / "none.json")) == 0


def test_the_same_training_twice_is_refused(training):
    with pytest.raises(InputError, match="seed 0 at .* given twice"):
        Trainings([training, moved(training, 0, 0.1)])
    with pytest.raises(InputError, match="seed 3 at .*: the same values as another"):
        Trainings([training, replace(training, seed=3)])


@pytest.mark.parametrize("key", ["dataset", "N", "image size"])
def test_trainings_on_other_photographs_are_refused(training, key):
    other = moved(training, 1, 0.1)
    other.scores[0] = replace(other.scores[0], provenance=other.scores[0].provenance | {key: "another"})
    with pytest.raises(InputError, match=f"seed 1 at .* images: another {key} than seed 0"):
        Trainings([training, other])


@pytest.mark.parametrize("content", [[], {"format": "x"}, {"format": "semantic-image-synthesis trainings 1"},
                                     {"format": "semantic-image-synthesis trainings 1", "trainings": [{"seed": 1}]}])
def test_another_file_is_named(tmp_path, content):
    write_json(tmp_path / "trainings.json", content)
    with pytest.raises(InputError, match="trainings.json: not made by python -m evaluation.merge trainings"):
        read_trainings(tmp_path / "trainings.json")


def test_runs_become_trainings_on_the_command_line(scored_run, tmp_path, capsys):
    assert merge.main(["trainings", str(scored_run.path), "--out", str(tmp_path / "t.json")]) is None
    assert len(read_trainings(tmp_path / "t.json")) == 1
    with pytest.raises(SystemExit):
        merge.main(["trainings", str(make_run(tmp_path / "unscored", 2).path), "--out", str(tmp_path / "t.json")])
    assert "no scores; run the stage score first" in capsys.readouterr().err
