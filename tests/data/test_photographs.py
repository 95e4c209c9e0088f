"""Pairs of photographs and layouts: what is read, how it is resized, and the one line that bad input gets."""

import os
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
from data.datasets.folder import in_val
from data.errors import InputError
from data.files import png_bit_depth, read_image, read_json, read_yaml, write_json, write_png
from data.label_file import palette, read_label_file
from data.photographs import make_pair
from data.street import Street
from data.views import Cached, Subset, memory_bound
from presets.schema import DataConfig
from tests.data.folders import SIZE, as_jpeg, config, error_line, layout, photo, write_labels, write_pairs


@pytest.fixture
def own_pairs(tmp_path):
    """photos/ and layouts/ with train and val subfolders, 3 and 2 pairs."""
    for split, names in (("train", "abc"), ("val", "de")):
        write_pairs(tmp_path / "photos" / split, tmp_path / "layouts" / split, names)
    write_labels(tmp_path)
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
    for here, there in zip(plain, cached, strict=True):
        np.testing.assert_array_equal(here.photo, there.photo)
        np.testing.assert_array_equal(here.layout, there.layout)
    assert cached[0] is cached[0]
    held = sum(pair.photo.nbytes + pair.layout.nbytes for pair in cached)
    assert 0 < held <= memory_bound(plain) == 3 * 8 * 24 * 5
    for dataset in (plain, cached):
        with pytest.raises(IndexError):
            dataset[3]


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


def test_an_empty_hash_split_is_explained(tmp_path):
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


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_greyscale_label_maps_of_any_depth_keep_their_ids(tmp_path, bits):
    file = tmp_path / "a.png"
    ids = np.random.default_rng(0).integers(0, 1 << bits, (5, 7))  # 7 does not fill the last byte of a row
    write_raw_png(file, ids, bits)
    assert png_bit_depth(file) == bits
    np.testing.assert_array_equal(read_image(file, "L"), ids)


@pytest.mark.parametrize("bits", [4, 8])
def test_palette_label_maps_keep_their_ids(tmp_path, bits):
    file = tmp_path / "a.png"
    ids = layout(range(16))
    image = Image.fromarray(ids, mode="P")
    image.putpalette([value % 256 for value in range(3 << bits)])
    image.save(file, bits=bits)
    assert png_bit_depth(file) == bits
    np.testing.assert_array_equal(read_image(file, "L"), ids)


@pytest.mark.parametrize("damaged", [False, True])
def test_photographs_are_rotated_by_their_exif_orientation(tmp_path, damaged):
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
    ({"val_fraction": "0,5"}, "key 'val_fraction': Input should be a valid number, got '0,5'"),
    ({"names": "road, car, void"}, "key 'names': Input should be a valid list, got 'road, car, void'"),
    ({"names": None}, "key 'names': Input should be a valid list, got None"),
    ({"raw_ids": [1, 2]}, "key 'raw_ids': Input should be a valid dictionary"),
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


def test_labels_json_is_preferred_and_validated(tmp_path):
    write_pairs(tmp_path / "photos", tmp_path / "layouts", ["a"])
    write_json(tmp_path / "labels.json", {"names": ["road"], "colours": [[0, 0, 0]]})
    assert "labels.json: key 'names'" in error_line("folder", tmp_path)


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


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_several_pictures_are_neither_a_label_map_nor_a_photograph(tmp_path, ending):
    pages = [Image.fromarray(np.full((4, 8), i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pages[1:])
    for mode, kind in (("L", "label map"), ("RGB", "photograph")):
        with pytest.raises(InputError, match=f"a {kind} is one picture, this file holds 3"):
            read_image(tmp_path / f"a.{ending}", mode)


def test_names_that_are_too_long_for_a_run(own_pairs):
    for kind in ("photos", "layouts"):
        (own_pairs / kind / "val" / "d.png").rename(own_pairs / kind / "val" / ("\u8857" * 80 + ".png"))
    assert len(open_dataset(config("folder", own_pairs), "val", 0)) == 2
    for kind in ("photos", "layouts"):
        (own_pairs / kind / "val" / "e.png").rename(own_pairs / kind / "val" / ("e" * 241 + ".png"))
    assert ".png: its name has 241 bytes without ending; at most 240" in error_line("folder", own_pairs, "val")


def test_names_that_are_not_utf8(own_pairs):
    for kind in ("photos", "layouts"):
        folder = os.fsencode(own_pairs / kind / "train")
        os.rename(folder + b"/a.png", folder + b"/stra\xdfe.png")
    assert r"photos/train/stra\xdfe.png: its name is not UTF-8 text; rename it" in error_line("folder", own_pairs)


def test_names_in_two_unicode_forms_are_one(own_pairs):
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    (own_pairs / "photos/train/a.png").rename(own_pairs / f"photos/train/{composed}.png")
    (own_pairs / "layouts/train/a.png").rename(own_pairs / f"layouts/train/{decomposed}.png")
    dataset = open_dataset(config("folder", own_pairs), "train", 0)
    assert dataset.name(2) == composed and dataset[2].layout.shape == SIZE
    shutil.copy(own_pairs / "photos/train/b.png", own_pairs / f"photos/train/{decomposed}.png")
    assert "the same name 'é' but for its Unicode form" in error_line("folder", own_pairs)


@pytest.mark.parametrize(("moved", "reason"), [
    ("b.gif", "layouts/train/b.gif exists, but .gif is not read: save it as PNG"),
    ("B.png", "layouts/train/B.png differs in upper and lower case"),
    ("more/b.png", "layouts/train/more/b.png is in another folder")])
def test_a_missing_layout_is_explained(own_pairs, moved, reason):
    target = own_pairs / "layouts/train" / moved
    target.parent.mkdir(exist_ok=True)
    (own_pairs / "layouts/train/b.png").rename(target)
    assert reason in error_line("folder", own_pairs)


def test_other_contents_of_a_folder_without_pairs_are_listed(own_pairs):
    for kind in ("photos", "layouts"):
        (own_pairs / kind / "val").rename(own_pairs / kind / "validation")
        (own_pairs / kind / "val" / "day").mkdir(parents=True)
        (own_pairs / kind / "val" / "a.heic").write_bytes(b"")
    assert "no pairs: " in error_line("folder", own_pairs, "val")
    assert "photos/val: 1 sub-folders (day) and 1 other files (a.heic);" in error_line("folder", own_pairs, "val")
    shutil.rmtree(own_pairs / "layouts")
    assert "layouts/val: no such folder; expected" in (line := error_line("folder", own_pairs, "val"))
    assert "layouts is missing, too" in line


def test_two_files_of_one_name(own_pairs):
    Image.fromarray(photo(0)).save(own_pairs / "photos" / "val" / "d.jpg")
    assert "have the same name 'd'" in error_line("folder", own_pairs, "val")


def test_photographs_of_more_than_eight_bits_are_refused(own_pairs):
    file = own_pairs / "photos" / "train" / "a.png"
    grey = photo(0)[..., 0].astype(np.uint16) << 8
    for write in (lambda: write_png(file, grey), lambda: write_raw_png(file, np.stack([grey] * 3, 2), 16, 2)):
        write()
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
