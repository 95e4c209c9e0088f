"""Files of a run that were cut, emptied or overwritten: what can be made again is, with a line; the rest is named."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.made import changed_files, holds, is_made, read_record, write_record
from data.street import Street
from evaluation.cache.measurements import Measurements
from evaluation.leaks import check_photographs
from evaluation.pipeline.dataset import is_written, write_dataset
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
    for damaged in (True, False):
        consumer = Brightness()
        assert np.array_equal(Measurements(tiny_run).get("crn", consumer)["mean"], expected)
        said = capsys.readouterr().out
        assert (consumer.calls > 0) == damaged and said.count("\n") == damaged
        assert said.startswith(f"  {file}: damaged (" if damaged else "")


@ways
def test_a_damaged_record_is_as_good_as_none(tmp_path, capsys, way):
    (made := tmp_path / "picture.png").write_bytes(b"pixels")
    assert read_record(file := tmp_path / "record.json") is None and not is_made(file, "1", [made])
    write_record(file, "1", [made], pairs=3)
    assert is_made(file, "1", [made]) and not is_made(file, "2", [made]) and read_record(file).facts == {"pairs": 3}
    damage(file, way)
    assert read_record(file) is None and not file.exists()
    said = capsys.readouterr().out
    assert said.startswith(f"  {file}: damaged (") and said.endswith("); it is made again\n") and said.count("\n") == 1


@ways
def test_files_on_record_that_were_changed_or_deleted(tmp_path, way):
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(100))
    write_record(file := tmp_path / "record.json", "1", [tmp_path / "a"])
    assert is_made(file, "1", [tmp_path / "a", tmp_path / "b"]) and not is_made(file, "1", [tmp_path / "c"])
    damage(tmp_path / "b", way)
    assert is_made(file, "1") and changed_files(read_record(file), tmp_path) == []
    damage(tmp_path / "a", way)
    assert not is_made(file, "1") and changed_files(read_record(file), tmp_path) == [tmp_path / "a"]


def test_a_single_file_that_holds_the_fingerprint_of_its_inputs(tmp_path, capsys):
    def read(file):
        if not file.read_text():
            raise InputError(f"{file}: nothing in it")
        return file.read_text()
    file = tmp_path / "single"
    assert not holds(file, "1", read)
    file.write_text("1")
    assert holds(file, "1", read) and not holds(file, "2", read)
    file.write_text("")
    assert not holds(file, "1", read) and not file.exists()
    assert capsys.readouterr().out == f"  {file}: damaged (nothing in it); it is made again\n"


@pytest.fixture(scope="module")
def splits():
    config = DataConfig(size=[32, 64], train=3, val=2)
    return config, *(Street(split, (32, 64), n, 0) for split, n in (("train", 3), ("val", 2)))


@ways
@pytest.mark.parametrize("name", ["train_thumbnails.npy", "train.json", "modes.json", "labels.json", "complete.json",
                                  "photos/00000.png"])
def test_a_damaged_dataset_is_written_again(tiny_run, splits, capsys, name, way):
    write_dataset(tiny_run, *splits)
    assert is_written(tiny_run, *splits)
    before = (file := tiny_run.dataset / name).read_bytes()
    damage(file, way)
    assert not is_written(tiny_run, *splits)
    write_dataset(tiny_run, *splits)
    said = capsys.readouterr().out
    assert file.name in said and said.count("\n") == 1
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
