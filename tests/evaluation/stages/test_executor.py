"""Methods as tasks of a local Ray: the same results, a lost worker's task goes on from its checkpoint."""

import os
import signal
import threading
import time

import pytest
import torch

from data.errors import InputError
from evaluation.rundir import RunDirectory
from evaluation.stages.dataset import write_dataset
from evaluation.stages.executor import LocalExecutor, RayExecutor
from evaluation.stages.tasks import synthesize_method
from presets.schema import Preset
from training import checkpoint
from training.harness import CHECKPOINT
from training.suite import Suite

METHODS = ["crn", "image_space"]


def preset() -> Preset:
    return Preset.model_validate({
        "methods": METHODS, "device": "cpu", "data": {"size": [32, 64], "train": 16, "val": 4},
        "perceptual": {"source": "trained", "width": 0.04, "images_seen": 8},
        "judge": {"kind": "trained", "width": 8, "images_seen": 8},
        "generators": {"crn": {"widths": [8, 6, 4, 4]}}, "objectives": {"content": {"calibrate_at": 2}},
        "training": {"images_seen": 60, "batch": 2, "precision": "float32", "checkpoint_seconds": 0.0}})


@pytest.fixture(scope="module")
def local_ray():
    ray = pytest.importorskip("ray", reason="needs Ray (the extra ray)")
    before = os.environ.get("OMP_NUM_THREADS")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error", object_store_memory=10**8)
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
