"""A method's images: folders from outside, what is refused and how it is said, leaks, merged tables."""

import json
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.files import read_image, read_json, write_json
from evaluation import merge
from evaluation.cache.images import add_images, check_complete, check_images, content_hash, read_images
from evaluation.metrics.work import Context
from evaluation.scoring import score_run


@pytest.fixture
def folder(tiny_run, tmp_path):
    """Fit images of another system, one per layout."""
    folder = tmp_path / "theirs"
    shutil.copytree(tiny_run.method_folder("pix2pix") / "images", folder)
    return folder


def test_images_come_in_layout_order(tiny_run):
    names = tiny_run.layouts()
    images = read_images([tiny_run.photo_file(name) for name in names], (32, 64))
    assert images.shape == (12, 3, 32, 64) and images.dtype == np.uint8
    assert (images[7].transpose(1, 2, 0) == read_image(tiny_run.photo_file(names[7]))).all()


def test_added_images_are_a_method_like_any_other(tiny_run, folder, tiny_judge):
    method = add_images(tiny_run, "theirs", folder)
    assert method.kind == "images" and method in tiny_run.methods()
    for name in tiny_run.layouts():
        assert (folder / f"{name}.png").read_bytes() == tiny_run.image_file("theirs", name).read_bytes()
    score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation", "distances"])
    same = [next(s for s in tiny_run.scores("distances") if s.method == name) for name in ("theirs", "pix2pix")]
    assert same[0].values == same[1].values


def test_adding_again_replaces_only_what_changed(tiny_run, folder):
    add_images(tiny_run, "theirs", folder)
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


def test_every_unfit_file_is_listed_with_what_to_do(tiny_run, folder):
    (folder / "00000.png").rename(folder / "0.png")
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
                 "not 8-bit RGB: 1 (00002.png)",
                 "broken or truncated: 1 (00003.png)", "-> save PNG", "-> resize in the system that made them"):
        assert part in message
    assert "\n" not in message
    assert not tiny_run.method_folder("theirs").exists()


def test_a_refused_folder_leaves_the_run_as_it_was(tiny_run, folder):
    before = sorted(tiny_run.path.rglob("*"))
    check_images(tiny_run, "theirs", folder)
    (folder / "00003.png").unlink()
    for take in (check_images, add_images):
        with pytest.raises(InputError):
            take(tiny_run, "theirs", folder)
    assert sorted(tiny_run.path.rglob("*")) == before


@pytest.mark.parametrize("orientation", [3, 6])
def test_images_that_some_programs_turn_are_refused(tiny_run, folder, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(folder / "00002.png").save(folder / "00002.png", exif=exif)
    with pytest.raises(InputError, match=r"EXIF orientation: 1 \(00002.png\) -> save them upright"):
        add_images(tiny_run, "theirs", folder)


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


def test_folders_in_a_folder_are_mentioned(tiny_run, folder):
    (folder / "more").mkdir()
    (folder / "00003.png").rename(folder / "more" / "00003.png")
    with pytest.raises(InputError, match=r"folders, which are not looked into: 1 \(more/\) -> give the folder that"):
        add_images(tiny_run, "theirs", folder)


def test_a_lost_layout_is_named_rather_than_its_images(tiny_run):
    method = next(m for m in tiny_run.methods() if m.name == "crn")
    (tiny_run.dataset / "layouts" / "00004.png").unlink()
    with pytest.raises(InputError, match=r"dataset/layouts: 1 \(00004.png\) gone; any stage"):
        check_complete(tiny_run, method)
    shutil.rmtree(tiny_run.dataset / "layouts")
    with pytest.raises(InputError, match=r"dataset/layouts: 12 \(00000.png, .*\) gone; any stage"):
        check_complete(tiny_run, method)


def test_16_bit_png_is_refused_though_pillow_reads_it_as_8(tiny_run, folder):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 32, 16, 2, 0, 0, 0)
    pixels = zlib.compress(32 * (b"\0" + 64 * 3 * b"\1\0"))
    file = folder / "00007.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    assert Image.open(file).mode == "RGB"
    with pytest.raises(InputError, match=r"not 8-bit RGB: 1 \(00007.png\)"):
        add_images(tiny_run, "theirs", folder)


