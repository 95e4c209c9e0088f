"""A batch on disk: blinding, names that nobody can decode, pictures of one length, what is never overwritten."""

import csv
import io
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.files import sha256, write_json, write_png
from evaluation.pipeline.job import Job
from evaluation.run_directory import PHOTOS
from human_study.__main__ import main, parser
from human_study.batch.assets import blurred, instruction_picture, padded
from human_study.batch.folder import read_batch
from human_study.batch.write import StudyInUse, table_names, write_batch
from human_study.commands import batch_to_serve
from human_study.protocol.protocols import BLURRED, PROTOCOLS, UNDER_TEST, load_protocol
from human_study.responses.keys import opaque
from human_study.trials.cast import Cast
from human_study.trials.draw import draw
from presets.schema import Preset

METHODS = {"crn": "CRN", "crn_diversity": "CRN, diversity", "pix2pix": "pix2pix",
           "image_space": "Image-space loss"}  # of the fixture tiny_run


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_batches_of_the_2017_studies(tiny_run):
    for file in tiny_run.path.rglob("00003.png"):
        file.rename(file.with_name("a, b.png"))  # a layout may have a comma in its name
    batch = write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    assert batch.folder == tiny_run.study / "crn2017-unlimited" and "a, b" in {
        asset.image_id for asset in batch.assets.values()}
    tables = sorted((batch.public).glob("hits-*.csv"))
    assert len(tables) == len(METHODS) - 1
    with open(tables[0], newline="") as stream:
        header, row = csv.reader(stream)
    assert header == [f"image_{side}_url_{n}" for n in range(1, 15) for side in "AB"]  # 12 + 2 trials
    hit = next(trials for trials in batch.hits.values() if trials[0].batch_id == tables[0].stem)
    assert row == [f"images/{asset}.png" for t in hit for asset in (t.assets[0], t.assets[1])]
    for trial in hit:
        assert batch.assets[trial.assets[0]].key == (trial.methods[0], trial.image_id)
        shown = np.asarray(Image.open(batch.image(trial.assets[0])))
        assert np.array_equal(shown, np.asarray(Image.open(tiny_run.image_file(trial.methods[0], trial.image_id))))
    batch = write_batch(tiny_run, "crn2017-timed", ["pix2pix"], "crn")
    with open(batch.public / "hits-01.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10 and list(rows[0])[:3] == ["image_A_url_1", "image_B_url_1", "time_1"]
    assert {rows[0][f"time_{n}"] for n in range(1, 23)} == {"125", "250", "500", "1000", "2000", "4000", "8000"}


def test_same_bytes_again_and_after_an_interruption(tiny_run):
    first = everything(write_batch(tiny_run, "crn2017-unlimited", None, "crn").folder)
    assert everything(write_batch(tiny_run, "crn2017-unlimited", None, "crn").folder) == first
    folder = tiny_run.study / "crn2017-unlimited"
    spec = folder / "secret" / "spec.json"
    for text, message in (("[1]", "a JSON object is expected"),
                          ('{"schema": 1}', "written by another version.*schema 1, this one has 4"),
                          (spec.read_text().replace('"seed": 0', '"seed": 1'), "changed after it was written")):
        spec.write_text(text)
        with pytest.raises(InputError, match=message):
            read_batch(folder)
    spec.unlink()
    with pytest.raises(InputError, match="no study batch"):
        read_batch(folder)
    next((folder / "public" / "images").iterdir()).unlink()
    assert everything(write_batch(tiny_run, "crn2017-unlimited", None, "crn").folder) == first
    other = write_batch(tiny_run, "crn2017-unlimited", None, "crn", out=tiny_run.path / "other")
    again = read_batch(folder)
    assert other.spec == again.spec and not set(other.assets) & set(again.assets)  # one design, names of its own
    assert other.key_file != again.key_file
    copy = tiny_run.path / "copy"
    shutil.copytree(folder, copy)
    assert read_batch(copy).key_file != again.key_file


@pytest.mark.parametrize("used", ["responses.csv", "secret/study.sqlite"])
def test_a_batch_in_use_is_not_replaced(tiny_run, used, capsys):
    batch = write_batch(tiny_run, "crn2017-unlimited", ["pix2pix"], "crn")
    (batch.folder / used).parent.mkdir(parents=True, exist_ok=True)
    (batch.folder / used).touch()
    before = everything(batch.folder)
    write_batch(tiny_run, "crn2017-unlimited", ["pix2pix"], "crn")  # the same one is fine
    with pytest.raises(StudyInUse, match=rf"{used}: .*rename .*crn2017-unlimited to keep it"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    job = Job.__new__(Job)
    job.preset, job.run = Preset(methods=list(METHODS)), tiny_run
    job.study()  # the main job prints that and goes on to the report
    assert "the study stays as it is" in capsys.readouterr().out
    assert everything(batch.folder) == before and not (tiny_run.path / "stages" / "study.json").exists()


def test_the_seed_is_the_runs_own(tiny_run):
    record = tiny_run.config()
    record["config"]["seed"] = 7
    write_json(tiny_run.path / "run.json", record)
    arguments = ["--run", str(tiny_run.path), "--protocol", "crn2017-unlimited"]
    for more, seed in (([], 7), (["--seed", "0"], 0)):
        main(["hits", *arguments, *more])
        assert read_batch(tiny_run.study / "crn2017-unlimited").spec["seed"] == seed
    args = parser().parse_args(["serve", *arguments, "--participants", "1"])
    assert batch_to_serve(tiny_run, args).spec["seed"] == 0  # as it was written


def test_an_edited_protocol_file_is_what_is_served(tiny_run, tmp_path):
    file = tmp_path / "pilot.yaml"
    file.write_text("extends: crn2017-unlimited\n")
    args = parser().parse_args(["serve", "--run", str(tiny_run.path), "--protocol", str(file)])
    first = batch_to_serve(tiny_run, args)
    kept = first.folder / "secret" / "spec.json"
    before = kept.stat().st_mtime_ns
    assert batch_to_serve(tiny_run, args).spec == first.spec and kept.stat().st_mtime_ns == before
    file.write_text("extends: crn2017-unlimited\ntexts: {en: {title: Pilot}}\n")
    assert batch_to_serve(tiny_run, args).protocol.text().title == "Pilot"


def test_hash_changes_with_one_byte_of_one_image(tiny_run):
    before = write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    file = tiny_run.image_file("pix2pix", "00003")
    image = np.array(Image.open(file))
    image[0, 0, 0] ^= 1
    write_png(file, image)
    after = write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    assert after.spec_sha256 != before.spec_sha256 and not set(after.assets) & set(before.assets)
    assert after.spec["images_sha256"]["pix2pix/00003"] == sha256(file)


@pytest.mark.parametrize("protocol", ["crn2017-unlimited", "crn2017-timed", "lab"])
def test_nothing_public_reveals_the_method(tiny_run, protocol):
    settings = ["test_trials=6", "practice=1", "sentinels=1"] if protocol == "lab" else []
    batch = write_batch(tiny_run, load_protocol(protocol, settings), None, "crn")
    forbidden = [*METHODS, *METHODS.values(), PHOTOS, BLURRED, "blurred", "anchor", "sentinel", batch.study_id,
                 batch.spec_sha256]
    sizes, formats = set(), set()
    for name, content in everything(batch.public).items():
        assert re.fullmatch(r"(images/[0-9a-f]{32}\.png|hits-\d\d\.csv|template\.html)", name)
        if name.endswith(".png"):
            sizes.add(len(content))
            formats.add(tuple(chunks(content)))
        else:
            text = (name + content.decode()).lower()
            for word in forbidden:
                assert not re.search(rf"(?<![a-z]){re.escape(word.lower())}(?![a-z])", text), word
    assert len(sizes) == 1  # the size of a file would distinguish a photograph from a smooth image
    assert len(formats) == 1 and set(*formats) == {b"IHDR", b"IDAT", b"paDd", b"IEND"}  # no metadata


def chunks(png: bytes):
    position = 8
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position:position + 8])
        yield kind
        position += length + 12


