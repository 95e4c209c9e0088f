"""A method's images: folders from outside, and what is refused with which line."""

import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from evaluation.cache.images import add_images, check_complete, check_images, content_hash
from evaluation.metrics.work import Context
from evaluation.scoring import score_run


@pytest.fixture
def folder(tiny_run, tmp_path):
    """Fit images of another system, one per layout."""
    folder = tmp_path / "theirs"
    shutil.copytree(tiny_run.method_folder("pix2pix") / "images", folder)
    return folder


def test_added_images_are_a_method_like_any_other_and_are_replaced_when_they_change(tiny_run, folder, tiny_judge):
    method = add_images(tiny_run, "theirs", folder)
    assert method.kind == "images" and method in tiny_run.methods()
    for name in tiny_run.layouts():
        assert (folder / f"{name}.png").read_bytes() == tiny_run.image_file("theirs", name).read_bytes()
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation", "distances"])
    same = [next(s for s in tiny_run.scores("distances") if s.method == name) for name in ("theirs", "pix2pix")]
    assert same[0].values == same[1].values

    file = tiny_run.image_file("theirs", "00003")
    before = file.stat().st_ino
    add_images(tiny_run, "theirs", folder)
    assert file.stat().st_ino == before
    shutil.copy(tiny_run.image_file("crn", "00003"), folder / "00003.png")
    add_images(tiny_run, "theirs", folder)
    assert file.read_bytes() == tiny_run.image_file("crn", "00003").read_bytes()


def test_several_images_per_layout(tiny_run, tmp_path):
    folder = tmp_path / "many"
    shutil.copytree(tiny_run.method_folder("crn_diversity") / "variants", folder)
    assert add_images(tiny_run, "many", folder).images_per_layout == 3
    assert tiny_run.variant_file("many", "00002", 3).read_bytes() == (folder / "00002_3.png").read_bytes()
    assert tiny_run.image_file("many", "00002").read_bytes() == (folder / "00002_1.png").read_bytes()
    (folder / "00002_3.png").unlink()
    with pytest.raises(InputError, match=r"layouts without an image: 1 \(00002_3.png\)"):
        add_images(tiny_run, "many", folder)