@pytest.mark.parametrize("name", ["crn", "photos", "../x", "", "a b", "CRN"])
def test_names_that_cannot_be(tiny_run, folder, name):
    with pytest.raises(InputError, match="--images"):
        add_images(tiny_run, name, folder)
    assert (tiny_run.method_folder("crn") / "images").is_dir()


def test_no_such_folder(tiny_run, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        add_images(tiny_run, "x", tmp_path / "nowhere")


def test_missing_and_surplus_images_are_named(tiny_run):
    method = next(m for m in tiny_run.methods() if m.name == "crn")
    tiny_run.image_file("crn", "00004").unlink()
    with pytest.raises(InputError, match=r"1 \(00004\) of 12 layouts missing"):
        check_complete(tiny_run, method)
    shutil.copy(tiny_run.image_file("crn", "00005"), tiny_run.image_file("crn", "00004"))
    shutil.copy(tiny_run.image_file("crn", "00005"), tiny_run.image_file("crn", "zzz"))
    with pytest.raises(InputError, match=r"without a layout: 1 \(zzz\)"):
        check_complete(tiny_run, method)


def test_truncated_and_odd_sized_images_stop_scoring_by_name(tiny_run, tiny_judge):
    file = tiny_run.image_file("crn", "00004")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="00004.png: broken or truncated"):
        score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])
    Image.new("RGB", (32, 32)).save(file)
    with pytest.raises(InputError, match="00004.png: 32x32, expected 32x64"):
        score_run(tiny_run, Context(tiny_judge, bootstrap=200), ["segmentation"])


def test_label_outside_the_space_is_named(tiny_run, tiny_judge):
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


# tables of several machines


@pytest.fixture
def table(scored_run):
    return merge.export_table(scored_run)


def renamed(table, old, new):
    return json.loads(json.dumps(table).replace(f'"{old}"', f'"{new}"'))


def test_export_and_merge(table, tmp_path, capsys):
    other = renamed(table, "pix2pix", "oasis")
    for name, value in (("a.json", table), ("b.json", other)):
        write_json(tmp_path / name, value)
    merge.main(["merge", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--out", str(tmp_path / "c.json")])
    merged = read_json(tmp_path / "c.json")
    methods = {score["method"] for score in merged["scores"] if score["metric"] == "segmentation"}
    assert {"pix2pix", "oasis", "photos"} <= methods
    assert len(merged["scores"]) == len(table["scores"]) + 2  # segmentation and distances of one more method
    assert merge.merge_tables([table, table])["scores"] == merge.merge_tables([table])["scores"]


def test_export_of_a_run_through_the_command_line(scored_run, tmp_path):
    merge.main(["export", str(scored_run.path), "--out", str(tmp_path / "t.json")])
    assert merge.read_table(tmp_path / "t.json")["methods"]["crn"]["title"] == "CRN"


def test_contradicting_or_incomparable_tables_are_refused(table):
    other = json.loads(json.dumps(table))
    other["scores"][0]["values"][0]["value"] += 1
    with pytest.raises(InputError, match="given twice with different values"):
        merge.merge_tables([table, other])
    other = renamed(table, "pix2pix", "oasis")
    for score in other["scores"]:
        score["provenance"]["N"] = 999
    with pytest.raises(InputError, match=r"scored differently \(N\)"):
        merge.merge_tables([table, renamed(other, "crn", "x")])


def test_into_a_run(scored_run, table):
    other = renamed(table, "pix2pix", "oasis")
    assert merge.into_run(scored_run, other) == ["oasis"]
    found = next(score for score in scored_run.scores("distances") if score.method == "oasis")
    assert found.provenance["merged from"] == "run"
    assert [method.name for method in scored_run.merged_methods()] == ["oasis"]
    merge.into_run(scored_run, renamed(table, "pix2pix", "spade"))
    assert [method.name for method in scored_run.merged_methods()] == ["oasis", "spade"]
    assert "oasis" in merge.export_table(scored_run)["methods"]


def test_no_table(tmp_path):
    write_json(tmp_path / "x.json", {"scores": []})
    with pytest.raises(InputError, match="not a table of scores"):
        merge.read_table(tmp_path / "x.json")
