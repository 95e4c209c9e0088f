"""Scoring a run: what is written, what is skipped, what is measured again."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from data.errors import InputError
from data.files import parse_yaml, write_json, write_png
from evaluation.cache.images import pixel_hash, read_images
from evaluation.metrics.cost import measure, write_cost
from evaluation.metrics.segmentation import confusion_matrices, statistics
from evaluation.metrics.work import Context, Work
from evaluation.networks.extractors import EXTRACTORS
from evaluation.run_directory import FLOOR, PHOTOS, Score, Value
from evaluation.scoring import METRICS, check_number, score_run, scored_inputs
from presets.schema import ExtractorConfig, ScoreConfig, validate

EVERYTHING = list(METRICS)


@pytest.fixture
def context(tiny_judge):
    return Context(tiny_judge, bootstrap=200)


def calls_of(judge):
    """Counts the images that the judge sees."""
    seen = []
    predict = judge.predict
    judge.predict = lambda images: seen.append(len(images)) or predict(images)
    return seen


def test_every_number_has_provenance_and_interval_and_a_second_call_writes_nothing(tiny_run, context, tiny_judge):
    score_run(tiny_run, context, EVERYTHING)
    scores = tiny_run.scores()
    assert {score.metric for score in scores} >= {"segmentation", "distances", "diversity", "similarity", "cost",
                                                  "differences", "agreement"}
    for score in scores:
        assert score.values and {"N", "interval", "versions", "dataset", "inputs"} <= set(score.provenance)
        for value in score.values:
            assert np.isfinite(value.value)
            assert value.interval or value.note, f"{score.metric} {value.name} is a bare number"
    segmentation = tiny_run.scores("segmentation")
    assert {score.method for score in segmentation} == {PHOTOS, "crn", "crn_diversity", "pix2pix", "image_space"}
    assert segmentation[0].provenance["judge"]["sha256"] == "ab" * 32
    assert list(segmentation[0].details["IoU per class"]) == ["road", "building", "car"]
    assert len(segmentation[0].per_image["mIoU"]) == 12
    assert "NaN" not in "".join(file.read_text() for file in tiny_run.score_files())  # which is no JSON
    seen = calls_of(tiny_judge)
    files = {file: file.stat().st_mtime_ns for file in tiny_run.path.rglob("*") if file.is_file()}
    score_run(tiny_run, context, EVERYTHING)
    assert seen == []
    assert files == {file: file.stat().st_mtime_ns for file in tiny_run.path.rglob("*") if file.is_file()}


def test_segmentation_is_the_judge_on_the_files(tiny_run, context, tiny_judge):
    context.options = ScoreConfig(metrics=["segmentation"])
    score_run(tiny_run, context)
    assert {score.metric for score in tiny_run.scores()} == {"segmentation"}
    names = tiny_run.layouts()
    photos = read_images([tiny_run.photo_file(name) for name in names], (32, 64))
    prediction = tiny_judge.predict(torch.from_numpy(photos)).numpy()
    truth = np.stack([tiny_run.layout(name) for name in names])
    expected = statistics(confusion_matrices(prediction, truth, 4))
    oracle = next(score for score in tiny_run.scores("segmentation") if score.method == PHOTOS)
    for name, statistic in expected.items():
        assert oracle.value(name).value == pytest.approx(statistic.value())


def test_the_floor_has_its_own_n_and_reasons_for_what_is_missing(tiny_run, context):
    photos, read = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 64), dtype=np.uint8), []
    context.train_photos = lambda indices: read.extend(indices) or photos[indices]
    write_json(tiny_run.dataset / "train.json", {"photo_sha256": [pixel_hash(photo) for photo in photos]})
    score_run(tiny_run, context, ["distances"])
    floor = next(score for score in tiny_run.scores("distances") if score.method == FLOOR)
    assert floor.provenance["N"] == 6 and "halves" in floor.provenance["floor"]
    assert floor.value("FD-judge").value > 0
    assert floor.value("FD-judge, train against val").value > floor.value("FD-judge").value
    assert all(score.method != PHOTOS for score in tiny_run.scores("distances"))
    assert len(set(read)) == len(read) == 12  # as many as there are layouts, and no more in memory
    crn = next(score for score in tiny_run.scores("distances") if score.method == "crn")
    assert (crn.provenance["kernel"]["subset size"], floor.provenance["kernel"]["subset size"]) == (6, 3)
    assert "kernel subsets of 6" in floor.provenance["train against val"]
    for trained, why in ((0, "not available"), (5, "5 training photographs are fewer than 12")):
        write_json(tiny_run.dataset / "train.json", {"photo_sha256": ["0" * 64] * trained})
        score_run(tiny_run, context, ["distances"])
        floor = next(score for score in tiny_run.scores("distances") if score.method == FLOOR)
        assert floor.value("FD-judge, train against val") is None and why in floor.provenance["train against val"]


def test_one_changed_image_is_measured_again_and_only_its_method(tiny_run, context, tiny_judge):
    """The engine's own cache, keyed by name, would return the stale value here."""
    score_run(tiny_run, context, ["segmentation", "distances"])
    before = {score.method: score.values for score in tiny_run.scores("distances")}
    seen, inputs = calls_of(tiny_judge), scored_inputs(tiny_run, context)
    write_png(tiny_run.image_file("crn", "00001"), np.zeros((32, 64, 3), np.uint8))
    assert scored_inputs(tiny_run, context) != inputs
    score_run(tiny_run, context, ["segmentation", "distances"])
    assert sum(seen) == 12
    after = {score.method: score.values for score in tiny_run.scores("distances")}
    assert {method for method in before if before[method] != after[method]} == {"crn"}


