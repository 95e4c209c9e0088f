"""Several training seeds and budgets in one call: a run directory each, and their scores in one file."""

import pytest

from data.files import read_json
from evaluation.pipeline import job
from evaluation.run import main
from evaluation.trainings import read_trainings

PRESET = """
extends: smoke
methods: [image_space, unet+image_space]
data: {size: [32, 64], train: 4, val: 2}
judge: {source: none}
training: {images_seen: 4, samples_every: 4, log_every: 2}
generators: {crn: {widths: [4, 4, 4, 4]}, unet: {width: 4, max_width: 8}}
score: {metrics: [similarity], extractors: [], bootstrap: 100}
budgets: {8: {data: {train: 8}, training: {lr: 0.002}}}
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "tiny.yaml").write_text(PRESET)

    def run(*more):
        return main(["--stages", "train,synthesize,score", "--preset", str(tmp_path / "tiny.yaml"), "--device", "cpu",
                     "--executor", "local", "--out", str(tmp_path / "run"), *more])
    return run


def test_seeds_have_a_run_directory_each_and_a_common_spread(call, tmp_path, capsys):
    assert call("--seeds", "2", "--seed", "5") == 0
    runs = [tmp_path / "run" / f"seed-{seed}" for seed in (5, 6)]
    assert sorted((tmp_path / "run").iterdir()) == runs
    for seed, folder in zip((5, 6), runs, strict=True):
        record = read_json(folder / "run.json")
        assert record["config"]["seed"] == seed
        assert record["command"].endswith(f"--seed {seed} --out {folder}") and "--seeds" not in record["command"]
    file = runs[0] / "scores" / "trainings.json"
    found = read_trainings(file)
    assert [(training.seed, training.budget) for training in found] == [(5, 4), (6, 4)]
    assert {name: len(numbers) for name, numbers in found.values("similarity", "PSNR").items()} == {
        "image_space": 2, "unet+image_space": 2}
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("checkpoint.pt")}
    before = file.read_bytes()
    assert call("--seeds", "2", "--seed", "5") == 0
    assert len(weights) == 4 and all(path.stat().st_mtime_ns == time for path, time in weights.items())
    assert file.read_bytes() == before


def test_budgets_have_their_own_settings_and_go_on_after_a_stop(call, tmp_path, monkeypatch):
    words = ("--budgets", "8,4", "--seeds", "2")
    monkeypatch.setattr(job, "write_trainings", stop)
    with pytest.raises(KeyboardInterrupt):
        call(*words)
    monkeypatch.undo()
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("checkpoint.pt")}
    assert call(*words) == 0
    assert len(weights) == 8 and all(path.stat().st_mtime_ns == time for path, time in weights.items())
    found = read_trainings(tmp_path / "run" / "budget-8" / "seed-0" / "scores" / "trainings.json")
    assert [(training.budget, training.seed, training.train) for training in found] == [
        (4, 0, 4), (4, 1, 4), (8, 0, 8), (8, 1, 8)]
    record = read_json(tmp_path / "run" / "budget-8" / "seed-1" / "run.json")
    assert record["config"]["training"]["lr"] == 0.002 and "--budgets 8 --seed 1 --out" in record["command"]
    assert list((tmp_path / "run").glob("**/trainings.json")) == [
        tmp_path / "run" / "budget-8" / "seed-0" / "scores" / "trainings.json"]


def stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("words, message", [
    (("--budgets", "4,4"), "--budgets 4,4: expected different numbers of images"),
    (("--budgets", "4,x"), "--budgets 4,x: expected different numbers"),
    (("--budgets", "0"), "--budgets 0: expected different numbers"),
    (("--budgets", "4,8", "--set", "training.images_seen=9"), "--budgets and --set training.images_seen"),
    (("--seeds", "1"), "--seeds 1: expected at least 2")])
def test_what_is_no_set_of_trainings(call, tmp_path, capsys, words, message):
    with pytest.raises(SystemExit):
        call(*words)
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()