def turned(orientation):
    """EXIF by which some programs turn the picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def sixteen_bit():
    """A PNG of 16 bits, which Pillow reads as if it had 8."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 32, 16, 2, 0, 0, 0)
    pixels = zlib.compress(32 * (b"\0" + 64 * 3 * b"\1\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_every_unfit_file_is_listed_with_what_to_do(tiny_run, folder):
    (folder / "more").mkdir()
    (folder / "00000.png").rename(folder / "0.png")
    Image.open(folder / "00006.png").save(folder / "00006.png", exif=turned(3))
    Image.open(folder / "00007.png").save(folder / "00007.png", exif=turned(6))
    (folder / "00008.png").write_bytes(sixteen_bit())
    before = sorted(tiny_run.path.rglob("*"))
    Image.new("RGB", (64, 30)).save(folder / "00001.png")
    Image.new("RGBA", (64, 32)).save(folder / "00002.png")
    (folder / "00003.png").write_bytes((folder / "00003.png").read_bytes()[:200])
    Image.new("RGB", (64, 32)).save(folder / "00004.jpg")
    Image.new("RGB", (64, 32)).save(folder / "00005.png", format="JPEG")
    with pytest.raises(InputError) as caught:
        add_images(tiny_run, "theirs", folder)
    message = str(caught.value)
    for part in ("layouts without an image: 1 (00000.png)", "no layout's: 1 (0.png)",
                 "not PNG: 2 (00004.jpg, 00005.png)", "not 32x64 (height x width): 1 (00001.png)",
                 "not 8-bit RGB: 2 (00002.png, 00008.png)", "broken or truncated: 1 (00003.png)",
                 "EXIF orientation: 2 (00006.png, 00007.png) -> save them upright",
                 "folders, whose files are not read: 1 (more/) -> give the folder that", "-> save PNG",
                 "-> resize in the system that made them"):
        assert part in message
    assert "\n" not in message
    assert sorted(tiny_run.path.rglob("*")) == before


def rename_layouts(run, names):
    for old, new in zip(run.layouts(), names, strict=False):
        for kind in ("layouts", "photos"):
            (run.dataset / kind / f"{old}.png").rename(run.dataset / kind / f"{new}.png")
    for old in set(run.layouts()) - set(names):
        for kind in ("layouts", "photos"):
            (run.dataset / kind / f"{old}.png").unlink()


@pytest.mark.parametrize(("files", "k"), [
    (["a", "a_1"], 1), (["a_1", "a_2", "a_1_1", "a_1_2"], 2), (["a_1", "a_2", "a_3", "a_1_1", "a_1_2", "a_1_3"], 3)])
def test_the_number_of_images_is_told_by_all_names_together(tiny_run, tmp_path, files, k):
    rename_layouts(tiny_run, ["a", "a_1"])
    (tmp_path / "more").mkdir()
    for number, name in enumerate(files):
        Image.new("RGB", (64, 32), (number, 0, 0)).save(tmp_path / "more" / f"{name}.png")
    method, found = check_images(tiny_run, "more", tmp_path / "more")
    assert method.images_per_layout == k
    assert [file.stem for layout in ("a", "a_1") for file in found[layout]] == files


def test_images_with_names_in_another_unicode_form(tiny_run, tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    rename_layouts(tiny_run, [composed])
    (tmp_path / "mac").mkdir()
    Image.new("RGB", (64, 32)).save(tmp_path / "mac" / f"{decomposed}.png")
    add_images(tiny_run, "mac", tmp_path / "mac")
    assert tiny_run.image_file("mac", composed).exists()


def test_a_lost_layout_is_named_rather_than_its_images(tiny_run):
    method = next(m for m in tiny_run.methods() if m.name == "crn")
    (tiny_run.dataset / "layouts" / "00004.png").unlink()
    with pytest.raises(InputError, match=r"dataset/layouts: 1 \(00004.png\) missing; any stage"):
        check_complete(tiny_run, method)


def test_names_that_cannot_be(tiny_run, folder):
    for name in ("crn", "photos", "../x", "", "a b", "CRN"):
        with pytest.raises(InputError, match="--images .*(a method's name is|choose another name)"):
            add_images(tiny_run, name, folder)
    with pytest.raises(InputError, match="no such folder"):
        add_images(tiny_run, "x", folder / "nowhere")


def test_missing_and_surplus_images_are_named(tiny_run):
    method = next(m for m in tiny_run.methods() if m.name == "crn")
    tiny_run.image_file("crn", "00004").unlink()
    with pytest.raises(InputError, match=r"1 \(00004\) of 12 layouts missing"):
        check_complete(tiny_run, method)
    shutil.copy(tiny_run.image_file("crn", "00005"), tiny_run.image_file("crn", "00004"))
    shutil.copy(tiny_run.image_file("crn", "00005"), tiny_run.image_file("crn", "zzz"))
    with pytest.raises(InputError, match=r"without a layout: 1 \(zzz\)"):
        check_complete(tiny_run, method)


def test_broken_images_and_labels_outside_the_space_stop_scoring_by_name(tiny_run, tiny_judge):
    file = tiny_run.image_file("crn", "00004")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="00004.png: broken or truncated"):
        score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])
    Image.new("RGB", (32, 32)).save(file)
    with pytest.raises(InputError, match="00004.png: 32x32, expected 32x64"):
        score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])
    file.write_bytes(whole)
    Image.fromarray(np.full((32, 64), 9, np.uint8)).save(tiny_run.dataset / "layouts" / "00002.png")
    with pytest.raises(InputError, match="00002.png: label id 9 is outside the label space; expected 0..3"):
        score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])


def test_content_hash_sees_names_and_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"3")
    first = content_hash([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"23")
    assert content_hash([tmp_path / "a", tmp_path / "b"]) != first
    with pytest.raises(InputError, match="no such file"):
        content_hash([tmp_path / "c"])