def test_another_judge_or_seed_is_not_served_from_the_cache(tiny_run, context, tiny_judge):
    score_run(tiny_run, context, ["segmentation"])
    first = tiny_run.scores("segmentation")[0]
    tiny_judge.head.bias.data += torch.tensor([5.0, 0, 0])
    tiny_judge.provenance = tiny_judge.provenance | {"sha256": "cd" * 32}
    score_run(tiny_run, context, ["segmentation"])
    second = tiny_run.scores("segmentation")[0]
    assert first.values != second.values
    context.seed = 1
    score_run(tiny_run, context, ["segmentation"])
    third = tiny_run.scores("segmentation")[0]
    assert third.value("mIoU").value == second.value("mIoU").value
    assert third.value("mIoU").interval != second.value("mIoU").interval


def files_of(run):
    return {str(file.relative_to(run.path / "scores")) for file in (run.path / "scores").glob("*/*.json")}


def test_scores_of_another_reference_and_of_people_no_longer_asked_are_deleted(tiny_run, context, tmp_path):
    preferences = [{"layout": "00001", "preferred": a, "other": b} for a, b in
                   (("crn", "pix2pix"), ("pix2pix", "image_space"), ("crn", "image_space"))]
    write_json(tmp_path / "people.json", preferences)
    context.options = ScoreConfig(metrics=["similarity", "differences", "agreement"],
                                  preferences=str(tmp_path / "people.json"))
    score_run(tiny_run, context)
    assert {"differences/pix2pix.json", "agreement/human-study.json"} <= files_of(tiny_run)
    context.options.preferences, context.baseline = None, "pix2pix"
    score_run(tiny_run, context)
    found = files_of(tiny_run)
    assert "differences/crn.json" in found
    assert not {"differences/pix2pix.json", "agreement/human-study.json"} & found


def test_scores_of_images_that_are_gone_are_deleted_whatever_is_scored(tiny_run, context):
    files = score_run(tiny_run, context, ["similarity", "differences", "distances"])
    assert {str(file.relative_to(tiny_run.path / "scores")) for file in files} == files_of(tiny_run)
    tiny_run.write_score(Score("similarity", "theirs", [Value("PSNR", 9.0)], {"merged from": "elsewhere"}))
    write_png(tiny_run.image_file("crn", "00001"), np.zeros((32, 64, 3), np.uint8))
    shutil.rmtree(tiny_run.method_folder("image_space"))
    score_run(tiny_run, context, ["distances"])
    assert files_of(tiny_run) == {"similarity/crn_diversity.json", "similarity/pix2pix.json", "similarity/theirs.json",
                                  "distances/crn.json", "distances/crn_diversity.json", "distances/pix2pix.json",
                                  f"distances/{FLOOR}.json"}


def test_overwritten_weights_are_another_input(tiny_run, tmp_path, tiny_judge):
    def write(value):
        save_file({"features.0.weight": torch.full((64, 3, 3, 3), value), "features.0.bias": torch.zeros(64)}, file)

    file = tmp_path / "vgg19.safetensors"
    write(1.0)
    options = ScoreConfig(metrics=["distances"], extractors=[ExtractorConfig(kind="vgg19", path=str(file))])
    inputs = scored_inputs(tiny_run, Context(options=options))
    assert scored_inputs(tiny_run, Context(options=options)) == inputs
    write(2.0)
    assert scored_inputs(tiny_run, Context(options=options)) != inputs


