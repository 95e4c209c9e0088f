"""The validation pairs of a run as files, and which data they are of."""

import shutil

import numpy as np
import pytest

from data import open_dataset
from data.errors import InputError
from data.files import write_json, write_png
from data.pairs import pairs_key
from data.street import VERSION, Street
from evaluation.metrics.work import Context, Work
from evaluation.pipeline.dataset import is_written, write_dataset
from evaluation.run import main
from evaluation.run_directory import RunDirectory
from presets.schema import DataConfig, Preset
from training.suite import Suite


@pytest.fixture
def folder(tmp_path):
    """12 pairs in each split, of noise."""
    rng, folder = np.random.default_rng(0), tmp_path / "first"
    write_json(folder / "labels.json", {"names": ["road", "car", "void"], "colours": [[1, 1, 1], [2, 2, 2], [0, 0, 0]]})
    for split in ("train", "val"):
        for i in range(12):
            write_png(folder / "photos" / split / f"{i:02}.png", rng.integers(0, 256, (32, 64, 3), dtype=np.uint8))
            write_png(folder / "layouts" / split / f"{i:02}.png", rng.integers(0, 3, (32, 64), dtype=np.uint8))
    return folder


def config(folder) -> DataConfig:
    return DataConfig(dataset="folder", path=str(folder), size=[32, 64], train=12, val=12)


def opened(folder):
    return [open_dataset(config(folder), split, 0) for split in ("train", "val")]


def another(folder, change):
    copy = shutil.copytree(folder, folder.with_name("second"))
    change(copy)
    return copy


CHANGES = {
    "a photograph": lambda f: write_png(f / "photos/val/00.png", np.zeros((32, 64, 3), np.uint8)),
    "a layout of training": lambda f: write_png(f / "layouts/train/11.png", np.zeros((32, 64), np.uint8)),
    "a name": lambda f: [(f / kind / "val/05.png").rename(f / kind / "val/055.png") for kind in ("photos", "layouts")],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_run_does_not_change_its_data(folder, tmp_path, change):
    run = RunDirectory(tmp_path / "run")
    assert not is_written(run, config(folder), *opened(folder))
    write_dataset(run, config(folder), *opened(folder))
    moved = another(folder, lambda copy: None).rename(tmp_path / "moved")
    assert is_written(run, config(moved), *opened(moved))
    other = another(folder, change)
    with pytest.raises(InputError, match=f"{run.dataset}: made of other pairs than {other} has; give another --out"):
        is_written(run, config(other), *opened(other))


def test_other_data_are_refused_before_the_run_is_touched(folder, tmp_path, capsys):
    call = ["--stages", "study", "--preset", "smoke", "--device", "cpu", "--out", str(tmp_path / "run"), "--set",
            "data.dataset=folder", "data.train=12", "data.val=12", "--data"]
    assert main([*call, str(folder)]) == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(SystemExit):
        main([*call, str(another(folder, CHANGES["a photograph"]))])
    assert "made of other pairs" in capsys.readouterr().err
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_networks_belong_to_the_pairs_they_were_trained_on(folder, tmp_path):
    def key(folder):
        return Suite(Preset(data=config(folder)), tmp_path / "run")._data_key

    assert key(folder) == key(another(folder, CHANGES["a photograph"]).rename(tmp_path / "third"))  # of validation
    assert key(folder) != key(another(folder, CHANGES["a layout of training"]))


def test_few_scenes_are_rendered_to_know_a_dataset(monkeypatch):
    street, rendered = Street("val", (32, 64), 500), []
    original = Street.__getitem__
    monkeypatch.setattr(Street, "__getitem__", lambda self, i: rendered.append(i) or original(self, i))
    assert pairs_key(street) == pairs_key(Street("val", (32, 64), 500))
    assert len(rendered) == 16 and rendered[:8] == rendered[8:] and rendered[0] == 0 and rendered[7] == 499


@pytest.mark.parametrize("name", ["street", "street-hard"])
def test_the_version_of_rendered_scenes_stands_in_every_protocol(name, tmp_path):
    run, scenes = RunDirectory(tmp_path / "run"), DataConfig(dataset=name, size=[32, 64], train=2, val=2)
    pairs = [open_dataset(scenes, split, 0) for split in ("train", "val")]
    write_dataset(run, scenes, *pairs)
    write_json(run.path / "run.json", {"config": {"methods": []}, "versions": {}})
    assert run.scenes() == VERSION and Work(run, Context()).provenance()["scenes"] == VERSION
    assert run.labels().names == pairs[1].labels.names


def test_photographs_have_no_version_of_scenes(folder, tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_dataset(run, config(folder), *opened(folder))
    write_json(run.path / "run.json", {"config": {"methods": []}, "versions": {}})
    assert run.scenes() is None and "scenes" not in Work(run, Context()).provenance()


def test_lost_files_are_written_again(folder, tmp_path):
    run, pairs = RunDirectory(tmp_path / "run"), opened(folder)
    write_dataset(run, config(folder), *pairs)
    before = {file: file.read_bytes() for file in run.dataset.rglob("*.png")}
    shutil.rmtree(run.dataset / "layouts")
    run.photo_file("03").unlink()
    assert not is_written(run, config(folder), *pairs)
    write_dataset(run, config(folder), *pairs)
    assert is_written(run, config(folder), *pairs)
    assert {file: file.read_bytes() for file in run.dataset.rglob("*.png")} == before


def test_a_split_of_nothing_is_refused_before_it_is_used(folder, tmp_path):
    run = RunDirectory(tmp_path / "run")
    for file in (folder / "layouts/val").iterdir():
        write_png(file, np.full((32, 64), 2, np.uint8))
    with pytest.raises(InputError, match="the val split: 100.0% of all pixels are void"):
        write_dataset(run, config(folder), *opened(folder))
    assert not is_written(run, config(folder), *opened(folder))
