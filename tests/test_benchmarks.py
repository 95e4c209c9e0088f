"""The benchmarks: both ports of a step compute the same, counted work and intervals are right, tables say it."""

import subprocess
import sys
import tarfile

import pytest
import torch

from benchmarks import app_views, coverage, gpu_reference, runner, train_step
from benchmarks.laboratory.__main__ import protocol
from benchmarks.train_step import NAIVE, TimedStep, build, compare, counted_memory, counted_work, variants
from data.files import read_json, write_json
from evaluation.metrics.cost import flops
from evaluation.run import parser
from presets.schema import load_preset

TINY = ["data.size=[16, 32]", "generators.crn.widths=[8, 6, 4]", "perceptual.width=0.05", "training.batch=2"]


def test_the_runner_prints_a_table_and_writes_its_rows(tmp_path, capsys):
    rows = [{"row": "a", "ms": 1.23456, "rate": None}, {"row": "longer", "ms": 20, "rate": 0.5}, {"fault": "lost"}]
    code = runner.run("toy", "A toy.", lambda usage: usage.add_argument("--layouts"), lambda args: rows,
                      ["--layouts", "3", "--out", str(tmp_path / "toy.json")])
    assert code == 1  # a fault
    assert capsys.readouterr().out.split("\n\n", 1)[1] == (
        "row        ms  rate\na       1.235     -\nlonger     20   0.5\n\nfault\nlost\n")
    stored = read_json(tmp_path / "toy.json")
    assert stored["rows"] == rows and stored["options"] == {"layouts": "3"} and stored["machine"]["processor"]


def test_naive_port_and_harness_give_the_same_loss_and_gradients_and_a_wrong_port_does_not():
    preset = load_preset("street", TINY)
    naive, harness = (TimedStep(variant, preset, "crn", "cpu") for variant in variants("cpu")[:2])
    result = compare(naive, harness)
    assert result["fault"] is None and result["gradient differs by"] < result["tolerance"]
    wrong = TimedStep(NAIVE, preset, "crn", "cpu")
    wrong.method.generator.blocks[0].conv1[0].weight.data *= 1.1
    wrong.method.generator.to_images.weight.data *= 1.1
    assert compare(TimedStep(NAIVE, preset, "crn", "cpu"), wrong)["fault"]


def test_rows_of_a_training_step(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_step, "matrix_rate", lambda *_: 0.1)
    common = ["--preset", "smoke", "--device", "cpu", "--seconds", "0", "--set", *TINY]
    assert train_step.main([*common, "--methods", "crn,image_space", "--out", str(tmp_path / "table.json")]) == 0
    _, memory, check, naive, harness, cached, other = read_json(tmp_path / "table.json")["rows"]
    assert naive["row"] == "naive float32 port" and naive["row"] in capsys.readouterr().out
    assert memory["computed again"] < memory["activations MB"]
    assert check["fault"] is None and naive["x naive"] == 1 and other["TFLOP"] is None
    assert cached["TFLOP"] < harness["TFLOP"] == naive["TFLOP"] and all(r["saved MB"] > 0 for r in (naive, harness))
    assert harness["images/s"] == pytest.approx(2e3 / harness["ms"])
    assert harness["TFLOP/s"] == pytest.approx(harness["TFLOP"] / harness["ms"] * 1e3)
    with pytest.raises(SystemExit):
        train_step.main([*common, "--rows", "hoarness"])
    assert "--rows hoarness: no such row; known: naive float32 port;" in capsys.readouterr().err


def test_cached_features_are_no_work_and_every_image_of_a_layout_is():
    preset, photo = load_preset("street", TINY), torch.empty(2, 3, 16, 32, device="meta")
    with torch.device("meta"):
        network = build(preset, "crn").objective.networks()["perceptual"]
    looking = flops(lambda: network(photo)) / 1e12
    whole, cached = (counted_work(preset, "crn", cached_photo=cached) for cached in (False, True))
    assert whole - cached == pytest.approx(looking) and looking > 0
    one, two = (counted_work(load_preset("street", [*TINY, f"objectives.diversity.k={k}"]), "crn_diversity")
                for k in (1, 2))
    assert one == pytest.approx(whole) and two > one


def test_counted_memory_grows_with_size_and_batch():
    def counted(*settings, again=False):
        return counted_memory(load_preset("street", settings, TINY), "crn", again)

    two, one = counted(), counted("training.batch=1")
    assert two["activations MB"] == pytest.approx(2 * one["activations MB"], rel=0.02)
    assert two["weights and optimiser"] == one["weights and optimiser"]
    large = counted("data.size=[32, 64]", "generators.crn.widths=[8, 6, 4, 4]")
    assert large["activations MB"] > 2 * two["activations MB"]
    assert counted(again=True)["activations MB"] < two["activations MB"]
    last = counted("training.start_from=elsewhere", "training.trainable=1")
    assert last["activations MB"] < two["activations MB"]


def test_rows_follow_the_preset_s_training():
    settings = ["training.start_from=elsewhere", "training.trainable=1", "training.accumulate=2"]
    row = TimedStep(variants("cpu")[1], load_preset("street", [*TINY, *settings]), "crn", "cpu")
    row()
    generator = row.method.generator
    learning = [*generator.blocks[-1].parameters(), *generator.to_images.parameters()]
    assert len(row.parts) == 2 and len(row.gradient()) == sum(p.numel() for p in learning)


