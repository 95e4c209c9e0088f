"""Datasets as a whole: the report of a walk over one, and what is refused or reported before training."""

import shutil

import numpy as np
import pytest
from PIL import Image

from data.check.__main__ import main
from data.check.balance import SplitBalance, check_balance
from data.datasets.cityscapes import CLASSES, LABELS
from data.datasets.coco_stuff import read_labels
from data.datasets.gta5 import LABELS as GTA5
from data.errors import InputError
from data.files import write_json, write_png
from data.labels import LabelSpace

SPACE = LabelSpace(["road", "car", "void"], [(9, 9, 9), (0, 0, 142), (0, 0, 0)])


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    write_json(tmp_path / "labels.json", SPACE.to_json())
    for split in ("train", "val"):
        for i in range(6):
            write_png(tmp_path / "photos" / split / f"{i}.png", rng.integers(0, 256, (32, 64, 3), dtype=np.uint8))
            write_png(tmp_path / "layouts" / split / f"{i}.png", rng.integers(0, 3, (32, 64), dtype=np.uint8))
    return tmp_path


def report_of(capsys, *arguments) -> tuple[int, str]:
    return main([str(argument) for argument in arguments]), capsys.readouterr().out


def test_a_sound_dataset(pairs, capsys):
    code, text = report_of(capsys, "folder", pairs, "--set", "size=[32,64]", "--out", pairs / "sheet.png")
    assert code == 0 and "0 problems in 12 pairs" in text and "train: 6 pairs; files of 32x64\n" in text
    assert text.count("  road ") == text.count("  void ") == 2
    sheet = np.asarray(Image.open(pairs / "sheet.png"))
    assert all((sheet == colour).all(-1).sum() > 200 for colour in SPACE.colours)  # layouts and the legend
    two = report_of(capsys, "folder", pairs, "--set", "data.train=2", "--out", pairs / "two.png")[1]
    assert two.startswith("train: 2 pairs")


def test_everything_that_is_wrong_is_reported(pairs, capsys):
    (pairs / "layouts/train/0.png").unlink()
    (pairs / "photos/train/1.png").unlink()
    (pairs / "photos/train/2.png").write_bytes(b"half")
    write_png(pairs / "layouts/train/3.png", np.full((32, 64), 7, np.uint8))
    write_png(pairs / "layouts/val/0.png", np.zeros((8, 8), np.uint8))
    Image.new("L", (64, 32)).save(pairs / "layouts/val/1.png", format="JPEG")
    shutil.copy(pairs / "photos/train/4.png", pairs / "photos/val/4.png")
    shutil.copy(pairs / "photos/val/2.png", pairs / "photos/val/3.png")
    code, text = report_of(capsys, "folder", pairs, "--set", "size=[32,64]", "--out", pairs / "sheet.png")
    problems = [line for line in text.splitlines() if line.startswith("problem: ")]
    for part in ("train/0.png: photograph without layout", "train/1.png: layout without photograph",
                 "photos/train/2.png: broken or truncated", "train/3.png: label ids 7 are outside the label space",
                 "photos/val/0.png is 32x64", "layouts/val/1.png: its content is JPEG",
                 "the same photograph in training and validation: train/4, val/4", "the same photograph val/2, val/3"):
        assert any(part in line for line in problems), part
    assert code == 1 and len(problems) == 8 and "8 problems in 10 pairs" in text
    assert "train: 4 pairs, 2 of them unreadable" in text and (pairs / "sheet.png").exists()


def test_what_cannot_be_opened_is_a_problem_of_one_line(tmp_path, capsys):
    code, text = report_of(capsys, "camvid", tmp_path / "nowhere")
    assert code == 1 and text.count("problem: train, val: ") == text.count("no such folder") == 1
    with pytest.raises(SystemExit):
        main(["camvid", str(tmp_path), "--set", "size=[4,4]"])
    assert "data.check: error: data: key 'size.0': Input should be greater than" in capsys.readouterr().err


def test_scenes_rendered_in_code(tmp_path, capsys):
    code, text = report_of(capsys, "street", "--set", "train=2", "val=2", "size=[32,64]", "--out",
                           tmp_path / "sheet.png")
    assert code == 0 and "train: 2 pairs\n" in text


def balance(space, counts) -> SplitBalance:
    """counts: pixels by the name of the class, or of every class."""
    found = SplitBalance(space)
    found.counts += [counts.get(name, 0) for name in space.names] if isinstance(counts, dict) else counts
    return found


def test_splits_of_which_nothing_can_be_learned():
    with pytest.raises(InputError, match="the val split: 99.5% of all pixels are void"):
        check_balance(balance(SPACE, {"road": 5, "void": 995}), "val")
    with pytest.raises(InputError, match="the train split: 'car' is the only class that occurs"):
        check_balance(balance(SPACE, {"car": 5, "void": 5}), "train")
    assert check_balance(balance(SPACE, {"car": 5, "road": 1}), "train") == []
    assert check_balance(balance(SPACE, {"car": 5, "road": 1, "void": 24}), "train") == [
        "the train split: 80% of all pixels are void"]


@pytest.mark.parametrize("space", [LABELS, GTA5])
def test_train_ids_in_place_of_label_ids(space):
    right = space.from_raw(np.arange(34).repeat(10)[None], "x")
    assert SplitBalance.doubts(balance(space, np.bincount(right.ravel(), minlength=20))) == []
    train_ids = space.from_raw(np.arange(len(CLASSES)).repeat(10)[None], "x")
    doubts = " ".join(balance(space, np.bincount(train_ids.ravel(), minlength=20)).doubts())
    assert "none of the 13 classes with ids from 19 on (traffic light, traffic sign" in doubts and "train ids" in doubts


# Largest classes of COCO-Stuff's photographs, with shares of a typical split in percent
COCO = {1: ("person", 9), 106: ("clouds", 5), 124: ("grass", 6), 149: ("road", 4), 157: ("sky-other", 8),
        159: ("snow", 3), 155: ("sea", 4), 169: ("tree", 8), 172: ("wall-concrete", 7)}


@pytest.mark.parametrize(("step", "word"), [(0, None), (1, "one higher"), (-1, "one lower")])
def test_ids_that_are_shifted_by_one(tmp_path, step, word):
    names = {number: COCO.get(number, (f"thing {number}", 0))[0] for number in range(1, 183)}
    (tmp_path / "labels.txt").write_text("".join(f"{number}: {name}\n" for number, name in names.items()))
    counts = np.full(183, 20)
    for number, (_, share) in COCO.items():
        counts[(number - 1 + step) % 182] += 100 * share
    doubts = " ".join(balance(read_labels(tmp_path / "labels.txt"), counts).doubts())
    assert word in doubts if word else doubts == ""


def test_photographs_of_one_colour(pairs, capsys):
    write_png(pairs / "photos/val/1.png", np.full((32, 64, 3), (0, 0, 9), np.uint8))
    code, text = report_of(capsys, "folder", pairs, "--set", "size=[32,64]", "--out", pairs / "sheet.png")
    assert code == 0 and "doubt: 1 photographs have one colour throughout (1)" in text


def test_the_camvid_photographs_have_no_problem(camvid_folder, tmp_path, capsys):
    code, text = report_of(capsys, "camvid", camvid_folder, "--set", "size=[36,48]", "train=8", "val=4", "--out",
                      tmp_path / "sheet.png")
    assert code == 0 and "train: 8 pairs; files of 360x480" in text
