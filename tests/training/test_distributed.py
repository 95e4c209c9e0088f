"""Two processes over gloo: the result of one, shared work, and one message when a process is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.files import read_image
from evaluation.pipeline.dataset import write_dataset
from evaluation.pipeline.synthesis import synthesize
from evaluation.run_directory import RunDirectory
from presets.schema import load_preset
from training import checkpoint
from training.harness import CHECKPOINT
from training.suite import Suite

ROOT = Path(__file__).resolve().parents[2]
PRESET = {
    "methods": ["crn"], "device": "cpu",
    "data": {"dataset": "street", "size": [32, 64], "train": 16, "val": 20},
    "perceptual": {"source": "trained", "width": 0.04, "images_seen": 8},
    "generators": {"crn": {"widths": [8, 6, 4, 4]}},
    "objectives": {"content": {"calibrate_at": 2}},
    "training": {"images_seen": 24, "batch": 4, "lr": 1e-4, "precision": "float32", "log_every": 2,
                 "checkpoint_seconds": 0.0, "group_timeout": 60.0},
}


TRAIN = """
import sys
from data.errors import one_line_errors
from presets.schema import load_preset
from training.group import one_error_message
from training.suite import Suite
with one_line_errors("train"), one_error_message():
    Suite(load_preset(sys.argv[1], sys.argv[3:]), sys.argv[2]).train_method("crn")
"""


def start(folder: Path, *command: str) -> subprocess.Popen:
    """The command in two processes, stderr of each in a file of its own, apart from torchrun's."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                "--redirects", "2", "--log-dir", str(folder / "errors")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*torchrun, *command], cwd=folder, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def errors_of(folder: Path) -> str:
    """stderr of both processes."""
    files = sorted((folder / "errors").rglob("stderr.log"))
    assert len(files) == 2
    return "".join(file.read_text() for file in files)


def write_preset(folder: Path) -> Path:
    file = folder / "tiny.yaml"
    file.write_text(json.dumps(PRESET))
    return file


def start_training(folder: Path, *settings: str) -> subprocess.Popen:
    script = folder / "train.py"
    script.write_text(TRAIN)
    return start(folder, str(script), str(write_preset(folder)), str(folder / "run"), *settings)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[int, Path]:
    """The same run by this process alone and by two."""
    folders = {n: tmp_path_factory.mktemp(f"processes{n}") for n in (1, 2)}
    preset = write_preset(folders[1])
    process = start(folders[2], "-m", "evaluation.run", "--stages", "train,synthesize", "--preset", str(preset),
                    "--out", str(folders[2] / "run"))
    alone = Suite(load_preset(str(preset)), folders[1] / "run")
    run = RunDirectory(alone.folder)
    write_dataset(run, alone.preset.data, alone.train, alone.val)
    alone.train_method("crn")
    synthesize(run, "crn", alone.preset.seed)
    output, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors + errors_of(folders[2])
    (folders[2] / "output.txt").write_text(output)
    return {n: folder / "run" for n, folder in folders.items()}


def test_two_processes_give_the_result_of_one(runs):
    alone, together = (checkpoint.load(runs[n] / "methods" / "crn" / CHECKPOINT) for n in (1, 2))
    assert alone["step"] == together["step"] == 6
    for part in ("generator", "objective"):
        for key, value in alone[part].items():
            torch.testing.assert_close(together[part][key].double(), value.double(), rtol=1e-5, atol=1e-5)
    logs = [np.genfromtxt(runs[n] / "methods" / "crn" / "log.csv", delimiter=",", names=True) for n in (1, 2)]
    np.testing.assert_allclose(logs[1]["total"], logs[0]["total"], rtol=1e-4)


def test_the_shared_work_does_not_depend_on_the_number_of_processes(runs):
    alone, together = (checkpoint.load(runs[n] / "judges" / "perceptual" / CHECKPOINT) for n in (1, 2))
    assert all(torch.equal(value, together["generator"][key]) for key, value in alone["generator"].items())
    names = [sorted(file.name for file in (runs[n] / "methods" / "crn" / "images").glob("*.png")) for n in (1, 2)]
    assert len(names[0]) == 20 and names[0] == names[1]
    for name in names[0]:
        a, b = (read_image(run / "methods" / "crn" / "images" / name).astype(int) for run in runs.values())
        assert abs(a - b).max() <= 1
    output = (runs[2].parent / "output.txt").read_text()  # one process prints
    assert [output.count(f"[{stage}] done") for stage in ("dataset", "train", "synthesize")] == [1] * 3


def children(process: subprocess.Popen) -> list[int]:
    file = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to find a process to kill")
def test_a_lost_process_stops_all_with_one_message(tmp_path):
    process = start_training(tmp_path, "training.images_seen=1000000")
    saved = tmp_path / "run" / "methods" / "crn" / CHECKPOINT
    deadline = time.monotonic() + 90
    while not saved.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    workers = [pid for pid in children(process) if "train.py" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(workers) == 2, errors_of(tmp_path)
    os.kill(workers[0], signal.SIGKILL)  # the one that writes the checkpoints
    process.communicate(timeout=60)
    errors = errors_of(tmp_path)
    assert process.returncode != 0
    assert errors.count("a process of the group of 2 is lost") == errors.count("error:") == 1
    assert "Traceback" not in errors
    assert checkpoint.load(saved)["step"] > 0