def test_all_networks_see_an_image_in_one_pass(tiny_run, context, monkeypatch):
    opened = []
    def counting(files, size):
        opened.extend(files)
        return read_images(files, size)
    monkeypatch.setattr("evaluation.cache.measurements.read_images", counting)
    work = Work(tiny_run, context)
    consumers = [consumer for metric in METRICS.values() for consumer in metric.consumers(work)]
    work.measurements.collect(work.measurements.rows(), consumers)
    assert len(consumers) > 4 and len(opened) == len(set(opened)) == 12 * (1 + 3 + 3)
    for consumer in consumers:
        work.measurements.get("crn", consumer)
    assert len(opened) == 12 * (1 + 3 + 3)


def test_scores_do_not_depend_on_batches_and_a_damaged_cache_is_made_again(tiny_run, context, monkeypatch):
    score_run(tiny_run, context, ["distances", "segmentation"])
    before = [score.values for score in tiny_run.scores()]
    for file in (tiny_run.path / "cache").rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    shutil.rmtree(tiny_run.path / "scores")
    monkeypatch.setattr("evaluation.cache.measurements.BATCH_PIXELS", 5 * 32 * 64)
    score_run(tiny_run, context, ["distances", "segmentation"])
    for one, other in zip(before, [score.values for score in tiny_run.scores()], strict=True):
        assert [v.value for v in one] == pytest.approx([v.value for v in other], rel=1e-4)


def test_unknown_metric_missing_judge_and_too_few_images(tiny_run, context):
    with pytest.raises(InputError, match="unknown metric 'segmentaton': did you mean 'segmentation'"):
        score_run(tiny_run, context, ["segmentaton"])
    with pytest.raises(InputError, match="need a judge"):
        score_run(tiny_run, Context(), ["segmentation"])
    with pytest.raises(InputError, match="at least 8 layouts, there are 4"):
        check_number(ScoreConfig(), 4)


def test_configurations_in_the_documentation_are_valid():
    text = (Path(__file__).parents[2] / "docs" / "scores.md").read_text()
    blocks = [parse_yaml(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    presets = [validate(block, "docs/scores.md") for block in blocks if {"judge", "score"} & set(block)]
    assert [preset.judge.source for preset in presets] == ["huggingface", "auto"]
    assert {config.kind for config in presets[1].score.extractors} <= set(EXTRACTORS)
    for name in EVERYTHING:
        assert f"| `{name}` |" in text


def test_cost_of_a_method(tiny_run, context):
    network = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 3, 1))
    cost = measure(network, torch.zeros(1, 4, 6, 6), repeats=2)
    assert cost.parameters == 4 * 8 * 9 + 8 + 8 * 3 + 3
    assert cost.flops == 2 * 36 * (4 * 8 * 9 + 8 * 3) and cost.seconds > 0
    write_cost(tiny_run, "crn", cost)
    score_run(tiny_run, context, ["cost"])
    scores = {score.method: score for score in tiny_run.scores("cost")}
    assert scores["crn"].value("FLOPs per image").value == cost.flops
    assert scores["crn"].provenance["threads"] == cost.threads
    assert "without reading pairs" in scores["crn"].provenance["training seconds"]
    assert scores["pix2pix"].value("FLOPs per image") is None and scores["pix2pix"].value("parameters").value == 1000


def test_a_network_that_gives_nan_is_named(tiny_run, context, tiny_judge):
    tiny_judge.features = lambda images: torch.full((len(images), 4), float("nan"))
    for metric in ("distances", "diversity"):
        with pytest.raises(InputError, match="extractor judge: its features hold NaN or infinity"):
            score_run(tiny_run, context, [metric])


def test_a_score_edited_by_hand_is_one_line_and_scoring_replaces_it(tiny_run, context, capsys):
    score_run(tiny_run, context, ["similarity"])
    file = tiny_run.score_file("similarity", "crn")
    before = file.read_text()
    for change in ({"value": float("nan")}, {"value": "0,5"}, {"interval": [0.1]}, {"interval": 3}, {"unknown": 1}):
        content = json.loads(before)
        content["values"][0] |= change
        file.write_text(json.dumps(content))
        with pytest.raises(InputError, match="crn.json: .*delete it, and score or merge again"):
            tiny_run.scores()
    score_run(tiny_run, context, ["similarity"])
    assert file.read_text() == before and "crn.json: damaged" in capsys.readouterr().out
