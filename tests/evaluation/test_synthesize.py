"""Images of label maps without photographs, from a trained run or a checkpoint."""

import json

import numpy as np
import pytest
from PIL import Image

from data.files import read_image, write_png
from evaluation.pipeline.dataset import write_dataset
from evaluation.pipeline.tasks import synthesize_method
from evaluation.run_directory import RunDirectory
from evaluation.synthesize import main
from presets.schema import Preset
from training.suite import Suite


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    """A run with a method of one image and one of three."""
    preset = Preset.model_validate({
        "methods": ["image_space", "crn_diversity"], "device": "cpu", "data": {"size": [32, 64], "train": 8, "val": 3},
        "generators": {"crn": {"widths": [8, 6, 4, 4]}},
        "objectives": {"diversity": {"k": 3, "calibrate_at": 1}}, "training": {"images_seen": 4, "batch": 2}})
    suite = Suite(preset, tmp_path_factory.mktemp("runs") / "run")
    run = RunDirectory(suite.folder)
    write_dataset(run, preset.data, suite.train, suite.val)
    (run.path / "run.json").write_text("{}")
    for name in preset.methods:
        suite.train_method(name)
        synthesize_method(suite, name)
    return run


def fails(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and "\n" not in error
    return error


def test_the_run_s_own_layouts_give_the_run_s_own_images(run, tmp_path):
    assert main(["--run", str(run.path), "--layouts", str(run.dataset / "layouts"), "--out", str(tmp_path)]) == 0
    for layout in run.layouts():
        again = read_image(tmp_path / f"image_space/{layout}.png")
        assert (read_image(run.image_file("image_space", layout)) == again).all()
        for u in (1, 2, 3):
            again = read_image(tmp_path / f"crn_diversity/{layout}_{u}.png")
            assert (read_image(run.variant_file("crn_diversity", layout, u)) == again).all()


def test_an_edited_layout_of_another_size_from_a_checkpoint(run, tmp_path):
    layout = run.layout(run.layouts()[0]).repeat(2, 0).repeat(2, 1)
    layout[:20, :30] = 1
    write_png(tmp_path / "edited" / "new.png", layout)
    file = run.method_folder("image_space") / "checkpoint.pt"
    arguments = ["--checkpoint", str(file), "--layouts", str(tmp_path / "edited"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    image = read_image(tmp_path / "out" / "image_space" / "new.png")
    assert image.shape == (32, 64, 3)
    assert (image != read_image(run.image_file("image_space", run.layouts()[0]))).any()


def test_ids_of_their_own(run, tmp_path):
    names = run.labels().names
    raw_ids = {name: i + 100 for i, name in enumerate(names)}
    (tmp_path / "labels.yaml").write_text(json.dumps({"names": list(names), "raw_ids": raw_ids}))
    first = run.layouts()[0]
    write_png(tmp_path / "raw" / f"{first}.png", run.layout(first) + np.uint8(100))
    assert main(["--run", str(run.path), "--layouts", str(tmp_path / "raw"), "--out", str(tmp_path / "out"),
                 "--methods", "image_space", "--labels", str(tmp_path / "labels.yaml")]) == 0
    alone = read_image(tmp_path / f"out/image_space/{first}.png").astype(int)  # the run's own was one of a batch
    assert np.abs(alone - read_image(run.image_file("image_space", first))).max() <= 1


def test_every_unfit_label_map_is_named_before_anything_is_written(run, tmp_path, capsys):
    write_png(tmp_path / "maps" / "a.png", np.full((32, 64), 77, np.uint8))
    Image.new("L", (64, 32)).save(tmp_path / "maps" / "b.png", format="JPEG")
    Image.new("RGB", (64, 32)).save(tmp_path / "maps" / "c.png")
    error = fails(capsys, "--run", run.path, "--layouts", tmp_path / "maps", "--out", tmp_path / "out")
    for part in ("a.png: label ids 77 are outside", "b.png: its content is JPEG", "c.png: a label map has one channel"):
        assert part in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arguments", "said"), [
    (["--methods", "imagespace"], "did you mean 'image_space'?"), (["--layouts", "nowhere"], "nowhere: no such folder"),
    (["--checkpoint", "nowhere.pt"], "not allowed with")])
def test_what_cannot_be(run, tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit):
        main(["--run", str(run.path), "--layouts", str(run.dataset / "layouts"), "--out", str(tmp_path), *arguments])
    assert said in capsys.readouterr().err
