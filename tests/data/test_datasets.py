"""The known datasets: their files where their publishers put them, their classes and splits."""

import json

import numpy as np
import pytest
from PIL import Image

import data
from data import open_dataset
from data.check.__main__ import main as check
from data.datasets import camvid, cityscapes, nyu
from data.files import list_folder, write_png
from evaluation.run import main as run
from tests.data.folders import SIZE, as_jpeg, config, error_line, layout, photo, write_pairs


@pytest.fixture
def small_camvid(tmp_path):
    for split, names in (("train", ["t1", "t2"]), ("val", ["v1"])):
        write_pairs(tmp_path / split, tmp_path / f"{split}annot", names, range(12))
    return tmp_path


def test_camvid_with_png_or_jpeg_photographs_and_with_or_without_lists(small_camvid):
    plain = open_dataset(config("camvid", small_camvid), "train", seed=0)
    assert [pair.name for pair in plain] == ["t1", "t2"] and len(plain.labels) == 12
    Image.fromarray(photo(0)).save(small_camvid / "train" / "t1.jpg", quality=95)
    (small_camvid / "train" / "t1.png").unlink()
    (small_camvid / "train.txt").write_text(
        "/SegNet/CamVid/train/t2.png /SegNet/CamVid/trainannot/t2.png\n\n"
        "/SegNet/CamVid/train/t1.png /SegNet/CamVid/trainannot/t1.png\n")
    listed = open_dataset(config("camvid", small_camvid), "train", seed=0)
    assert [pair.name for pair in listed] == ["t1", "t2"]
    np.testing.assert_array_equal(listed[0].layout, plain[0].layout)


def test_a_camvid_list_chooses_pairs(small_camvid):
    (small_camvid / "train.txt").write_text("/SegNet/CamVid/train/t2.png /SegNet/CamVid/trainannot/t2.png\n")
    assert [pair.name for pair in open_dataset(config("camvid", small_camvid), "train", seed=0)] == ["t2"]


def test_a_camvid_list_takes_no_lossy_layouts(small_camvid):
    lossy = small_camvid / "trainannot" / "t1.jpg"
    as_jpeg(lossy.with_suffix(".png")).rename(lossy)
    (small_camvid / "train.txt").write_text("train/t1.png trainannot/t1.png\n")
    assert "trainannot/t1.jpg: its content is JPEG" in error_line("camvid", small_camvid)


@pytest.mark.parametrize("line, words", [
    ("/S/train/t9.png /S/trainannot/t9.png", "names train/t9.png, but"),
    ("/S/train/t1.png", "expected 'PHOTO LAYOUT' in every line"),
    ("\n", "the list is empty"),
    ("train/t1.png trainannot/t1.png\ntrain/t1.png trainannot/t1.png", "'t1' is listed twice"),
    ("train/t1.png trainannot/t2.png", "pairs train/t1.png with trainannot/t2.png"),
])
def test_mistakes_in_a_camvid_list(small_camvid, line, words):
    (small_camvid / "train.txt").write_text(line)
    message = error_line("camvid", small_camvid)
    assert words in message and "train.txt" in message


def test_the_real_camvid(camvid_folder):
    sizes = {"train": 367, "val": 101}
    for split, count in sizes.items():
        dataset = open_dataset(config("camvid", camvid_folder, (96, 128)), split, seed=0)
        assert len(dataset) == count and dataset.labels is camvid.LABELS
    names = [dataset.name(i) for i in range(len(dataset))]
    assert names == sorted(set(names))
    seen = np.zeros(12, dtype=int)
    for pair in dataset:
        assert pair.photo.shape == (3, 96, 128) and pair.layout.shape == (96, 128)
        seen += np.bincount(pair.layout.ravel(), minlength=12)
    assert seen.argmax() in (camvid.LABELS.names.index("road"), camvid.LABELS.names.index("building"))
    assert (seen > 0).all()
    bright = {name: pixels_of(dataset[0], index) for index, name in enumerate(camvid.LABELS.names)}
    assert bright["sky"] > bright["tree"]  # ids mean what the names say


def pixels_of(pair, index):
    return pair.photo[:, pair.layout == index].mean()


