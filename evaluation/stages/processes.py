"""Methods in processes of their own on one machine, one thread each: the default on CPUs with several cores.

Small networks gain little from a second thread and lose much on a machine with other work, where threads wait for each
other at every operation; two processes use two cores fully. With one thread each, results do not depend on the number
of cores.
"""

import multiprocessing
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from data.errors import InputError
from evaluation.stages.tasks import Task, TaskExecutor, is_done
from presets.schema import Preset
from training.harness import Interrupted
from training.progress import Position
from training.suite import Suite

JOBS = 4  # at most, unless told: every process holds its own copy of the photographs


class ProcessExecutor(TaskExecutor):
    """jobs: number of processes; None: one per core, at most JOBS."""

    def __init__(self, suite: Suite, jobs: int | None = None):
        super().__init__(suite)
        self.preset = suite.preset.model_copy(deep=True)
        self.preset.training.workers = 0  # each process reads its own pairs: as a daemon it may have no children
        self.jobs = jobs or min(os.cpu_count() or 1, JOBS)
        self.workers: list[BaseProcess] = []
        self.context = multiprocessing.get_context("spawn")  # a forked torch may hang in its parent's locks
        self.tasks, self.results = self.context.Queue(), self.context.Queue()

    def map(self, task: Task, names: list[str]) -> Iterator[tuple[str, Any]]:
        """(name, result) as they are done. Raises what a task raises, after the others have saved their state."""
        if not self.workers and all(is_done(self.suite, task, name) for name in names):
            yield from ((name, task(self.suite, name)) for name in names)  # nothing worth starting a process for
            return
        self._start(len(names))
        for name in names:
            self.tasks.put((task, name))
        try:
            for _ in names:
                name, error, result = self._next()
                if error is not None:
                    raise error
                yield name, result
        except BaseException:
            self.close()
            raise

    def _start(self, tasks: int) -> None:
        """As many workers as there are jobs, and no more than there are tasks."""
        with _inherited():
            for _ in range(len(self.workers), min(self.jobs, tasks)):
                arguments = (self.tasks, self.results, self.preset.model_dump(), str(self.folder))
                self.workers.append(self.context.Process(target=_work, args=arguments, daemon=True))
                self.workers[-1].start()

    def _next(self) -> tuple[str, BaseException | None, Any]:
        while True:
            try:
                message = self.results.get(timeout=1)
                if not isinstance(message, Position):
                    return message
                if self.suite.watch:
                    self.suite.watch(message)
            except queue.Empty:
                lost = next((worker for worker in self.workers if worker.exitcode is not None), None)
                if lost is not None and self.results.empty():
                    raise InputError(f"a training process ended (exit code {lost.exitcode}), perhaps short of memory; "
                                     "the same command goes on from the last checkpoints, with --jobs 1 in less "
                                     "memory") from None

    def close(self) -> None:
        """Stop the workers; those in training save their state first."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.join()
        self.workers = []
        self.tasks, self.results = self.context.Queue(), self.context.Queue()  # a stopped reader may hold the old lock


@contextmanager
def _inherited() -> Iterator[None]:
    """What workers take over at their start: one thread for torch, and Ctrl-C left to the parent, who stops them."""
    threads, on_interrupt = os.environ.get("OMP_NUM_THREADS"), signal.getsignal(signal.SIGINT)
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, on_interrupt)
        del os.environ["OMP_NUM_THREADS"]
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads


def _work(tasks: Any, results: Any, preset: dict[str, Any], folder: str) -> None:
    """A worker: tasks until it is stopped. Exceptions travel to the parent; a stopped worker takes no other task."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    suite = Suite(Preset.model_validate(preset), Path(folder), results.put)
    while True:
        task, name = tasks.get()
        try:
            results.put((name, None, task(suite, name)))
        except Interrupted as stopped:
            results.put((name, stopped, None))
            return
        except (InputError, OSError) as error:
            results.put((name, error, None))
        except Exception:
            results.put((name, RuntimeError(f"{name}: {traceback.format_exc()}"), None))


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on writing beside the parent's next run."""
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        time.sleep(0.2)
    os._exit(1)  # as hard as the parent's end: checkpoints are whole at any moment
