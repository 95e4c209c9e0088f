"""Synthesis: batches, too little memory, pictures that take the place of older ones, and pictures that were changed."""

import errno
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.errors import InputError
from data.files import put_in_place, staging_folder, write_png
from evaluation.pipeline import synthesis
from evaluation.pipeline.dataset import write_dataset
from evaluation.pipeline.job import Job
from evaluation.pipeline.synthesis import BATCH, batch_size, check_pictures
from evaluation.pipeline.tasks import synthesize_method
from evaluation.run_directory import RunDirectory
from presets.schema import DataConfig, Preset
from training.suite import Suite, load_generator


@pytest.mark.parametrize("size, count", [
    ((32, 64), BATCH), ((192, 256), BATCH), ((256, 512), BATCH), ((384, 512), 5), ((512, 1024), 2), ((1024, 2048), 1),
    ((2048, 4096), 1)])
def test_a_batch_has_no_more_pixels_than_eight_layouts_of_256x512(size, count):
    assert batch_size(*size) == count


def test_too_little_memory_names_the_stage():
    def full():
        raise torch.OutOfMemoryError("CUDA out of memory.")
    job = SimpleNamespace(preset=SimpleNamespace(data=DataConfig(size=[1024, 2048])), synthesize=full)
    with pytest.raises(InputError, match=r"stage synthesize: .* data.size=\[1024, 2048\]; .*--device cpu"):
        Job.do(job, "synthesize")


@pytest.fixture
def suite(tmp_path) -> Suite:
    """A run with a trained method of two images and its pictures."""
    preset = Preset.model_validate({
        "methods": ["crn_diversity"], "device": "cpu", "data": {"size": [32, 64], "train": 4, "val": 3},
        "generators": {"crn": {"widths": [4, 4, 4, 4]}}, "objectives": {"diversity": {"k": 2, "calibrate_at": 1}},
        "training": {"images_seen": 4, "batch": 2}})
    suite = Suite(preset, tmp_path / "run")
    write_dataset(RunDirectory(suite.folder), preset.data, suite.train, suite.val)
    suite.train_method("crn_diversity")
    assert synthesize_method(suite, "crn_diversity")
    return suite


def pictures(suite: Suite) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in suite.method_folder("crn_diversity").glob("*s/*.png")}


@pytest.mark.parametrize("part", ["images", "variants"])
def test_pictures_changed_by_hand_are_made_again_also_behind_a_link(suite, capsys, tmp_path, part):
    before = pictures(suite)
    assert len(before) == 9 and not synthesize_method(suite, "crn_diversity")
    folder = suite.method_folder("crn_diversity") / part
    folder.rename(tmp_path / "scratch")
    folder.symlink_to(tmp_path / "scratch")
    first, second, *_ = sorted(folder.iterdir())
    shutil.copy(second, first)
    with pytest.raises(InputError, match=rf"{first.name}: changed since it was synthesized"):
        check_pictures(RunDirectory(suite.folder), "crn_diversity")
    assert synthesize_method(suite, "crn_diversity") and pictures(suite) == before and folder.is_symlink()
    assert f"1 of 9 files were changed or deleted since they were made ({first.name})" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_older_pictures_stay_until_all_new_ones_are_written(suite, monkeypatch):
    before = pictures(suite)
    marker = suite.method_folder("crn_diversity") / "synthesis.json"
    marker.unlink()
    written = []

    def write_two(path, array):
        written.append(path)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_png(path, 255 - array)
    monkeypatch.setattr(synthesis, "write_png", write_two)
    with pytest.raises(OSError, match="No space left"):
        synthesize_method(suite, "crn_diversity")
    assert pictures(suite) == before and not marker.exists()


def test_pictures_that_are_not_finite_are_refused(suite, monkeypatch):
    before = pictures(suite)
    (suite.method_folder("crn_diversity") / "synthesis.json").unlink()
    generator, described = load_generator(suite.method_folder("crn_diversity"))
    generator.register_forward_hook(lambda *call: call[-1] / 0)
    monkeypatch.setattr(synthesis, "load_generator", lambda folder: (generator, described))
    with pytest.raises(InputError, match=r"checkpoint.pt: the images of 00000, .* are not finite"):
        synthesize_method(suite, "crn_diversity")
    assert pictures(suite) == before


def test_names_as_long_as_a_file_system_takes(tmp_path):
    file = tmp_path / ("ä" * 125 + "1.png")  # 255 bytes
    write_png(file, np.zeros((2, 2, 3), np.uint8))
    assert [found.name for found in tmp_path.iterdir()] == [file.name]


def test_files_and_folders_are_shared_as_their_folder_is(tmp_path):
    os.chmod(tmp_path, 0o2775)
    before = os.umask(0o002)
    try:
        write_png(file := tmp_path / "images" / "a.png", np.zeros((2, 2, 3), np.uint8))
        staging_folder(file.parent).mkdir()
        put_in_place(file.parent)
        write_png(file, np.zeros((2, 2, 3), np.uint8))
    finally:
        os.umask(before)
    assert file.parent.stat().st_mode & 0o7777 == 0o2775 and file.stat().st_mode & 0o777 == 0o664
