"""Pictures of a run as exact pixels, and the sheet made of them."""

import shutil

import numpy as np
import pytest

from data.errors import InputError
from data.files import read_image
from reports import contact_sheet
from reports.tables import pictures


def test_evenly_spaced_names():
    assert pictures.evenly_spaced([str(i) for i in range(10)], 4) == ["0", "3", "6", "9"]
    assert pictures.evenly_spaced(["a", "b"], 4) == ["a", "b"]


def test_layout_picture_has_the_colours_of_the_classes(tiny_run, tmp_path):
    layout, labels = tiny_run.layout("00000"), tiny_run.labels()
    (tmp_path / "x.png").write_bytes(pictures.layout_png(layout, labels))
    assert (read_image(tmp_path / "x.png") == labels.colourise(layout)).all()
    with pytest.raises(InputError, match=r"class 9, expected 0\.\.3"):
        pictures.layout_png(np.full((2, 2), 9, np.uint8), labels)


def test_only_whole_png_files_are_shown(tiny_run, tmp_path):
    file = tiny_run.photo_file("00000")
    assert pictures.png_bytes(file) == file.read_bytes()
    (tmp_path / "cut.png").write_bytes(file.read_bytes()[:-20])
    (tmp_path / "fake.png").write_bytes(b"\xff\xd8\xff jpeg")
    for name, problem in (("cut.png", "truncated"), ("fake.png", "not a PNG"), ("none.png", "no such image")):
        with pytest.raises(InputError, match=problem):
            pictures.png_bytes(tmp_path / name)


def test_class_shares_sum_to_one():
    shares = pictures.class_shares(np.array([[0, 0], [2, 3]], np.uint8), 4)
    assert shares.tolist() == [0.5, 0, 0.25, 0.25]


def test_contact_sheet_holds_exact_pixels(scored_run, tmp_path):
    out = tmp_path / "sheet.png"
    assert contact_sheet.main(["--run", str(scored_run.path), "--out", str(out), "--layouts", "00003"]) == 0
    sheet, photo = read_image(out), read_image(scored_run.photo_file("00003"))
    scale = 256 // photo.shape[1]
    x, y = contact_sheet.GAP * 2 + photo.shape[1] * scale, contact_sheet.TITLE
    shown = sheet[y : y + photo.shape[0] * scale, x : x + photo.shape[1] * scale]
    assert np.array_equal(shown, photo.repeat(scale, 0).repeat(scale, 1))


def test_contact_sheet_of_a_run_without_layouts(tiny_run, tmp_path, capsys):
    shutil.rmtree(tiny_run.dataset / "layouts")
    with pytest.raises(SystemExit):
        contact_sheet.main(["--run", str(tiny_run.path), "--out", str(tmp_path / "x.png")])
    assert "no layouts" in capsys.readouterr().err


def test_contact_sheet_of_an_unknown_layout(scored_run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        contact_sheet.main(["--run", str(scored_run.path), "--out", str(tmp_path / "x.png"), "--layouts", "nowhere"])
    assert "no layout named nowhere" in capsys.readouterr().err
