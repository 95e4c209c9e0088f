"""The rehearsal of the command for a GPU: every phase on a CPU at tiny size, what comes back, going on, and limits."""

import dataclasses
import importlib
import io
import subprocess
import sys
import tarfile
from contextlib import redirect_stderr
from types import SimpleNamespace

import pytest
from PIL import Image

from benchmarks.gpu_reference import __main__ as gpu_reference
from benchmarks.gpu_reference.plan import FULL, METHODS, TINY
from benchmarks.precision_curves import compare
from data.files import read_json, write_json
from presets.schema import load_preset
from reports.reference import load_reference

CALLS = []


class Here:
    """A process of this process: modules are imported already, which is most of the time of a tiny call."""

    def __init__(self, module, arguments, log):
        CALLS.append((module, arguments))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.code = importlib.import_module(module).main(list(arguments)) or 0

    def wait(self, timeout):
        return self.code


class AtOnce:
    """A thread that has done its work when it is started: Fabric allows one training at a time in a process."""

    def __init__(self, target, args=(), **options):
        self.target, self.args = target, args

    def start(self):
        self.target(*self.args)

    def join(self, timeout=None):
        pass

    def is_alive(self):
        return False


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """The folder of one call, and what a second one started."""
    out = tmp_path_factory.mktemp("gpu") / "out"
    patch = pytest.MonkeyPatch()
    patch.setattr(gpu_reference, "TINY", dataclasses.replace(TINY, jobs=0))
    patch.setattr(gpu_reference.Reference, "start",
                  lambda self, name, module, *arguments: Here(module, arguments, self.work / "logs" / f"{name}.txt"))
    patch.setattr(gpu_reference, "threading", SimpleNamespace(Thread=AtOnce))
    arguments = ["--tiny", "--device", "cpu", "--minutes", "9", "--out", str(out)]
    assert gpu_reference.main(arguments) == 0
    first = list(CALLS)
    CALLS.clear()
    (out / "work" / "seed-0" / "methods" / "crn" / "checkpoint.pt").touch()
    stamp = (out / "work" / "seed-0" / "methods" / "crn" / "log.csv").read_bytes()
    assert gpu_reference.main(arguments) == 0
    patch.undo()
    return out, first, list(CALLS), stamp


def names(file):
    with tarfile.open(file) as tar:
        return tar.getnames()


def test_everything_comes_back_small(rehearsed):
    out, _, _, _ = rehearsed
    files = {file.name: file.stat().st_size for file in out.iterdir() if file.is_file()}
    assert set(files) == {"summary.txt", "runs.tar.gz", "measurements.tar.gz", "reference.tar.gz", "photographs.tar.gz"}
    assert max(files.values()) < 16 * 2**20
    assert "seed-1/scores/distances/crn.json" in names(out / "runs.tar.gz")
    assert {"benchmarks/train_step_small.json", "memorise/memorise.json", "precision/precision_curves.json",
            "plan.json"} <= set(names(out / "measurements.tar.gz"))
    assert set(names(out / "photographs.tar.gz")) == {"memorise/memorise.png", "sheet.png"}
    shown = [name for name in names(out / "reference.tar.gz") + names(out / "runs.tar.gz") if name.endswith(".png")]
    assert shown == []  # no photographs and no layouts but in the archive that says so
    summary = (out / "summary.txt").read_text()
    assert all(words in summary for words in ("naive float32 port", "memorised, crn", "bf16 over float32", "seed 1",
                                              "FD-judge"))


def test_it_makes_a_reference_of_both_seeds(rehearsed):
    found = load_reference(rehearsed[0] / "work" / "reference")
    assert found.about["seeds"] == [0, 1] and {m.name for m in found.methods} == {"crn", "image_space"}
    assert {row["method"] for row in found.seeds} >= {"crn", "image_space"}
    assert not any("path=" in text for file in found.folder.glob("measurements/*.json")
                   for text in read_json(file).get("settings", []))
    picture = next(iter(found.previews("crn").values()))
    assert Image.open(picture).size == (64, 32)


def test_all_trainings_see_the_same_number_of_images(rehearsed):
    work = rehearsed[0] / "work"
    seen = {read_json(file)["images_seen"] for file in work.glob("seed-*/methods/*/method.json")}
    assert seen == {read_json(work / "plan.json")["images_seen"]}


def test_a_second_call_repeats_nothing(rehearsed):
    out, first, second, log = rehearsed
    modules = [module for module, _ in second]
    assert "benchmarks.gpu_reference.benches" in [module for module, _ in first]
    assert not {"benchmarks.gpu_reference.benches", "benchmarks.memorise", "benchmarks.precision_curves"} & set(modules)
    assert (out / "work" / "seed-0" / "methods" / "crn" / "log.csv").read_bytes() == log


def test_the_budget_follows_the_measured_steps(tmp_path):
    args = gpu_reference.parser().parse_args(["--out", str(tmp_path), "--minutes", "8"])
    reference = gpu_reference.Reference(args, FULL)
    rows = {method: {"rows": [{"images_per_s": 400.0}]} for method in METHODS}
    write_json(tmp_path / "work" / "benchmarks" / "train_step_camvid_reference_cuda.json", {"methods": rows})
    # twelve trainings at 400 images a second, a quarter more for sharing the GPU, in epochs of three times 367
    assert reference.images_seen(300.0) == 300 * 400 * 1.25 // 12 // 1101 * 1101
    assert reference.images_seen(3.0) == reference.images_seen(300.0)  # fixed by the first call


def test_a_process_beyond_its_time_is_stopped_and_that_is_said(tmp_path):
    args = gpu_reference.parser().parse_args(["--out", str(tmp_path)])
    reference = gpu_reference.Reference(args, TINY)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert not reference.finish("sleep", process, 0.2)
    assert process.returncode is not None and "sleep: stopped after" in reference.lines[0]
    log = tmp_path / "work" / "logs" / "bad.txt"
    log.parent.mkdir(parents=True)
    log.write_text("first\nthe last words\n")
    assert not reference.finish("bad", subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]), 30)
    assert "bad: failed with exit code 3 (the last words)" in reference.lines[1]


def test_what_is_missing_is_told_before_any_time_is_spent(tmp_path):
    errors = io.StringIO()
    with redirect_stderr(errors), pytest.raises(SystemExit):
        gpu_reference.main(["--out", str(tmp_path / "out")])
    assert "--data is missing" in errors.getvalue() and not (tmp_path / "out").exists()


def test_the_plan_names_presets_and_rows_that_exist():
    for bench in (*FULL.benches, *FULL.compiled):
        load_preset(bench.arguments[bench.arguments.index("--preset") + 1])
    assert set(FULL.seeds) < set(FULL.methods) == set(load_preset(FULL.preset).methods)


def test_curves_are_compared_at_their_end():
    found = compare({"float32": [8.0, 4, 2, 2], "bf16": [8.0, 4, 2, 2.1]})
    assert found["bf16 over float32, last quarter"] == pytest.approx(1.05)
    assert found["largest gap of a window"] == pytest.approx(0.05) and found["fall in float32"] == 0.75
