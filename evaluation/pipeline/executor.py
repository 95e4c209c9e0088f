"""Executors, which run the tasks of the methods: in this process one after another, in several processes, or as tasks
of a Ray cluster.

On Ray, every node needs this package and the run directory at the same path (a shared file system). A task whose
worker is lost runs again, there or elsewhere, and goes on from its checkpoint.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data.errors import InputError, nearest
from data.processes import available_cores
from evaluation.pipeline.processes import ProcessExecutor
from evaluation.pipeline.tasks import Task, TaskExecutor
from presets.schema import Preset
from training.group import group_size
from training.harness import Interrupted
from training.suite import Suite

ATTEMPTS = 4  # of a task whose worker is lost


class LocalExecutor(TaskExecutor):
    """One after another in this process."""

    def map(self, task: Task, names: list[str]) -> Iterator[tuple[str, Any]]:
        """(name, result) as they are done. Raises what the task raises."""
        for name in names:
            try:
                result = task(self.suite, name)
            except Interrupted as saved:
                self.stopped[name] = saved
                raise
            yield name, result


class RayExecutor(TaskExecutor):
    """Tasks of the cluster that RAY_ADDRESS names, or of this machine alone without it.

    Each task takes one GPU if the cluster has any (unless the preset's device is cpu), and a CPU core for itself and
    for each data-loading process.
    """

    def __init__(self, suite: Suite):
        try:
            import ray
        except ImportError:
            raise InputError("--executor ray needs Ray: pip install '.[ray]'") from None
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


EXECUTORS: dict[str, Callable[[Suite], TaskExecutor]] = {
    "local": LocalExecutor, "processes": ProcessExecutor, "ray": RayExecutor}


def make_executor(name: str, suite: Suite, jobs: int | None = None) -> TaskExecutor:
    """name: a key of EXECUTORS, or "auto": processes on a CPU with several cores, else local.

    jobs: number of processes. Raises InputError for a number below 1 or with an executor that ignores it, and under
    torchrun, whose processes share the work themselves, for any executor but "local".
    """
    if name not in ("auto", *EXECUTORS):
        raise InputError(f"--executor {name}: {nearest(name, ['auto', *EXECUTORS])}")
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: expected at least 1")
    if group_size() > 1 and name in ("processes", "ray"):
        raise InputError(f"--executor {name}: not under torchrun, whose processes share the work themselves")
    if name == "auto":
        alone = suite.device == "cpu" and group_size() == 1
        name = "processes" if alone and (jobs is not None or available_cores() > 1) else "local"
    if jobs is not None and name != "processes":
        raise InputError(f"--jobs {jobs}: needs --executor processes (CPU only); here it is {name}")
    return ProcessExecutor(suite, jobs) if name == "processes" else EXECUTORS[name](suite)