@pytest.mark.parametrize("arguments, message", [
    ({"methods": ["crm"]}, "no images of method 'crm'.*did you mean 'crn'"),
    ({"methods": ["crn"]}, "cannot be compared with itself"),
    ({"methods": []}, "at least two methods"),
    ({"methods": ["pix2pix", "pix2pix"]}, "listed twice"),
    ({"methods": ["pix2pix"], "baseline": "nix"}, "no images of method 'nix'"),
    ({"methods": ["pix2pix"], "anchor": "pix2pix"}, "cannot be the anchor.*blurred-photos"),
    ({"methods": ["photos"]}, "choose protocol lab"),
    ({"methods": None, "images_url": "http://example.org/x"}, "use https"),
    ({"methods": None, "images_url": 'https://e.org/"x'}, "without spaces, quotes"),
    ({"protocol": "crn2017-timed", "methods": ["image_space"]}, "under test, so it cannot be the anchor"),
    ({"protocol": "crn2017-timed", "methods": None, "anchor": "nix"}, "as the anchor.*--anchor"),
])
def test_refusals(tiny_run, arguments, message):
    arguments = {"protocol": "crn2017-unlimited", "baseline": "crn"} | arguments
    with pytest.raises(InputError, match=message) as error:
        write_batch(tiny_run, **arguments)
    assert "\n" not in str(error.value)


