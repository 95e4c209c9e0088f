"""The training benchmark: both ports compute the same, every row is measured, tables hold what they say."""

import json
import weakref
from types import SimpleNamespace

import pytest
import torch

from benchmarks import app_views, coverage, memory_growth, train_step
from benchmarks.train_step import NAIVE, Row, build, compare, counted_work, variants
from evaluation.metrics.cost import flops
from presets.schema import load_preset

TINY = ["data.size=[16, 32]", "generators.crn.widths=[8, 6, 4]", "perceptual.width=0.05"]


def test_naive_port_and_harness_give_the_same_loss_and_gradients():
    preset = load_preset("street", TINY)
    for variant in variants("cpu"):
        naive = Row(NAIVE, preset, "crn", 2, "cpu")
        result = compare(naive, Row(variant, preset, "crn", 2, "cpu"))
        assert result["same"] and result["gradient_relative_difference"] < result["tolerance"], variant.name


def test_a_wrong_port_is_noticed():
    preset = load_preset("street", TINY)
    other = Row(NAIVE, preset, "crn", 2, "cpu")
    other.method.generator.blocks[0].conv1[0].weight.data *= 1.1
    other.method.generator.to_images.weight.data *= 1.1
    assert not compare(Row(NAIVE, preset, "crn", 2, "cpu"), other)["same"]


def test_table_and_json_of_the_command(tmp_path, capsys):
    out = tmp_path / "table.json"
    code = train_step.main(["--preset", "smoke", "--size", "16", "32", "--batch", "2", "--methods", "crn,image_space",
                            "--device", "cpu", "--threads", "1", "--seconds", "0.1", "--out", str(out)])
    shown, stored = capsys.readouterr().out, json.loads(out.read_text())
    assert code == 0 and "naive float32 port" in shown and stored["machine"]["name"] in shown
    rows = stored["methods"]["crn"]["rows"]
    assert len(rows) >= 7 and all(row["ms"] > 0 and row["saved_mb"] > 0 for row in rows)
    work = stored["methods"]["crn"]["tflop_per_step"]
    for row in rows:
        assert row["tflop_per_step"] < work if row["cached_photo"] else row["tflop_per_step"] == work
        assert row["tflop_per_s"] == pytest.approx(row["tflop_per_step"] / row["ms"] * 1e3)
        assert row["images_per_s"] == pytest.approx(2e3 / row["ms"])
    assert rows[0]["times_naive"] == 1


def test_some_rows_alone(tmp_path, capsys):
    out = tmp_path / "table.json"
    common = ["--preset", "smoke", "--size", "16", "32", "--batch", "2", "--device", "cpu", "--seconds", "0.1"]
    assert train_step.main([*common, "--rows", "harness", "--set", "training.activation_checkpointing=true",
                            "--out", str(out)]) == 0
    stored = json.loads(out.read_text())
    rows = stored["methods"]["crn"]["rows"]
    assert [row["name"] for row in rows] == ["harness: all of them", "harness, photo features cached"]
    assert "times_naive" not in rows[0] and stored["settings"] == ["training.activation_checkpointing=true"]
    with pytest.raises(SystemExit):
        train_step.main([*common, "--rows", "hoarness"])
    assert "--rows hoarness: no row is called so; there are naive float32 port;" in capsys.readouterr().err


def test_cached_features_are_no_work():
    preset = load_preset("street", TINY)
    with torch.device("meta"):
        network, photo = build(preset, "crn").objective.networks()["perceptual"], torch.empty(2, 3, 16, 32)
    looking = flops(lambda: network(photo)) / 1e12
    whole, cached = (counted_work(preset, "crn", 2, cached_photo=cached) for cached in (False, True))
    assert whole - cached == pytest.approx(looking) and looking > 0


def test_the_work_of_several_images_per_layout_is_counted():
    one, two = (counted_work(load_preset("street", [*TINY, f"objectives.diversity.k={k}"]), "crn_diversity", 2)
                for k in (1, 2))
    assert one == pytest.approx(counted_work(load_preset("street", TINY), "crn", 2)) and two > one


