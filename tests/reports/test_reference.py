"""Reference results: their files, the comparison with a run, and errors."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.files import read_image, write_json, write_png
from evaluation.run_directory import RunDirectory
from reports import compare as comparing
from reports import reference as references
from reports.compare import compare
from reports.reference import load_reference, matching_reference, write_reference
from tests.conftest import add_scores, make_run


def altered(run: RunDirectory, folder, seed: int, shift: float = 0.0) -> RunDirectory:
    """A copy of a run with another training seed, its scores moved."""
    shutil.copytree(run.path, folder)
    copy = RunDirectory(folder)
    record = copy.config()
    record["config"]["seed"] = seed
    write_json(folder / "run.json", record)
    for score in copy.scores():
        score.values = [replace(value, value=value.value + shift,
                                interval=tuple(end + shift for end in value.interval)) for value in score.values]
        copy.write_score(score)
    return copy


def blocks(image):
    """Means of 8x8 pixels."""
    height, width, _ = image.shape
    return image.reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[RunDirectory]:
    folder = tmp_path_factory.mktemp("runs")
    first = make_run(folder / "first")
    add_scores(first)
    return [first, altered(first, folder / "second", 1, 0.03), altered(first, folder / "third", 2, -0.03)]


@pytest.fixture(scope="module")
def reference(runs, tmp_path_factory):
    return load_reference(write_reference(runs, tmp_path_factory.mktemp("references") / "made"))


def test_a_reference_holds_what_was_found_and_no_photograph(reference, runs):
    assert [training.seed for training in reference.trainings] == [0, 1, 2] and reference.about["pictures"]["N"] == 12
    assert [m.name for m in reference.methods] == [m.name for m in runs[0].methods()]
    assert reference.trainings.values("segmentation", "mIoU")["crn"] == pytest.approx([0.7, 0.73, 0.67])
    kept = {file.name for file in reference.folder.glob("previews/*/*")}
    assert kept == {"crn", "crn_diversity", "pix2pix", "image_space"}
    layouts = runs[0].layouts()
    for layout, file in reference.previews("crn").items():
        shown = np.asarray(Image.open(file), int)
        own = read_image(runs[0].image_file("crn", layout)).astype(int)
        assert layout in layouts and abs(blocks(shown) - blocks(own)).mean() < 4  # pixel noise is lost in JPEG
    assert len(reference.previews("crn")) == 6 and not list(reference.folder.glob("**/photos/*"))


def test_an_equal_run_finds_what_the_reference_found(reference, runs, capsys):
    assert comparing.main([str(runs[0].path), str(reference.folder)]) == 0
    shown = capsys.readouterr().out
    assert shown == ("0 of 12 values are beyond the 95 % prediction intervals of the reference results made "
                     "(3 trainings); about 1 would be by chance. No difference is beyond chance.\n")


def test_a_run_beyond_the_prediction_of_the_seeds(reference, runs, tmp_path, capsys):
    near, far = (altered(runs[0], tmp_path / str(shift), 3, shift) for shift in (0.1, 3.0))
    assert not [row for row in compare(near, reference).rows if row.method == "crn" and row.verdict != "within"]
    rows = {(row.method, row.own.name): row for row in compare(far, reference).rows}
    assert rows["crn", "mIoU"].verdict == "higher" and rows["crn", "mIoU"].better == "better"
    file = tmp_path / "table.csv"
    comparing.main([str(far.path), str(reference.folder), "--table", "--csv", str(file)])
    shown = capsys.readouterr().out
    assert "CRN, mIoU: 3.700 here, 0.700 [0.551, 0.849] in the reference (better)" in shown
    assert "Photographs (oracle), mIoU: " in shown and "photographs must be equal" in shown
    assert len(file.read_text().splitlines()) == 16


def test_one_training_of_a_reference_gives_no_verdict(runs, tmp_path, capsys):
    comparing.main([str(runs[1].path), str(write_reference(runs[:1], tmp_path / "single"))])
    assert "Too few trainings for an interval in the reference results single (1 training): no verdict" \
        in capsys.readouterr().out


def test_what_cannot_be_compared_is_refused(reference, runs, tmp_path, capsys):
    other = altered(runs[0], tmp_path / "other", 0)
    write_png(other.photo_file("00003"), 255 - read_image(other.photo_file("00003")))
    with pytest.raises(InputError, match="cannot be compared with the reference made: other photographs"):
        compare(other, reference)
    with pytest.raises(InputError, match=r"other size \(\[16, 32\] here, \[32, 64\] there\)"):
        compare(make_run(tmp_path / "small", 12, (16, 32)), reference)
    with pytest.raises(InputError, match="other number of layouts .5 here, 12 there"):
        compare(make_run(tmp_path / "few", 5), reference)
    with pytest.raises(InputError, match="no scores to compare"):
        compare(make_run(tmp_path / "unscored"), reference)
    with pytest.raises(SystemExit):
        comparing.main([str(runs[0].path), "nowhere"])
    assert "nowhere: no reference" in capsys.readouterr().err


def test_another_judge_is_said_and_the_rest_compared(reference, runs, tmp_path):
    other = altered(runs[0], tmp_path / "other", 0)
    for score in other.scores("segmentation"):
        score.provenance["judge"] = "mine"
        other.write_score(score)
    found = compare(other, reference)
    assert {row.metric for row in found.rows} == {"distances"}
    assert [line for line in found.left_out if line.startswith("segmentation of") and "another judge" in line]
    for score in other.scores("distances"):
        score.provenance["extractor"] = "mine"
        other.write_score(score)
    with pytest.raises(InputError, match="nothing can be compared with the reference made: .*differently .extractor"):
        compare(other, reference)


def on_two_extractors(run: RunDirectory, folder, judge: str, shift: float, seed: int = 0) -> RunDirectory:
    """A copy whose CRN has a distance of tens of thousands on SqueezeNet beside the one on its own judge."""
    copy = altered(run, folder, seed)
    score = next(score for score in copy.scores("distances") if score.method == "crn")
    value = score.values[0]
    score.values.append(replace(value, features="SqueezeNet", value=20000 + shift, interval=None))
    score.provenance["extractors"] = {"judge": {"sha256": judge}, "SqueezeNet": {"sha256": "the same"}}
    copy.write_score(score)
    return copy


def test_features_that_both_have_are_compared(runs, tmp_path, capsys):
    others = [on_two_extractors(runs[seed], tmp_path / str(seed), str(seed), 10 * seed, seed) for seed in (0, 1, 2)]
    made = write_reference(others, tmp_path / "made")
    own = on_two_extractors(runs[0], tmp_path / "own", "mine", 25)
    rows = {row.own.name: row for row in compare(own, load_reference(made)).rows if row.method == "crn"}
    assert "FD-judge" not in rows
    found = rows["FD-SqueezeNet"]
    assert (found.reference, found.verdict) == (20010, "within")
    comparing.main([str(own.path), str(made), "--table"])
    shown = capsys.readouterr().out
    assert "20025" in shown and "20010 [19960, 20060]" in shown and "distances of CRN: other features (judge)" in shown


def test_methods_and_settings_that_differ_are_named(reference, runs, tmp_path):
    other = altered(runs[0], tmp_path / "other", 0)
    record = other.config()
    record["config"]["data"]["dataset"] = "mine"
    write_json(other.path / "run.json", record)
    for file in other.path.glob("scores/*/pix2pix.json"):
        file.unlink()
    found = compare(other, reference)
    assert "pix2pix: not in this run" in found.left_out
    assert found.settings == ["data.dataset: 'mine' here, 'street' in the reference"]


def test_runs_of_one_reference_differ_in_the_seed_alone(runs, tmp_path):
    other = altered(runs[0], tmp_path / "other", 2, 0.01)
    record = other.config()
    record["config"]["data"]["size"] = [1, 2]
    write_json(other.path / "run.json", record)
    with pytest.raises(InputError, match="data.size differs from .*; only the seed and the budget may differ"):
        write_reference([runs[0], other], tmp_path / "reference")


def test_the_matching_reference_is_found_by_pictures(reference, runs, tmp_path, monkeypatch):
    assert matching_reference(make_run(tmp_path / "street", 3)) is None
    monkeypatch.setattr(references, "FOLDER", reference.folder.parent)
    assert matching_reference(runs[1]).name == "made" and load_reference("made").about == reference.about
    assert matching_reference(make_run(tmp_path / "few", 5)) is None


def test_a_reference_too_large_to_be_committed(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(references, "LIMIT", 1000)
    with pytest.raises(InputError, match="MB; the limit for a reference is 0 MB"):
        write_reference(runs[:1], tmp_path / "large")