def test_unequal_missing_and_identical_images(tiny_run):
    file = tiny_run.image_file("pix2pix", "00002")
    content = file.read_bytes()
    Image.open(file).resize((32, 32)).save(file)
    with pytest.raises(InputError, match="32 x 32 pixels.*64 x 32"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    file.write_bytes(content[:200])
    with pytest.raises(InputError, match="broken or truncated"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    file.unlink()
    with pytest.raises(InputError, match="missing image of method 'pix2pix'"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    for layout in tiny_run.layouts():
        tiny_run.image_file("pix2pix", layout).write_bytes(tiny_run.image_file("crn", layout).read_bytes())
    with pytest.raises(InputError, match="have the same images"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")


def test_pictures_keep_their_shape_on_the_screen(tiny_run):
    lab = PROTOCOLS["lab"]
    assert [lab.fitted(shape).height for shape in ((64, 128), (96, 128), (256, 320))] == [200, 300, 320]
    assert lab.fitted((64, 128)).min_viewport == lab.min_viewport and lab.fitted((9, 9)).min_viewport == (900, 580)
    assert lab.fitted((64, 128)).sha256() == load_protocol("lab", ["height=200"]).sha256()  # the same study
    for height in (197, 203):
        assert load_protocol("lab", [f"height={height}"]).fitted((64, 128)).height == height
    with pytest.raises(InputError, match="128 x 96 pixels would be distorted at 400 x 200.*height=300"):
        load_protocol("lab", ["height=200"]).fitted((96, 128))
    for layout in tiny_run.layouts():
        for method in (PHOTOS, "crn", "pix2pix"):
            write_png(tiny_run.image_file(method, layout), np.random.default_rng(len(layout + method)).integers(
                0, 255, (48, 64, 3), dtype=np.uint8))
    settings = ["test_trials=2", "sentinels=1", "practice=0", "width=24", "hits=1"]
    batch = write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix"], "crn")
    assert batch.protocol.height == 18
    assert {(asset.width, asset.height) for asset in batch.assets.values()} == {(48, 36)}  # twice what is shown
    assert {Image.open(batch.image(asset)).size for asset in batch.assets} == {(48, 36)}
    write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix"], "crn")  # kept, not made again


def test_pictures_made_here():
    photo = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    assert blurred(photo).shape == photo.shape and blurred(photo).std() < photo.std() / 2
    left, right = (instruction_picture(text, (64, 128)) for text in ("Choose the\nLEFT", "Choose the\nRIGHT"))
    assert left.shape == (64, 128, 3) and not np.array_equal(left, right)


def test_names_follow_from_a_secret_and_differ_from_table_to_table(tiny_run):
    batch = write_batch(tiny_run, "crn2017-unlimited", None, "crn")
    public = [batch.spec_sha256, batch.study_id, batch.spec["protocol_sha256"]]
    guessed = {opaque(text.encode(), *parts, *name) for text in public for parts in ((), ("asset",)) for asset in
               batch.assets.values() for name in (asset.key, asset.name)}
    assert not guessed & set(batch.assets)
    by_table = {}
    for trials in batch.hits.values():
        for trial in trials:
            by_table.setdefault(trial.batch_id, set()).update((trial.assets[0], trial.assets[1]))
    assert len(by_table) == 3
    assert sum(map(len, by_table.values())) == len(set().union(*by_table.values()))  # no name is in two tables
    same = [asset for asset in batch.assets.values() if asset.key == ("crn", "00003")]
    assert len(same) > 1 and len({sha256(batch.image(asset.asset_id)) for asset in same}) == len(same)  # nor its hash
    assert len({Image.open(batch.image(asset.asset_id)).tobytes() for asset in same}) == 1
    identity = batch.secret / "identity"
    assert identity.stat().st_mode & 0o777 == 0o600 and batch.secret.stat().st_mode & 0o777 == 0o700
    identity.write_text("{}")
    with pytest.raises(InputError, match="identity: broken"):
        write_batch(tiny_run, "crn2017-unlimited", None, "crn")


def test_the_order_of_tables_does_not_reveal_the_method():
    hits = draw(load_protocol("crn2017-unlimited"), Cast("crn", tuple("abcdefgh"), UNDER_TEST), ["1", "2"], "s")
    found = [table_names(hits, secret) for secret in "12345"]
    assert {tuple(sorted(names.values())) for names in found} == {tuple(f"hits-{i:02d}" for i in range(1, 9))}
    assert len({names["a"] for names in found}) > 1 and found[0] == table_names(hits, "1")


def test_pictures_are_compressed_and_padded_to_one_length(tiny_run):
    smooth = np.full((200, 400, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, smooth.shape, dtype=np.uint8)
    for layout in tiny_run.layouts():
        for method, picture in ((PHOTOS, smooth), ("crn", smooth + int(layout)), ("pix2pix", smooth)):
            write_png(tiny_run.image_file(method, layout), picture.astype(np.uint8))
    settings = ["test_trials=2", "sentinels=1", "practice=0", "hits=1"]
    batch = write_batch(tiny_run, load_protocol("lab", settings), ["pix2pix"], "crn")
    sizes = {batch.image(asset).stat().st_size for asset in batch.assets}
    assert len(sizes) == 1 and sizes.pop() < smooth.size / 20  # instruction checks are longest here
    noisy, raw = io.BytesIO(), io.BytesIO()
    for picture, file in ((noise, noisy), (smooth, raw)):
        Image.fromarray(picture).save(file, "PNG")
    one = padded(raw.getvalue(), len(noisy.getvalue()) + 12, "name")
    assert len(one) == len(padded(noisy.getvalue(), len(noisy.getvalue()) + 12, "name"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(one))), smooth)
