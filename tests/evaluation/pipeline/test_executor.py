"""Methods in processes and as tasks of a local Ray: the same results, and what happens where one of them is lost."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from pathlib import Path

import pytest
import torch

from data import processes as cores
from data.errors import InputError
from evaluation.pipeline import processes
from evaluation.pipeline.dataset import write_dataset
from evaluation.pipeline.executor import LocalExecutor, RayExecutor, make_executor
from evaluation.pipeline.processes import ProcessExecutor, _do_next_task, _how_it_ended
from evaluation.pipeline.tasks import is_done, synthesize_method
from evaluation.run_directory import RunDirectory
from presets.schema import Preset
from training import checkpoint
from training.harness import CHECKPOINT
from training.suite import Suite

sys.path.append(str(Path(__file__).parent))  # also of the processes that are started here

from faulty_tasks import (  # noqa: E402
    ENDINGS,
    end_by_signal,
    fail_when_the_others_train,
    forked,
    leave,
)

METHODS = ["crn", "image_space"]


def preset() -> Preset:
    return Preset.model_validate({
        "methods": METHODS, "device": "cpu", "data": {"size": [32, 64], "train": 16, "val": 4},
        "perceptual": {"source": "trained", "width": 0.04, "images_seen": 8},
        "judge": {"source": "trained", "width": 8, "images_seen": 8},
        "generators": {"crn": {"widths": [8, 6, 4, 4]}}, "objectives": {"content": {"calibrate_at": 2}},
        "training": {"images_seen": 60, "batch": 2, "precision": "float32", "checkpoint_seconds": 0.0}})


@pytest.fixture(scope="module")
def local_ray():
    ray = pytest.importorskip("ray", reason="needs Ray (the extra ray)")
    before = os.environ.get("OMP_NUM_THREADS")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error", object_store_memory=10**8,
             runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
    yield ray
    ray.shutdown()
    assert os.environ.get("OMP_NUM_THREADS") == before


def weights(folder, name):
    return checkpoint.load(folder / "methods" / name / CHECKPOINT)["generator"]


def test_a_lost_worker_s_task_goes_on_from_its_checkpoint(tmp_path, local_ray):
    def train_and_die_once(suite, name):  # nested, so that Ray sends the code itself
        marker, saved = suite.folder / f"died_{name}", suite.method_folder(name) / CHECKPOINT

        def die():
            while not saved.exists():
                time.sleep(0.01)
            marker.write_text(str(checkpoint.load(saved)["step"]))
            os.kill(os.getpid(), signal.SIGKILL)

        if not marker.exists():
            threading.Thread(target=die, daemon=True).start()
        return suite.train_method(name)

    alone = Suite(preset(), tmp_path / "alone")
    expected = dict(LocalExecutor(alone).train(METHODS))
    suite = Suite(preset(), tmp_path / "ray")
    executor = RayExecutor(suite)
    done = dict(executor.map(train_and_die_once, ["crn"])) | dict(executor.train(["image_space"]))
    assert 0 < int((tmp_path / "ray" / "died_crn").read_text()) < 30
    for name in METHODS:
        whole, resumed = weights(tmp_path / "alone", name), weights(tmp_path / "ray", name)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
        assert done[name]["images_seen"] == expected[name]["images_seen"] == 60
    assert (tmp_path / "ray" / "judges" / "judge" / CHECKPOINT).exists()

    run = RunDirectory(suite.folder)
    write_dataset(run, suite.preset.data, suite.train, suite.val)
    assert dict(executor.map(synthesize_method, METHODS)) == {"crn": True, "image_space": True}
    assert len(list((tmp_path / "ray" / "methods" / "crn" / "images").glob("*.png"))) == 4


def test_bad_input_of_a_task_arrives_as_such(tmp_path, local_ray):
    wrong = preset()
    wrong.training.batch, wrong.training.accumulate = 2, 3
    with pytest.raises(InputError, match="training.batch=2 cannot be shared equally"):
        dict(RayExecutor(Suite(wrong, tmp_path)).map(lambda suite, name: suite.train_method(name), ["image_space"]))


def test_a_gpu_that_the_cluster_lacks(tmp_path, local_ray):
    if local_ray.cluster_resources().get("GPU"):
        pytest.skip("this cluster has one")
    suite = Suite(preset(), tmp_path)
    suite.preset.device = "cuda"
    with pytest.raises(InputError, match="the Ray cluster has no GPU"):
        RayExecutor(suite)


def test_images_straight_after_each_training_in_processes_that_render_nothing(tmp_path):
    alone = Suite(preset(), tmp_path / "alone")
    expected = dict(LocalExecutor(alone).train(METHODS))
    suite = Suite(preset(), tmp_path / "processes")
    run = RunDirectory(suite.folder)
    assert suite.scenes_in_memory() is None
    write_dataset(run, suite.preset.data, suite.train, suite.val)
    assert suite.scenes_in_memory() is suite.train
    executor = ProcessExecutor(suite, 2)
    done = dict(executor.train(METHODS, synthesize=True))
    executor.close()
    assert set(done) == set(expected) and all(is_done(suite, synthesize_method, name) for name in METHODS)
    for name in METHODS:
        whole, apart = weights(tmp_path / "alone", name), weights(tmp_path / "processes", name)
        assert all(torch.equal(whole[key], apart[key]) for key in whole)
        assert len(list((run.method_folder(name) / "images").glob("*.png"))) == 4


def test_every_process_ends_when_one_of_them_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECONDS", 3.0)
    executor = ProcessExecutor(Suite(preset(), tmp_path), 5)
    executor.context = forked()
    with pytest.raises(OSError, match="No space left"):
        dict(executor.map(fail_when_the_others_train, [*ENDINGS, "fails"]))
    assert executor.workers == [] and multiprocessing.active_children() == []
    stopped = {name: str(error) for name, error in executor.stopped.items()}
    assert stopped == {"saves": "step 3 of 30 is saved", "goes_on": "did not stop within 3 s",
                       "finds_the_disk_full": "[Errno 28] No space left on device: 'checkpoint.pt'"}


def test_a_process_takes_the_scenes_that_it_is_sent():
    sent, heard, suite = object(), [], types.SimpleNamespace(train=None)
    messages = iter([(lambda suite, name: suite.train, "crn", sent), (lambda suite, name: suite.train, "unet", None)])
    connection = types.SimpleNamespace(recv=lambda: next(messages), send=heard.append)
    assert _do_next_task(connection, suite) and _do_next_task(connection, suite)
    assert heard == [(None, sent), (None, sent)]


@pytest.mark.parametrize(("code", "text"), [(3, "ended with exit code 3, its output is above; the last"), (
    -signal.SIGABRT, "was ended by SIGABRT; the last"), (
    -signal.SIGSEGV, "was ended by SIGSEGV, a fault of this machine or of torch's kernels (in bf16: try")])
def test_how_a_process_ended_is_told_as_what_it_is(code, text):
    assert _how_it_ended(code).startswith(text) and "memory" not in _how_it_ended(code)


@pytest.mark.parametrize(("name", "message"), [
    ("SIGKILL", r"SIGKILL: its process was killed \(SIGKILL\), perhaps .* --jobs 1"),
    ("SIGSEGV", "was ended by SIGSEGV, a fault of this machine or of torch's kernels .*; the last")])
def test_a_lost_process_ends_the_work_with_its_reason(tmp_path, name, message):
    executor = ProcessExecutor(Suite(preset(), tmp_path), 1)
    executor.context = forked()
    with pytest.raises(InputError, match=message):
        dict(executor.map(end_by_signal, [name]))
    assert executor.workers == [] and executor.stopped == {}


def test_why_a_process_ended_arrives_whatever_the_main_module_is(tmp_path, monkeypatch):
    script = types.ModuleType("__main__")  # as Streamlit leaves it: multiprocessing runs its file in every child
    script.__file__ = str(tmp_path / "script.py")
    Path(script.__file__).write_text("raise SystemExit('the main module ran')")
    monkeypatch.setitem(sys.modules, "__main__", script)
    executor = ProcessExecutor(Suite(preset(), tmp_path), 1)
    with pytest.raises(RuntimeError, match="(?s)image_space: Traceback.*SystemExit: no more of this"):
        dict(executor.map(leave, ["image_space"]))
    assert sys.modules["__main__"] is script


def test_one_job_is_a_process_also_where_there_is_one_core(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "_limit", 1)  # of one core
    suite = Suite(preset(), tmp_path)
    assert isinstance(make_executor("auto", suite), LocalExecutor)
    assert isinstance(make_executor("auto", suite, 1), ProcessExecutor)