def test_memory_is_measured_while_no_other_row_is_there(monkeypatch):
    alive, measured = weakref.WeakSet(), []

    class Counted(Row):
        def __init__(self, *args):
            super().__init__(*args)
            alive.add(self)

        def memory(self):
            measured.append(len(alive))
            return super().memory()
    monkeypatch.setattr(train_step, "Row", Counted)
    args = SimpleNamespace(batch=1, seconds=0.0, compile=[], rows=[], clock="wall")
    rows = train_step.bench_method(load_preset("street", TINY), "crn", args, "cpu", 1.0)["rows"]
    assert measured == [1] * len(rows)


def test_rows_follow_the_preset_s_training():
    settings = ["training.start_from=elsewhere", "training.trainable=1", "training.accumulate=2"]
    harness = next(v for v in variants("cpu") if v.name.startswith("harness"))
    row = Row(harness, load_preset("street", [*TINY, *settings]), "crn", 2, "cpu")
    row()
    generator = row.method.generator
    learning = [*generator.blocks[-1].parameters(), *generator.to_images.parameters()]
    assert len(row.parts) == 2 and len(row.gradient()) == sum(p.numel() for p in learning)
    kept = {again: Row(harness, load_preset("street", [*TINY, f"training.activation_checkpointing={again}"]), "crn", 2,
                       "cpu").memory()["saved_mb"] for again in (True, False)}
    assert kept[True] < kept[False]


def test_growth_with_resolution_and_batch(capsys):
    small, large = (memory_growth.count(memory_growth.sized(rows, 0.05), 1) for rows in (32, 64))
    both = memory_growth.count(memory_growth.sized(32, 0.05), 2)
    last = memory_growth.count(memory_growth.sized(32, 0.05, trainable=2), 1)
    assert all(last[key] < small[key] for key in ("tflop", "activations_mb", "weights_and_optimiser_mb"))
    assert both["tflop"] == pytest.approx(2 * small["tflop"])
    assert both["activations_mb"] == pytest.approx(2 * small["activations_mb"], rel=0.02)
    assert large["activations_mb"] > 2 * small["activations_mb"]
    assert small["activations_computed_again_mb"] < small["activations_mb"]
    assert memory_growth.main(["--rows", "32", "--batch", "1", "2", "--width", "0.05", "--seconds", "0.1",
                               "--device", "cpu"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_rows_that_are_no_grid_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        memory_growth.main(["--rows", "100", "--count"])
    assert stop.value.code == 2 and "4 doubled at most 8 times" in capsys.readouterr().err


def test_coverage_of_intervals_with_known_truth(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(coverage, "SIMULATIONS", [(coverage.means, 30), (coverage.distances(40, 4, 1.0, (0.0, 0.0)), 1),
                                                  (coverage.films(100, 0.97), 5), (coverage.seeds, 100),
                                                  (coverage.orders, 5)])
    coverage.main(["--quick", "--out", str(tmp_path / "rows.json")])
    rows = {row["number"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    assert {"FD", "KD, own photograph left out", "recall", "coverage", "tau"} <= set(rows) <= set(
        line[:28].strip() for line in capsys.readouterr().out.splitlines())
    assert rows["mean of images"]["covered"] > 0.85 and rows["mean of images"]["false positives"] < 0.12
    assert rows["mean over training seeds"]["covered"] == pytest.approx(0.95, abs=0.04)
    assert rows["mean of frames"]["without p"] == 1 and rows["mean of frames"]["without interval"] > 0


def test_a_fabricated_run_takes_the_disk_of_a_few_pictures(tmp_path):
    run = app_views.fabricate(tmp_path / "run", layouts=8, methods=2, size=(64, 128))
    assert len(run.layouts()) == 8 and [m.name for m in run.methods()] == ["method_00", "method_01"]
    assert len(run.scores("segmentation")[0].per_image["mIoU"]) == 8
    files = [file.stat() for file in run.path.rglob("*.png")]
    assert len(files) == 8 * 4 + 2 * app_views.DIFFERENT
    assert len({file.st_ino for file in files}) == 2 * app_views.DIFFERENT
    assert run.layout("00003").shape == (64, 128)


def test_the_table_of_the_views_has_every_ratio():
    found = {"first_ms": 900.0, "next_after_a_pause_ms": 30.0, "next_at_once_ms": 200.0, "websocket_kb_per_step": 37.0,
             "plain_pictures_ms": 100.0, "streamlit_alone_ms": 600.0}
    shown = app_views.text({"methods": {3: found}, "server_mb": {"before": 300.0}})
    assert [line.split()[-1] for line in shown.splitlines()[1:4]] == ["1.50", "0.30", "2.00"]