# Cityscapes and GTA5


def city_files(folder, split, name, ids, size=SIZE):
    city = name.split("_")[0]
    write_png(folder / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", photo(0, size))
    write_png(folder / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", layout(ids, size))
    write_png(folder / "gtFine" / split / city / f"{name}_gtFine_color.png", photo(1, size))


def test_cityscapes_pairs_of_all_cities(tmp_path):
    for split, names in (("train", ["bonn_000001_000019", "aachen_000000_000019"]), ("val", ["ulm_000000_000019"])):
        for name in names:
            city_files(tmp_path, split, name, range(34))
    dataset = open_dataset(config("cityscapes", tmp_path), "train", seed=0)
    assert [pair.name for pair in dataset] == ["aachen_000000_000019", "bonn_000001_000019"]
    assert len(dataset.labels) == 20 and dataset.labels.names[-1] == "void"
    assert [p.name for p in open_dataset(config("cityscapes", tmp_path), "val", seed=0)] == ["ulm_000000_000019"]


def test_cityscapes_official_mapping_of_raw_ids():
    raw = np.arange(34, dtype=np.uint8)[None]
    classes = cityscapes.LABELS.from_raw(raw, "x")[0]
    evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    np.testing.assert_array_equal(classes[evaluated], np.arange(19))
    assert (np.delete(classes, evaluated) == 19).all()
    named = dict(zip(cityscapes.LABELS.names, evaluated, strict=False))
    assert (named["road"], named["sky"], named["car"], named["bicycle"]) == (7, 23, 26, 33)
    assert cityscapes.LABELS.colours[13] == (0, 0, 142)


def test_cityscapes_errors_name_the_file(tmp_path):
    city_files(tmp_path, "train", "bonn_000001_000019", (7, 40))
    message = error_line("cityscapes", tmp_path, read=True)
    assert "bonn_000001_000019_gtFine_labelIds.png: label ids 40 " in message and "0..33" in message
    (tmp_path / "gtFine/train/bonn/bonn_000001_000019_gtFine_labelIds.png").unlink()
    assert "bonn_000001_000019_leftImg8bit.png: photograph without layout" in error_line("cityscapes", tmp_path)


@pytest.fixture
def small_gta5(tmp_path):
    from scipy.io import savemat

    write_pairs(tmp_path / "images", tmp_path / "labels", ["00001", "00002", "00003", "00007"], (0, 7, 26, 34))
    savemat(tmp_path / "split.mat", {"trainIds": [[2], [1]], "valIds": [[7]], "testIds": [[3]]})
    return tmp_path


def test_gta5_split_comes_from_the_dataset_s_file(small_gta5):
    train = open_dataset(config("gta5", small_gta5), "train", seed=0)
    assert [pair.name for pair in train] == ["00001", "00002"]
    assert [pair.name for pair in open_dataset(config("gta5", small_gta5), "val", seed=0)] == ["00007"]
    assert train.labels.names == cityscapes.LABELS.names
    raw = layout((0, 7, 26, 34), seed=0)
    expected = np.select([raw == 7, raw == 26], [0, 13], 19)  # 34, a licence plate, is void
    np.testing.assert_array_equal(train[0].layout, expected)


def test_gta5_lists_leave_pairs_out(small_gta5):
    (small_gta5 / "images" / "00002.png").unlink()
    message = error_line("gta5", small_gta5)
    assert "split.mat names 1 pairs of the train split" in message and "'00002'" in message and "train.txt" in message
    (small_gta5 / "train.txt").write_text("00001.png\n")
    (small_gta5 / "val.txt").write_text("00007\n")
    assert [pair.name for pair in open_dataset(config("gta5", small_gta5), "train", seed=0)] == ["00001"]


def test_gta5_without_or_with_a_broken_split_file(small_gta5):
    (small_gta5 / "split.mat").write_bytes(b"not matlab")
    assert "split.mat: not a readable MATLAB file" in error_line("gta5", small_gta5)
    (small_gta5 / "split.mat").unlink()
    assert "split.mat: no such file; it comes with the dataset" in error_line("gta5", small_gta5)


# NYUv2

NYU_LABELS = {"names": ["wall", "bed", "void"], "raw_ids": {"wall": 21, "bed": [157, 3]}, "unlisted": "void",
              "colours": [[1, 2, 3], [4, 5, 6], [0, 0, 0]]}


@pytest.fixture
def short_nyu(monkeypatch):
    """A split of 3 and 2 pairs instead of 1200 and 249."""
    monkeypatch.setattr(nyu, "TRAIN", 3)
    monkeypatch.setattr(nyu, "TOTAL", 5)


def write_nyu_mat(folder, total=5):
    h5py = pytest.importorskip("h5py", reason="the official NYUv2 file is HDF5")
    photos = np.stack([photo(i) for i in range(total)])  # (N, H, W, 3)
    raw = np.stack([layout((0, 3, 21, 157), seed=i) for i in range(total)]).astype(np.uint16)  # (N, H, W)
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file["images"] = photos.transpose(0, 3, 2, 1)
        file["labels"] = raw.transpose(0, 2, 1)
        names = file.create_dataset("names", (1, 200), dtype=h5py.ref_dtype)
        for i in range(200):
            text = {20: "wall", 156: "bed", 2: "bunk bed"}.get(i, f"thing {i + 1}")
            letters = file.create_dataset(f"#refs#/{i}", data=np.array([[ord(c)] for c in text], dtype=np.uint16))
            names[0, i] = letters.ref
    return photos, raw


def test_nyu_reads_the_official_file(tmp_path, short_nyu):
    photos, raw = write_nyu_mat(tmp_path)
    (tmp_path / "labels.yaml").write_text(json.dumps(NYU_LABELS))
    train = open_dataset(config("nyu", tmp_path), "train", seed=0)
    val = open_dataset(config("nyu", tmp_path), "val", seed=0)
    assert [p.name for p in train] == ["0001", "0002", "0003"] and [p.name for p in val] == ["0004", "0005"]
    np.testing.assert_array_equal(val[0].photo, photos[3].transpose(2, 0, 1))
    np.testing.assert_array_equal(val[0].layout, np.select([raw[3] == 21, raw[3] > 0], [0, 1], 2))


def test_nyu_classes_by_the_names_of_the_file(tmp_path, short_nyu):
    write_nyu_mat(tmp_path)
    by_number = NYU_LABELS | {"raw_ids": {"wall": "wall", "bed": ["bed", "bunk bed"]}}
    (tmp_path / "labels.yaml").write_text(json.dumps(NYU_LABELS))
    expected = open_dataset(config("nyu", tmp_path), "train", seed=0)[0].layout
    (tmp_path / "labels.yaml").write_text(json.dumps(by_number))
    np.testing.assert_array_equal(open_dataset(config("nyu", tmp_path), "train", seed=0)[0].layout, expected)
    (tmp_path / "labels.yaml").write_text(json.dumps(NYU_LABELS | {"raw_ids": {"wall": "wal"}}))
    assert "no raw class 'wal'" in error_line("nyu", tmp_path)


def test_nyu_bad_files(tmp_path, short_nyu):
    write_nyu_mat(tmp_path)
    assert "labels.yaml: no such file" in error_line("nyu", tmp_path)
    (tmp_path / "labels.yaml").write_text(json.dumps({k: v for k, v in NYU_LABELS.items() if k != "unlisted"}))
    message = error_line("nyu", tmp_path, read=True)
    assert "image 0001: label ids 0 are outside" in message and "expected 3, 21, 157" in message
    write_nyu_mat(tmp_path, total=4)
    assert "4 pairs, but the split of the labelled NYUv2 set counts 5" in error_line("nyu", tmp_path)
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    assert "not a readable HDF5" in error_line("nyu", tmp_path)


def test_nyu_exported_to_folders(tmp_path, short_nyu):
    write_pairs(tmp_path / "photos", tmp_path / "layouts", [f"{i:04d}" for i in range(1, 6)], (21, 157))
    (tmp_path / "labels.yaml").write_text(json.dumps(NYU_LABELS))
    val = open_dataset(config("nyu", tmp_path), "val", seed=0)
    assert [pair.name for pair in val] == ["0004", "0005"] and set(np.unique(val[0].layout)) == {0, 1}
    for kind in ("photos", "layouts"):
        (tmp_path / kind / "0003.png").unlink()
    assert "4 pairs, but the split" in error_line("nyu", tmp_path)


@pytest.mark.parametrize("names, wrong, right", [
    (["1", "2", "3", "4", "5"], "1", "0001"),
    (["0000", "0001", "0002", "0003", "0004"], "0000", "0001"),
    (["0001", "0002", "0003", "0004", "0006"], "0006", "0005"),
])
def test_nyu_exported_under_names_of_another_order(tmp_path, short_nyu, names, wrong, right):
    write_pairs(tmp_path / "photos", tmp_path / "layouts", names, (21, 157))
    (tmp_path / "labels.yaml").write_text(json.dumps(NYU_LABELS))
    assert f"photos: '{wrong}' where '{right}' is expected" in error_line("nyu", tmp_path)


# ADE20K and COCO-Stuff


def test_ade20k(tmp_path):
    for part in ("training", "validation"):
        write_pairs(tmp_path / "images" / part, tmp_path / "annotations" / part, ["ADE_00000001"], (0, 1, 150))
    rows = ["Idx\tRatio\tTrain\tVal\tName", *(f"{i} \t0.1\t5\t2\tthing {i}, synonym" for i in range(1, 151))]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(rows) + "\n")
    dataset = open_dataset(config("ade20k", tmp_path), "val", seed=0)
    raw = layout((0, 1, 150), seed=0)
    np.testing.assert_array_equal(dataset[0].layout, np.select([raw == 0, raw == 1], [150, 0], 149))
    assert len(dataset.labels) == 151 and dataset.labels.names[0] == "thing 1"
    (tmp_path / "objectInfo150.txt").write_text("\n".join(rows[:9]))
    assert "150 rows with ids 1..150, got 8 rows" in error_line("ade20k", tmp_path)


def test_coco_stuff(tmp_path):
    for part in ("train2017", "val2017"):
        write_pairs(tmp_path / "images" / part, tmp_path / "annotations" / part, ["000000000139"], (0, 181, 255))
    rows = ["0: unlabeled", *(f"{i}: thing {i}" for i in range(1, 183))]
    (tmp_path / "labels.txt").write_text("\n".join(rows))
    dataset = open_dataset(config("coco_stuff", tmp_path), "train", seed=0)
    assert set(np.unique(dataset[0].layout)) == {0, 181, 182}
    assert len(dataset.labels) == 183 and dataset.labels.names[:1] == ("thing 1",)
    (tmp_path / "labels.txt").write_text("\n".join(rows[:100]))
    assert "labels.txt: no line '100: NAME'" in error_line("coco_stuff", tmp_path)


# a dataset of one's own


TOY = """
from data.labels import LabelSpace
from data.photographs import PhotoPairs, match_folders
CONTENTS = "pictures/ and maps/"
LABELS = LabelSpace(("road", "car", "void"), ((1, 1, 1), (2, 2, 2), (0, 0, 0)))

def open_split(folder, split, size):
    return PhotoPairs(match_folders(folder / "pictures" / split, folder / "maps" / split, CONTENTS), LABELS, size)
"""


def test_a_dataset_is_one_file_and_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "toy_dataset.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(data.DATASETS, "toy", data.photographs_in_a_folder("toy_dataset"))
    for split, seed in (("train", 0), ("val", 100)):
        write_pairs(tmp_path / "pictures" / split, tmp_path / "maps" / split, [f"{split}{i}" for i in range(12)],
                    seed=seed)
    assert check(["toy", str(tmp_path), "--set", "size=[16,32]", "--out", str(tmp_path / "sheet.png")]) == 0
    assert run(["--list"]) == 0 and "toy" in capsys.readouterr().out
    assert run(["--stages", "study", "--preset", "smoke", "--out", str(tmp_path / "run"), "--data", str(tmp_path),
                "--set", "data.dataset=toy", "data.train=null", "data.val=null", "data.size=[64,64]"]) == 0
    assert len(list_folder(tmp_path / "run" / "dataset" / "photos")) == 12
