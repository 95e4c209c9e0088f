"""Files of a run that were cut, emptied or overwritten: what can be made again is, with a line; the rest is named."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.files import read_made, write_json
from data.street import Street
from evaluation.cache.measurements import Measurements
from evaluation.leaks import check_photographs
from evaluation.pipeline.dataset import is_written, write_dataset
from evaluation.pipeline.job import Job
from evaluation.run_directory import Score
from presets.schema import DataConfig
from training import checkpoint
from training.logs import TrainingLog

WAYS = {"half": lambda content: content[: len(content) // 2], "empty": lambda content: b"",
        "garbage": lambda content: bytes(range(255, 0, -1)), "another": lambda content: b"[1, 2]\n"}
ways = pytest.mark.parametrize("way", WAYS)


def damage(file: Path, way: str) -> None:
    file.write_bytes(WAYS[way](file.read_bytes()))


class Brightness:
    name, key = "brightness", "1"
    calls = 0

    def __call__(self, batch):
        self.calls += 1
        return {"mean": batch.images.float().mean((1, 2, 3, 4)).numpy()}


@ways
def test_a_damaged_measurement_is_made_again(tiny_run, capsys, way):
    expected = Measurements(tiny_run).get("crn", Brightness())["mean"]
    damage(file := tiny_run.path / "cache" / "brightness" / "crn.npz", way)
    for calls, said in ((1, f"  {file}: damaged, is measured again\n"), (0, "")):
        consumer = Brightness()
        assert np.array_equal(Measurements(tiny_run).get("crn", consumer)["mean"], expected)
        assert (consumer.calls > 0) == bool(calls) and capsys.readouterr().out == said


@ways
def test_a_damaged_marker_is_as_good_as_none(tmp_path, capsys, way):
    assert read_made(file := tmp_path / "marker.json") == {}
    write_json(file, {"inputs": "1"})
    assert read_made(file) == {"inputs": "1"} and capsys.readouterr().out == ""
    damage(file, way)
    assert read_made(file) == {} and capsys.readouterr().out == f"  {file}: damaged, is made again\n"
    assert not file.exists()


@ways
def test_a_stage_looks_at_what_it_made(tiny_run, way):
    job = object.__new__(Job)
    job.run = tiny_run
    write_json(file := tiny_run.path / "scores" / "cost" / "crn.json", {"value": 1})
    job._done("score", "inputs", [file])
    assert not job._changed("score", "inputs") and job._changed("score", "other inputs")
    damage(file, way)
    assert job._changed("score", "inputs")


@pytest.fixture(scope="module")
def splits():
    config = DataConfig(size=[32, 64], train=3, val=2)
    return config, *(Street(split, (32, 64), n, 0) for split, n in (("train", 3), ("val", 2)))


@ways
@pytest.mark.parametrize("name", ["train_thumbnails.npy", "train.json", "modes.json", "labels.json", "complete.json"])
def test_a_damaged_dataset_is_written_again(tiny_run, splits, capsys, name, way):
    write_dataset(tiny_run, *splits)
    assert is_written(tiny_run, *splits)
    before = (file := tiny_run.dataset / name).read_bytes()
    damage(file, way)
    assert not is_written(tiny_run, *splits) and not is_written(tiny_run, *splits)
    said = capsys.readouterr().out
    assert said.startswith(f"  {file}: ") and said.count("\n") == 1
    write_dataset(tiny_run, *splits)
    assert is_written(tiny_run, *splits) and file.read_bytes() == before


def test_damaged_thumbnails_do_not_pass_the_leak_check(tiny_run, splits):
    write_dataset(tiny_run, *splits)
    damage(tiny_run.train_thumbnails, "half")
    with pytest.raises(InputError, match="train_thumbnails.npy: damaged"):
        check_photographs(tiny_run)


@ways
def test_a_damaged_score_is_named_with_what_to_do(tiny_run, way):
    tiny_run.write_score(Score("cost", "crn", [], {"N": 12}))
    damage(file := tiny_run.score_file("cost", "crn"), way)
    before = file.read_bytes()
    with pytest.raises(InputError) as error:
        tiny_run.scores()
    assert str(error.value).startswith(f"{file}: not ") and "; delete it, and score" in str(error.value)
    assert "\n" not in str(error.value) and file.read_bytes() == before


@ways
def test_a_damaged_checkpoint_is_named_in_short(tmp_path, way):
    checkpoint.save(file := tmp_path / "checkpoint.pt", dict.fromkeys(checkpoint.KEYS, 0))
    damage(file, way)
    with pytest.raises(InputError) as error:
        checkpoint.load(file, mapped=True)
    assert str(error.value).startswith(f"{file}: not a readable checkpoint (") and len(str(error.value)) < 250


@pytest.mark.parametrize(("way", "kept"), [
    ("half", ["step,images", "1,2"]), ("empty", []), ("garbage", []), ("another", [])])
def test_a_training_goes_on_beside_a_damaged_log(tmp_path, capsys, way, kept):
    file = tmp_path / "log.csv"
    file.write_text("step,images\n1,2\n2,4444\n3,66666666\n")
    damage(file, way)
    log = TrainingLog(tmp_path, 3)
    log.add(4, 8, 1.0, {"total": 0.5})
    log.close()
    assert file.read_text().splitlines()[: len(kept)] == kept and file.read_text().count("\n") >= 1
    assert ("damaged" in capsys.readouterr().out) == (way in ("garbage", "another"))