def test_coverage_of_intervals_with_known_truth(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(coverage, "SIMULATIONS", [
        (coverage.means, 30), (coverage.distances(40, 4, 1.0, (0.0, 0.0)), 1), (coverage.films(100, 0.97), 5),
        (coverage.seeds, 100), (coverage.leaders(8, 3, 1.0, "equal"), 20), (coverage.orders, 5)])
    coverage.main(["--repetitions", "4", "--out", str(tmp_path / "rows.json")])
    rows = {row["number"]: row for row in read_json(tmp_path / "rows.json")["rows"]}
    assert {"FD", "KD, own photograph left out", "recall", "coverage", "tau"} <= set(rows)
    assert rows["mean of images"]["covered"] > 0.85 and rows["mean of images"]["false positives"] < 0.12
    assert rows["mean over training seeds"]["covered"] == pytest.approx(0.95, abs=0.04)
    assert rows["settled leader"]["false positives"] < 0.1 and rows["one more training"]["covered"] > 0.9
    assert rows["mean of frames"]["without p"] == 1 and rows["mean of frames"]["without interval"] > 0


def test_a_fabricated_run_takes_the_disk_of_a_few_pictures(tmp_path):
    run = app_views.fabricate(tmp_path / "run", layouts=8, methods=2, size=(64, 128))
    assert len(run.layouts()) == 8 and [m.name for m in run.methods()] == ["method_00", "method_01"]
    assert len(run.scores("segmentation")[0].per_image["mIoU"]) == 8
    files = [file.stat() for file in run.path.rglob("*.png")]
    assert len(files) == 8 * 4 + 2 * app_views.DIFFERENT
    assert len({file.st_ino for file in files}) == 2 * app_views.DIFFERENT
    assert run.layout("00003").shape == (64, 128)


@pytest.fixture
def session(tmp_path):
    """Without its work done."""
    class Options:
        data = perceptual = squeezenet = tmp_path
        work, minutes = tmp_path / "work", 8
    found = gpu_reference.GPUSession(Options)
    rows = [{"method": method, "images/s": 400.0} for method in gpu_reference.METHODS]
    write_json(tmp_path / "work" / "steps" / f"{gpu_reference.PROBE}.json", {"rows": [{"TFLOP/s": 1.0}, *rows]})
    return found


def test_its_commands_are_commands_of_the_suite_on_files_that_exist(session, tmp_path, capsys):
    for arguments, _ in gpu_reference.STEPS.values():
        load_preset(arguments[arguments.index("--preset") + 1])
    args = parser().parse_args(session.command(0, gpu_reference.METHODS, 1101, "train"))
    preset = load_preset(args.preset, args.settings)
    assert set(args.methods.split(",")) == set(preset.methods) > set(gpu_reference.MORE_SEEDS)
    assert preset.training.images_seen == 1101 and [e.kind for e in preset.score.extractors] == ["squeezenet", "judge"]
    with pytest.raises(SystemExit):
        gpu_reference.main(["--data", str(tmp_path / "camvid"), "--perceptual", "a", "--squeezenet", "b", "--work",
                            str(tmp_path / "elsewhere")])
    assert f"--data {tmp_path / 'camvid'}: no such file or folder" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_the_budget_follows_the_measured_steps(session, monkeypatch):
    monkeypatch.setattr(session, "left", lambda: 300.0)
    # twelve trainings at 400 images a second, a quarter more for sharing the GPU, in whole multiples of three epochs
    assert session.images_seen() == 300 * 400 * 1.25 // 12 // 1101 * 1101
    monkeypatch.setattr(session, "left", lambda: 3.0)
    assert session.images_seen() == 300 * 400 * 1.25 // 12 // 1101 * 1101  # fixed by the first call


def test_seeds_are_trained_while_there_is_time_and_collected(session, monkeypatch):
    started, left = [], iter([300.0, 300.0, 90.0, *[5.0] * 9])
    monkeypatch.setattr(session, "left", lambda: next(left))

    def start(name, module, *arguments):
        started.append(name)
        if name.startswith("train"):
            methods = arguments[arguments.index("--methods") + 1].split(",")
            for method in methods:
                write_json(session.run_folder(int(name[-1])) / "methods" / method / "method.json", {})
            write_json(session.run_folder(int(name[-1])) / "scores" / "cost.json", {})
        if name == "reference":
            write_json(session.work / "reference" / "reference.json", {})
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(session, "start", start)
    session.trainings(1101)
    session.collect()
    assert started == ["train-0", "evaluate-0", "train-1", "evaluate-1", "reference"]
    with tarfile.open(session.work / "reference.tar.gz") as tar:
        assert "reference/reference.json" in tar.getnames()
    assert {row["outcome"] for row in session.rows} == {"done"}


def test_a_process_beyond_its_time_is_stopped_and_a_failure_is_quoted(session):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert not session.finish("sleep", process, 0.2) and process.returncode is not None
    log = session.work / "logs" / "bad.txt"
    log.parent.mkdir(parents=True)
    log.write_text("first\nthe last line\n", encoding="utf-8")
    assert not session.finish("bad", subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]), 30)
    assert [row["outcome"] for row in session.rows] == ["stopped, its time was up", "exit code 3 (the last line)"]


def test_the_laboratory_s_protocol_is_one(tmp_path):
    from human_study.protocol.protocols import load_protocol
    write_json(tmp_path / "laboratory.yaml", protocol(12))
    assert load_protocol(str(tmp_path / "laboratory.yaml")).test_trials == 8
