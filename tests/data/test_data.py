"""Datasets of photographs: what they read, how they resize, and the one line they answer bad input with."""

import json
import shutil
import struct
import subprocess
import sys
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image

import data
from data import open_dataset
from data.datasets import camvid, cityscapes, nyu
from data.datasets.folder import in_val
from data.errors import InputError
from data.files import png_bit_depth, read_image, read_json, read_yaml, write_json, write_png
from data.label_file import palette, read_label_file
from data.photographs import make_pair
from data.street import Street
from data.views import Cached, Subset, memory_bound
from presets.schema import DataConfig

SIZE = (16, 32)
LABELS = {"names": ["road", "car", "void"], "colours": [[128, 64, 128], [0, 0, 142], [0, 0, 0]]}


def config(dataset, path, size=SIZE, train=None, val=None):
    return DataConfig(dataset=dataset, path=str(path), size=list(size), train=train, val=val)


def photo(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def layout(ids, size=SIZE, seed=0):
    return np.random.default_rng(seed).choice(np.asarray(ids, dtype=np.uint8), size)


def write_pairs(photos, layouts, names, ids=(0, 1, 2)):
    for i, name in enumerate(names):
        write_png(photos / f"{name}.png", photo(i))
        write_png(layouts / f"{name}.png", layout(ids, seed=i))


def write_labels(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.yaml").write_text(json.dumps(LABELS | changes))


@pytest.fixture
def own_pairs(tmp_path):
    """photos/ and layouts/ with train and val subfolders, 3 and 2 pairs."""
    for split, names in (("train", "abc"), ("val", "de")):
        write_pairs(tmp_path / "photos" / split, tmp_path / "layouts" / split, names)
    write_labels(tmp_path)
    return tmp_path


@pytest.fixture
def small_camvid(tmp_path):
    for split, names in (("train", ["t1", "t2"]), ("val", ["v1"])):
        write_pairs(tmp_path / split, tmp_path / f"{split}annot", names, range(12))
    return tmp_path


def write_raw_png(path, samples, bits, colour_type=0):
    """A PNG of any bit depth, which Pillow does not write. samples: [H, W] grey, [H, W, 3] for colour type 2."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def row(values):
        digits = "".join(f"{value:0{bits}b}" for value in values.ravel())
        return b"\0" + bytes(int(digits[i:i + 8].ljust(8, "0"), 2) for i in range(0, len(digits), 8))

    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                     + chunk(b"IDAT", zlib.compress(b"".join(map(row, samples)))) + chunk(b"IEND", b""))


def error_line(dataset, path, split="train", read=False):
    with pytest.raises(InputError) as caught:
        opened = open_dataset(config(dataset, path), split, seed=0)
        if read:
            for index in range(len(opened)):
                opened[index]
    message = str(caught.value)
    assert "\n" not in message
    return message


# reading


def test_pairs_at_their_own_size_are_the_files(own_pairs):
    dataset = open_dataset(config("folder", own_pairs), "train", seed=0)
    pair = dataset[1]
    assert [dataset.name(i) for i in range(len(dataset))] == ["a", "b", "c"]
    assert pair.name == "b" and dataset.size == SIZE
    np.testing.assert_array_equal(pair.photo, photo(1).transpose(2, 0, 1))
    np.testing.assert_array_equal(pair.layout, layout((0, 1, 2), seed=1))
    assert pair.photo.dtype == pair.layout.dtype == np.uint8


def test_photographs_are_resized_antialiased_and_layouts_by_nearest_neighbour():
    stripes = np.zeros((32, 32, 3), dtype=np.uint8)
    stripes[:, ::2] = 255  # finer than the small size can show: without antialiasing it would come out black or white
    ids = np.zeros((32, 32), dtype=np.uint8)
    ids[:, 16:] = 2
    pair = make_pair("x", stripes, ids, (8, 8))
    inner = pair.photo[:, :, 1:-1].astype(int)
    assert np.abs(inner - 127.5).max() < 10
    np.testing.assert_array_equal(pair.layout, np.repeat([[0] * 4 + [2] * 4], 8, axis=0))  # no class 1 in between
    assert pair.photo.shape == (3, 8, 8)


def test_reading_is_deterministic_and_a_cache_changes_nothing(own_pairs):
    plain = open_dataset(config("folder", own_pairs, (8, 24)), "train", seed=0, cache_bytes=0)
    cached = open_dataset(config("folder", own_pairs, (8, 24)), "train", seed=0)
    assert isinstance(cached, Cached) and not isinstance(plain, Cached)
    for index in range(len(plain)):
        np.testing.assert_array_equal(plain[index].photo, cached[index].photo)
        np.testing.assert_array_equal(plain[index].layout, cached[index].layout)
    assert cached[0] is cached[0]


def test_cache_stays_within_its_stated_bound(own_pairs):
    dataset = open_dataset(config("folder", own_pairs), "train", seed=0, cache_bytes=0)
    filled = Cached(dataset).fill()
    held = sum(pair.photo.nbytes + pair.layout.nbytes for pair in filled._pairs)
    assert 0 < held <= memory_bound(dataset) == 3 * 16 * 32 * 5


def test_filling_with_threads_reads_the_same_and_stops_at_a_broken_file(own_pairs):
    plain = open_dataset(config("folder", own_pairs), "train", seed=0, cache_bytes=0)
    filled = Cached(plain).fill(workers=4)
    assert all(np.array_equal(filled[i].photo, plain[i].photo) for i in range(3))
    file = own_pairs / "photos" / "train" / "c.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InputError, match="c.png: broken or truncated"):
        Cached(plain).fill(workers=4)


def test_scenes_rendered_in_several_processes_are_the_same():
    street = open_dataset(DataConfig(dataset="street", size=[32, 64], train=20), "train", seed=3)
    assert not street.full and street.fill(workers=2).full
    own = Street("train", street.size, 20, 3)
    for index in (0, 15, 19):  # of two parts that travel together
        np.testing.assert_array_equal(street[index].photo, own[index].photo)
        np.testing.assert_array_equal(street[index].layout, own[index].layout)
        assert street[index].name == own.name(index) and street[index].modes == own[index].modes


def test_a_part_of_a_split_is_spread_evenly(own_pairs):
    class Hundred:
        labels, size = None, SIZE

        def __len__(self):
            return 100

        def name(self, index):
            return str(index)

    part = Subset(Hundred(), 4)
    assert [part.name(i) for i in range(len(part))] == ["0", "25", "50", "75"]
    dataset = open_dataset(config("folder", own_pairs, train=2), "train", seed=0)
    assert [dataset[i].name for i in range(len(dataset))] == ["a", "b"]


def test_all_of_a_sequence_can_be_iterated(own_pairs):
    for cache_bytes in (0, data.CACHE_BYTES):
        dataset = open_dataset(config("folder", own_pairs, train=2), "train", seed=0, cache_bytes=cache_bytes)
        assert [pair.name for pair in dataset] == ["a", "b"]
        with pytest.raises(IndexError):
            dataset[2]


def test_street_is_opened_by_the_registry():
    dataset = open_dataset(DataConfig(dataset="street", size=[32, 64], train=3, val=2), "val", seed=1)
    assert len(dataset) == 2 and dataset[0].photo.shape == (3, 32, 64)
    with pytest.raises(InputError, match="rendered in code and has no end"):
        open_dataset(DataConfig(dataset="street", train=None), "train", seed=1)
    with pytest.raises(InputError, match="data.path: dataset 'street' .* reads no folder; did you mean --preset"):
        open_dataset(DataConfig(dataset="street", path="../CamVid"), "train", seed=1)


def test_rooms_that_only_read_pairs_never_load_torch():
    modules = ", ".join(f"data.{name}" for name in (
        *(f"datasets.{module}" for module in ("ade20k", "camvid", "cityscapes", "coco_stuff", "folder", "gta5", "nyu")),
        "views"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# own folders


def test_the_hash_split_is_a_partition_that_new_pairs_do_not_change(tmp_path):
    names = [f"{i:03d}" for i in range(40)]
    write_pairs(tmp_path / "photos", tmp_path / "layouts", names[:30])
    write_labels(tmp_path, val_fraction=0.3)

    def split_names(split):
        dataset = open_dataset(config("folder", tmp_path), split, seed=0)
        return {dataset.name(i) for i in range(len(dataset))}

    train, val = split_names("train"), split_names("val")
    assert train | val == set(names[:30]) and not train & val
    write_pairs(tmp_path / "photos", tmp_path / "layouts", names[30:])
    assert split_names("val") >= val and split_names("train") >= train


def test_the_share_of_the_hash_split():
    share = np.mean([in_val(f"image {i}", 0.2) for i in range(5000)])
    assert abs(share - 0.2) < 0.02  # three and a half standard deviations
    assert in_val("a", 1 - 1e-12) and not in_val("a", 1e-12)


def test_an_empty_hash_split_says_what_to_do(tmp_path):
    write_pairs(tmp_path / "photos", tmp_path / "layouts", ["one"])
    write_labels(tmp_path)
    split = "train" if in_val("one", 0.2) else "val"
    assert "none of the 1 pairs falls into the " + split in error_line("folder", tmp_path, split)


def test_raw_ids_and_sixteen_bit_label_maps(tmp_path):
    raw = np.array([[7, 1000], [300, 9]], dtype=np.uint16).repeat(4, 0).repeat(4, 1)
    for split in ("train", "val"):
        write_png(tmp_path / "photos" / split / "a.png", photo(0, (8, 8)))
        write_png(tmp_path / "layouts" / split / "a.png", raw)
    write_labels(tmp_path, raw_ids={"road": 7, "car": [300, 1000]}, unlisted="void")
    pair = open_dataset(config("folder", tmp_path, (8, 8)), "val", seed=0)[0]
    np.testing.assert_array_equal(pair.layout[::4, ::4], [[0, 1], [1, 2]])
    write_labels(tmp_path, raw_ids={"road": 7, "car": [300, 1000]})
    message = error_line("folder", tmp_path, read=True)
    assert "layouts/train/a.png" in message and "label ids 9 " in message and "7, 300, 1000" in message


def test_palette_label_maps_keep_their_ids(own_pairs):
    ids = layout((0, 1, 2), seed=0)
    image = Image.fromarray(ids, mode="P")
    image.putpalette([10, 20, 30, 200, 100, 0, 7, 7, 7])
    image.save(own_pairs / "layouts" / "train" / "a.png")
    np.testing.assert_array_equal(open_dataset(config("folder", own_pairs), "train", seed=0)[0].layout, ids)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_greyscale_label_maps_of_any_depth_keep_their_ids(tmp_path, bits):
    file = tmp_path / "a.png"
    ids = np.random.default_rng(0).integers(0, 1 << bits, (5, 7))  # 7 does not fill the last byte of a row
    write_raw_png(file, ids, bits)
    assert png_bit_depth(file) == bits
    np.testing.assert_array_equal(read_image(file, "L"), ids)


def test_four_bit_palette_label_maps_keep_their_ids(tmp_path):
    file = tmp_path / "a.png"
    ids = layout(range(16))
    image = Image.fromarray(ids, mode="P")
    image.putpalette(list(range(48)))
    image.save(file, bits=4)
    assert png_bit_depth(file) == 4
    np.testing.assert_array_equal(read_image(file, "L"), ids)


def test_depth_is_a_matter_of_png_files_only(tmp_path):
    Image.fromarray(photo(0)).save(tmp_path / "a.jpg")
    (tmp_path / "empty.png").write_bytes(b"")
    assert png_bit_depth(tmp_path / "a.jpg") is png_bit_depth(tmp_path / "empty.png") is None


@pytest.mark.parametrize("damaged", [False, True])
def test_photographs_are_turned_as_their_exif_says(tmp_path, damaged):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera was held upright
    exif[0x9003] = "2017:10:22 12:00:00"
    block = exif.tobytes()
    file, pixels = tmp_path / "a.png", photo(0, (4, 6))
    Image.fromarray(pixels).save(file, exif=block[:12] if damaged else block)
    np.testing.assert_array_equal(read_image(file), pixels if damaged else np.rot90(pixels, -1))


def test_a_run_directory_s_dataset_folder_is_a_folder_dataset(tiny_run):
    names = set()
    for split in ("train", "val"):
        dataset = open_dataset(config("folder", tiny_run.dataset, (32, 64)), split, seed=0)
        assert dataset.labels.names == ("road", "building", "car", "void")
        names |= {dataset[i].name for i in range(len(dataset))}
    assert names == set(tiny_run.layouts())


@pytest.mark.parametrize("changes, words", [
    ({"colors": []}, "unknown key 'colors': did you mean 'colours'?"),
    ({"names": ["road", "car"], "colours": [[0, 0, 0], [1, 1, 1]]}, "last class must be 'void', got 'car'"),
    ({"colours": [[0, 0, 0]]}, "3 names but 1 colours"),
    ({"colours": []}, "3 names but 0 colours"),
    ({"colours": [[0, 0, 256]] * 3}, "key 'colours.0.2'"),
    ({"names": ["road", True, "void"]}, "key 'names.1'"),
    ({"raw_ids": {"road": 1, "car": [2, 1]}}, "raw id 1 belongs to two classes, 'road' and 'car'"),
    ({"raw_ids": {"raod": 1}}, "'raod' is not among the names: did you mean 'road'?"),
    ({"raw_ids": {"road": "wall"}}, "raw id 'wall' is not a number"),
    ({"raw_ids": {"road": -1}}, "key 'raw_ids.road"),
    ({"unlisted": "void"}, "'unlisted' needs 'raw_ids'"),
    ({"val_fraction": 1.5}, "key 'val_fraction'"),
])
def test_mistakes_in_labels_yaml(tmp_path, changes, words):
    write_labels(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        read_label_file(tmp_path / "labels.yaml")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'labels.yaml'}: ") and words in message and "\n" not in message


def test_broken_yaml_and_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"no such file \(it names the classes"):
        read_label_file(tmp_path / "labels.yaml")
    (tmp_path / "labels.yaml").write_text("names: [a, b")
    with pytest.raises(InputError, match="not valid YAML"):
        read_label_file(tmp_path / "labels.yaml")
    (tmp_path / "labels.yaml").write_text("- road\n- void\n")
    with pytest.raises(InputError, match="a mapping of keys to values is expected .* got list"):
        read_label_file(tmp_path / "labels.yaml")


def test_a_folder_in_place_of_a_file(tmp_path):
    for read in (read_json, lambda path: read_yaml(path, "a preset")):
        with pytest.raises(InputError, match="file is expected .*Is a directory"):
            read(tmp_path)


def test_palette_has_a_colour_for_every_class():
    colours = palette(256)
    assert len(set(colours)) == 256 and colours[-1] == (0, 0, 0)
    assert colours[:3] == [(128, 0, 0), (0, 128, 0), (128, 128, 0)]  # PASCAL VOC's first three


# bad input, the same for every dataset of files


def test_unknown_dataset_and_split_name_the_nearest(tmp_path):
    with pytest.raises(InputError, match="did you mean 'camvid'"):
        open_dataset(config("camvd", tmp_path), "train", seed=0)
    with pytest.raises(InputError, match="unknown split 'test': .*known: train, val"):
        open_dataset(config("camvid", tmp_path), "test", seed=0)


@pytest.mark.parametrize("dataset", [name for name in data.DATASETS if name not in data.RENDERED])
def test_a_missing_or_empty_or_absent_path(dataset, tmp_path):
    with pytest.raises(InputError, match="needs data.path: a folder with"):
        open_dataset(DataConfig(dataset=dataset), "train", seed=0)
    assert f"{tmp_path / 'nowhere'}: no such folder; expected" in error_line(dataset, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is a file; expected a folder with" in error_line(dataset, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    message = error_line(dataset, tmp_path / "empty")
    assert str(tmp_path / "empty") in message and "expected" in message


def test_folders_without_pairs(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "layouts").mkdir()
    write_labels(tmp_path)
    assert error_line("folder", tmp_path).startswith("no pairs: ")


def test_photograph_without_layout_and_the_other_way_round(own_pairs):
    (own_pairs / "layouts" / "train" / "b.png").unlink()
    (own_pairs / "layouts" / "train" / "c.png").unlink()
    message = error_line("folder", own_pairs)
    assert "photos/train/b.png: photograph without layout; expected one for 'b'" in message
    assert message.endswith("(and 1 more)")
    (own_pairs / "photos" / "val" / "d.png").unlink()
    assert "layouts/val/d.png: layout without photograph" in error_line("folder", own_pairs, "val")


def test_photo_and_layout_of_different_size(own_pairs):
    write_png(own_pairs / "layouts" / "train" / "c.png", layout((0, 1), (16, 30)))
    message = error_line("folder", own_pairs, read=True)
    assert "photos/train/c.png is 16x32" in message and "layouts/train/c.png is 16x30" in message


def test_label_ids_outside_the_label_space(own_pairs):
    write_png(own_pairs / "layouts" / "train" / "a.png", layout((0, 5, 9)))
    message = error_line("folder", own_pairs, read=True)
    assert "layouts/train/a.png: label ids 5, 9 are outside the label space; expected 0..2" in message


@pytest.mark.parametrize("kind", ["photos", "layouts"])
def test_truncated_files_are_named(own_pairs, kind):
    file = own_pairs / kind / "train" / "b.png"
    for left in (60, 0):
        file.write_bytes(file.read_bytes()[:left])
        message = error_line("folder", own_pairs, read=True)
        assert str(file) in message and "truncated" in message


def as_jpeg(file, **options):
    """The file with the same pixels, compressed with loss, under the same name."""
    Image.fromarray(read_image(file, "L")).save(file, **(options or {"format": "JPEG", "quality": 75}))
    return file


@pytest.mark.parametrize(("options", "named"), [
    ({}, "JPEG"), ({"format": "TIFF", "compression": "jpeg"}, "TIFF with JPEG compression"),
    ({"format": "WEBP", "lossless": False}, "WEBP")])
def test_label_maps_are_known_by_their_content(own_pairs, options, named):
    as_jpeg(own_pairs / "layouts" / "val" / "d.png", **options)  # the split's first
    assert f"layouts/val/d.png: its content is {named}, whose lossy" in error_line("folder", own_pairs, "val")
    as_jpeg(own_pairs / "layouts" / "train" / "b.png", **options)
    assert f"layouts/train/b.png: its content is {named}, whose" in error_line("folder", own_pairs, read=True)


def test_lossless_content_counts_whatever_its_name(own_pairs):
    expected = open_dataset(config("folder", own_pairs), "train", 0)[0].layout
    for options in ({"format": "PNG"}, {"format": "TIFF"}, {"format": "TIFF", "compression": "tiff_lzw"},
                    {"format": "BMP"}):
        as_jpeg(own_pairs / "layouts" / "train" / "a.png", **options)
        assert (open_dataset(config("folder", own_pairs), "train", 0)[0].layout == expected).all()


@pytest.mark.parametrize(("mode", "said"), [
    ("F", "one channel of floating-point numbers"), ("RGB", "three channels (RGB)"), ("RGBA", "four channels (RGBA)"),
    ("LA", "two channels (greyscale and alpha)")])
def test_what_is_no_label_map_is_named_as_what_it_is(tmp_path, mode, said):
    Image.new(mode, (8, 4)).save(tmp_path / "a.tif")
    with pytest.raises(InputError) as error:
        read_image(tmp_path / "a.tif", "L")
    assert str(error.value) == f"{tmp_path}/a.tif: a label map has one channel of class ids, this file has {said}"


def test_ids_of_16_bits_in_either_byte_order(tmp_path):
    ids = np.array([[0, 700], [40000, 3]], np.uint16)
    for prefix in ("<", ">"):  # a TIFF by hand: Pillow writes little-endian alone
        entries = [(256, 3, 2), (257, 3, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
                   (278, 3, 2), (279, 4, 8)]
        directory = struct.pack(prefix + "H", len(entries)) + b"".join(
            struct.pack(prefix + "HHI" + ("I" if kind == 4 else "HH"), tag, kind, 1, value, *([] if kind == 4 else [0]))
            for tag, kind, value in entries) + struct.pack(prefix + "I", 0)
        head = (b"II" if prefix == "<" else b"MM") + struct.pack(prefix + "HI", 42, 16)
        (tmp_path / "a.tif").write_bytes(head + ids.astype(prefix + "u2").tobytes() + directory)
        found = read_image(tmp_path / "a.tif", "L")
        assert (found == ids).all() and found.dtype.isnative


@pytest.mark.parametrize(("head", "said"), [
    (b"\0\0\0\x1cftypavif", "an AVIF picture"), (b"\x93NUMPY\x01", "a NumPy array"), (b"", "empty"),
    (b"version https://git-lfs.github.com", "a pointer of Git LFS"), (b"<!DOCTYPE html>", "an HTML page"),
    (b"anything", "broken or truncated, or no image")])
def test_what_is_no_image_is_named_as_what_it_is(tmp_path, head, said):
    (tmp_path / "a.png").write_bytes(head)
    with pytest.raises(InputError, match=f"a.png: {said}"):
        read_image(tmp_path / "a.png")


def test_several_pictures_are_no_label_map(tmp_path):
    pages = [Image.fromarray(np.full((4, 8), i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="a label map is one picture, this file holds 3"):
        read_image(tmp_path / "a.tif", "L")


def test_names_in_two_unicode_forms_are_one(own_pairs):
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    (own_pairs / "photos/train/a.png").rename(own_pairs / f"photos/train/{composed}.png")
    (own_pairs / "layouts/train/a.png").rename(own_pairs / f"layouts/train/{decomposed}.png")
    dataset = open_dataset(config("folder", own_pairs), "train", 0)
    assert dataset.name(2) == composed and dataset[2].layout.shape == SIZE
    shutil.copy(own_pairs / "photos/train/b.png", own_pairs / f"photos/train/{decomposed}.png")
    assert "the same name 'é' but for its Unicode form" in error_line("folder", own_pairs)


@pytest.mark.parametrize(("moved", "said"), [
    ("b.gif", "layouts/train/b.gif is there, but .gif is not read: save it as PNG"),
    ("B.png", "layouts/train/B.png differs in capital letters"),
    ("more/b.png", "layouts/train/more/b.png lies in another folder than that")])
def test_what_explains_a_missing_layout_is_said(own_pairs, moved, said):
    target = own_pairs / "layouts/train" / moved
    target.parent.mkdir(exist_ok=True)
    (own_pairs / "layouts/train/b.png").rename(target)
    assert said in error_line("folder", own_pairs)


def test_what_stands_where_nothing_is_found_is_said(own_pairs):
    for kind in ("photos", "layouts"):
        (own_pairs / kind / "val").rename(own_pairs / kind / "validation")
        (own_pairs / kind / "val" / "day").mkdir(parents=True)
        (own_pairs / kind / "val" / "a.heic").write_bytes(b"")
    assert "photos/val: 1 sub-folders (day) and 1 other files (a.heic);" in error_line("folder", own_pairs, "val")
    shutil.rmtree(own_pairs / "layouts")
    assert "layouts/val: no such folder; expected" in (line := error_line("folder", own_pairs, "val"))
    assert "layouts: missing, too" in line


def test_lossy_layouts_coloured_layouts_and_twins(own_pairs):
    lossy = own_pairs / "layouts" / "train" / "a.jpg"
    as_jpeg(lossy.with_suffix(".png")).rename(lossy)
    assert "a.jpg: its content is JPEG, whose lossy compression changes class ids" in error_line("folder", own_pairs)
    lossy.unlink()
    write_png(own_pairs / "layouts" / "train" / "a.png", photo(0))
    assert "a.png: a label map has one channel" in error_line("folder", own_pairs, read=True)
    Image.fromarray(photo(0)).save(own_pairs / "photos" / "val" / "d.jpg")
    assert "have the same name 'd'" in error_line("folder", own_pairs, "val")


def test_photographs_of_more_than_eight_bits_are_refused(own_pairs):
    file = own_pairs / "photos" / "train" / "a.png"
    write_png(file, photo(0)[..., 0].astype(np.uint16) << 8)
    assert error_line("folder", own_pairs, read=True) == f"{file}: 8 bits per channel expected, this file has 16"
    write_raw_png(file, photo(0).astype(int) << 8, 16, colour_type=2)
    assert error_line("folder", own_pairs, read=True) == f"{file}: 8 bits per channel expected, this file has 16"
    file.unlink()
    Image.fromarray(photo(0)[..., 0].astype(np.float32)).save(file.with_suffix(".tif"))
    assert "a.tif: 8 bits per channel expected, this file has 32" in error_line("folder", own_pairs, read=True)


def test_images_too_large_to_be_meant(own_pairs, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1] // 3)
    assert "layouts/train/a.png: too large for an image" in error_line("folder", own_pairs, read=True)


def test_more_pairs_than_there_are(own_pairs):
    with pytest.raises(InputError, match=r"data.train=9: .* has 3 train pairs; set data.train=3 or less"):
        open_dataset(config("folder", own_pairs, train=9), "train", seed=0)


# CamVid


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


def test_nyu_counts_of_the_paper():
    assert (nyu.TRAIN, nyu.TOTAL - nyu.TRAIN) == (1200, 249)


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


def test_labels_json_is_preferred_and_validated(tmp_path):
    write_pairs(tmp_path / "photos", tmp_path / "layouts", ["a"])
    write_json(tmp_path / "labels.json", {"names": ["road"], "colours": [[0, 0, 0]]})
    assert "labels.json: key 'names'" in error_line("folder", tmp_path)
