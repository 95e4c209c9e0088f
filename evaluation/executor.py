"""Where the work on each method runs: here one after another, in several processes, or as tasks of a Ray cluster.

On Ray, every node needs this package and the run directory at the same path (a shared file system). A task whose
worker is lost runs again, there or elsewhere, and goes on from its checkpoint.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data.errors import InputError
from evaluation.processes import ProcessExecutor
from evaluation.tasks import Task, TaskExecutor, train_method
from presets.schema import Preset
from training.group import group_size
from training.harness import Interrupted
from training.suite import Suite

ATTEMPTS = 4  # of a task whose worker is lost

class LocalExecutor:
    """One after another in this process."""

    def __init__(self, suite: Suite):
        self.suite = suite

    def train(self, methods: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, what a table says of it) of each method, trained."""
        return self.map(train_method, methods)

    def map(self, task: Task, names: list[str]) -> Iterator[tuple[str, Any]]:
        """(name, result) as they are done. Raises what the task raises."""
        return ((name, task(self.suite, name)) for name in names)

    def close(self) -> None:
        """Nothing to let go of."""


class RayExecutor(TaskExecutor):
    """Tasks of the cluster that RAY_ADDRESS names, or of this machine alone without it.

    Each task takes one GPU where the cluster has any (and the preset does not say cpu), and a CPU core for itself and
    for each data-loading process.
    """

    def __init__(self, suite: Suite):
        try:
            import ray
        except ImportError:
            raise InputError("--executor ray needs Ray: pip install 'semantic-image-synthesis-suite[ray]'") from None
        super().__init__(suite)
        self.ray = ray
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level="error")
        gpus = ray.cluster_resources().get("GPU", 0)
        if suite.preset.device == "cuda" and not gpus:
            raise InputError("--device cuda: the Ray cluster has no GPU; use --device cpu or auto")
        self.options = {"num_gpus": 1 if gpus and suite.preset.device != "cpu" else 0,
                        "num_cpus": 1 + suite.preset.training.workers,
                        "max_retries": ATTEMPTS - 1, "retry_exceptions": [Interrupted]}

    def map(self, task: Task, names: list[str]) -> Iterator[tuple[str, Any]]:
        """As LocalExecutor.map. Raises InputError when a worker is lost too often."""
        remote = self.ray.remote(_run_task).options(**self.options)
        waiting = {remote.remote(task, self.preset.model_dump(), str(self.folder), name): name for name in names}
        try:
            while waiting:
                (ready,), _ = self.ray.wait(list(waiting), num_returns=1)
                name = waiting.pop(ready)
                yield name, self._result(ready, name)
        finally:
            for left in waiting:
                self.ray.cancel(left)

    def _result(self, ready: Any, name: str) -> Any:
        try:
            return self.ray.get(ready)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{name}: its worker was lost {ATTEMPTS} times ({reason}); the last checkpoint is kept: "
                             "start the same command again to go on") from error


def _run_task(task: Task, preset: dict[str, Any], folder: str, name: str) -> Any:
    return task(Suite(Preset.model_validate(preset), Path(folder)), name)


EXECUTORS: dict[str, Callable[[Suite], LocalExecutor | TaskExecutor]] = {
    "local": LocalExecutor, "processes": ProcessExecutor, "ray": RayExecutor}


def make_executor(name: str, suite: Suite, jobs: int | None = None) -> LocalExecutor | TaskExecutor:
    """name: a key of EXECUTORS, or "auto": processes on a CPU with several cores, else local.

    jobs: number of processes; 1 means local.
    """
    if name == "auto":
        alone = suite.device == "cpu" and group_size() == 1 and (os.cpu_count() or 1) > 1
        name = "processes" if alone else "local"
    if name == "processes":
        return ProcessExecutor(suite, jobs) if jobs != 1 else LocalExecutor(suite)
    return EXECUTORS[name](suite)
