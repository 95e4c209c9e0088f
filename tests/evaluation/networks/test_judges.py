"""Choosing the judge: one section of the preset, also for a run that was scored by another one before."""

import warnings

import pytest
import torch
from ruamel.yaml import YAML

from data import open_dataset
from data.configuration import with_new_keys
from data.files import write_png
from data.labels import LabelSpace
from evaluation.networks.judges import OPTIONS, OUTSIDE, build_judge
from evaluation.run import main
from evaluation.run_directory import RunDirectory
from presets.schema import JUDGES, JudgeConfig, SegmenterConfig, load_preset


def write_judge(file, labels: LabelSpace) -> None:
    """An exported network of random weights that knows every class, with its YAML."""
    torch.manual_seed(0)
    classes = len(labels) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated; files made with it are still in use
        torch.jit.trace(torch.nn.Conv2d(3, classes, 1).eval(), torch.zeros(1, 3, 8, 8)).save(str(file))
    YAML().dump({"network": "OtherNet", "labels": dict(enumerate(labels.names[:-1]))}, file.with_suffix(".yaml"))


@pytest.fixture
def score(tmp_path):
    """Scores small street scenes, whose photographs are the images of a method, with the settings that it is given."""
    data = load_preset("smoke").data
    for pair in open_dataset(data, "val", data.seed):
        write_png(tmp_path / "images" / f"{pair.name}.png", pair.photo.transpose(1, 2, 0))

    def run(*settings):
        assert main(["--stages", "score", "--preset", "smoke", "--device", "cpu", "--out", str(tmp_path / "run"),
                     "--images", f"mine={tmp_path / 'images'}", "--set", "score.metrics=[segmentation, distances]",
                     *settings]) == 0
        return RunDirectory.open(tmp_path / "run")
    return run


def test_the_judge_of_street_is_changed_in_one_place(score, tmp_path, capsys):
    before = score("judge.source=auto")
    write_judge(tmp_path / "judge.pt", before.labels())
    assert before.scores("segmentation")[0].provenance["judge"]["name"].startswith("ResidualUNet that ships")
    assert any(value.name == "FD-judge" for value in before.scores("distances")[0].values)
    capsys.readouterr()

    after = score("judge.source=torchscript", f"judge.path={tmp_path / 'judge.pt'}")
    assert {score.provenance["judge"]["name"] for score in after.scores("segmentation")} == {"OtherNet"}
    assert "distances on the judge's features: left out, judge.source torchscript gives none" in capsys.readouterr().out
    assert after.scores("distances") == []

    score("judge.source=none")
    assert "segmentation: left out, there is no judge: choose one with judge.source" in capsys.readouterr().out


def test_every_source_and_its_options_are_known():
    assert set(OUTSIDE) == set(JudgeConfig.model_fields) - set(SegmenterConfig.model_fields)
    assert set(OPTIONS) <= set(JUDGES) and all(set(options) <= set(OUTSIDE) for options in OPTIONS.values())
    assert build_judge(JudgeConfig(source="none"), LabelSpace(["road", "void"], [(0, 0, 0)] * 2)) is None


def test_older_records_open_with_the_judge_in_its_new_place():
    old = {"judge": {"kind": "auto", "width": 24, "batch": 8}, "segmenter": {"kind": "fixed"},
           "score": {"judge": {"kind": "trained", "path": None, "batch": None}, "bootstrap": 9}}
    assert with_new_keys(old) == {"judge": {"source": "auto", "width": 24, "batch": 8, "path": None},
                                  "segmenter": {"source": "fixed"}, "score": {"bootstrap": 9}}
