"""Somebody with photographs, layouts and pictures of theirs, and nothing to train."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from data.files import read_json, write_png
from data.street import Street
from evaluation.pipeline.call import IMAGES
from evaluation.run import main
from evaluation.run_directory import RunDirectory


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """12 scenes at 64x128 and two systems' pictures of them at 32x64, one more blurred than the other."""
    root, street = tmp_path_factory.mktemp("own"), Street("val", (64, 128), 12, 3)
    for i in range(12):
        pair = street[i]
        photo = pair.photo.transpose(1, 2, 0)
        write_png(root / "data" / "photos" / f"{pair.name}.png", photo)
        write_png(root / "data" / "layouts" / f"{pair.name}.png", 2 * pair.layout + 7)
        for name, radius in (("sharp", 0.5), ("blurred", 3)):
            small = Image.fromarray(photo).filter(ImageFilter.GaussianBlur(radius)).resize((64, 32))
            write_png(root / name / f"{pair.name}.png", np.asarray(small))
    return root


def call(folders, out, *more):
    return main(["--stages", "score,study,report", "--data", str(folders / "data"), "--images",
                 f"sharp={folders}/sharp", f"blurred={folders}/blurred", "--out", str(out), "--device", "cpu", *more])


def test_two_folders_give_tables_a_study_and_a_report(folders, tmp_path, capsys, no_figures):
    assert call(folders, tmp_path / "run") == 0
    said, run = capsys.readouterr().out, RunDirectory.open(tmp_path / "run")
    assert "segmentation: left out, there is no judge" in said and "distances: left out, there is no extractor" in said
    assert run.config()["preset"] == IMAGES and run.layout("00000").shape == (32, 64)
    assert run.labels().names[0].startswith("id ") and run.labels().names[-1] == "void"
    psnr = {score.method: score.value("PSNR").value for score in run.scores("similarity")}
    assert psnr["sharp"] > psnr["blurred"] and set(psnr) == {"sharp", "blurred"}
    assert [score.method for score in run.scores("differences")] == ["blurred"]  # compared with the first one given
    spec = read_json(run.study / "crn2017-unlimited" / "secret" / "spec.json")
    assert "sharp" in str(spec) and "blurred" in str(spec)
    assert (run.report / "index.html").exists() and not (run.path / "judges").exists()
    assert call(folders, tmp_path / "run", "--baseline", "blurred") == 0
    assert [score.method for score in run.scores("differences")] == ["sharp"]


def test_a_preset_without_methods_trains_nothing(folders, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--stages", "train", "--preset", IMAGES, "--data", str(folders / "data"), "--out", str(tmp_path / "run")])
    assert "names no method; give --methods" in capsys.readouterr().err


@pytest.mark.parametrize("images, message", [
    ("sharp={0}/data/photos", "pictures of 2 sizes, height x width: sharp 64x128 (12); blurred 32x64 (12). All are"),
    ("sharp", "expected NAME=FOLDER"), ("sharp={0}/data", "holds no PNG file"),
    ("sharp={0}/nowhere", "no such folder")])
def test_wrong_folders_are_named(folders, tmp_path, capsys, images, message):
    with pytest.raises(SystemExit):
        main(["--stages", "score", "--data", str(folders / "data"), "--images", images.format(folders),
              f"blurred={folders}/blurred", "--out", str(tmp_path / "run")])
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()
