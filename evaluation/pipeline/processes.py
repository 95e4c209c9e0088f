"""Methods in processes of their own on one machine, one thread each: the default on CPUs with several cores.

Small networks gain little from a second thread and lose much on a machine with other work, where threads wait for each
other at every operation; two processes use two cores fully. With one thread each, results do not depend on the number
of cores.
"""

import signal
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import torch

from data.errors import InputError
from data.processes import SPAWN, available_cores, end_with_parent, inherited
from data.views import Cached
from evaluation.pipeline.tasks import Task, TaskExecutor, is_done
from presets.schema import Preset
from training.harness import Interrupted
from training.progress import Position
from training.suite import Suite

JOBS = 4  # at most, unless --jobs is given: every process has its own copy of the photographs
FAULTS = (signal.SIGSEGV, signal.SIGILL, signal.SIGBUS, signal.SIGFPE)  # caused by what is computed
STOP_SECONDS = 120.0  # to save the state of a training; a process that needs longer is killed
KILL_SECONDS = 5.0  # until the system has removed a killed process


class Worker:
    """A process and the name of the task that it works on (None: it waits). Its end shows as the end of the connection,
    because no other process holds the other side."""

    def __init__(self, context: SpawnContext, preset: Preset, folder: Path, threads: int, train: Cached | None = None):
        """train: pairs that are in memory already."""
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, preset.model_dump(), str(folder), threads),
                                       daemon=True)
        self.process.start()
        theirs.close()
        self.name: str | None = None
        self._train = train

    def begin(self, task: Task, name: str) -> None:
        self.name = name
        with suppress(OSError):  # the process has ended: `receive` finds out
            self.connection.send((task, name, self._train))
        self._train = None  # sent once

    def receive(self) -> Position | tuple[BaseException | None, Any] | None:
        """How far its training is, or error and result of the task. None: the process has ended."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(KILL_SECONDS)
            return None

    def ask_to_stop(self) -> None:
        """A training saves its state and ends; whatever else the process does ends at once."""
        self.process.terminate()
        with suppress(OSError):
            self.connection.send(None)  # for one that was just finishing its task and would wait for the next

    def last_error(self, deadline: float) -> BaseException | None:
        """Wait for the end of a process that was asked to stop. What its task ended with: Interrupted for a training
        that is saved; None where nothing was left to save. deadline: of time.monotonic()."""
        error = None
        while self.connection.poll(max(0.0, deadline - time.monotonic())):
            message = self.receive()
            if message is None:
                return error
            if not isinstance(message, Position):
                error = message[0]
        return TimeoutError(f"did not stop within {STOP_SECONDS:.0f} s")

    def end(self) -> None:
        self.process.kill()
        self.process.join(KILL_SECONDS)
        self.connection.close()


class ProcessExecutor(TaskExecutor):
    """jobs: number of processes; None: one per available core, at most JOBS. threads: of each."""

    def __init__(self, suite: Suite, jobs: int | None = None, threads: int = 1):
        super().__init__(suite)
        self.preset = suite.preset.model_copy(deep=True)
        self.preset.training.workers = 0  # each process reads its own pairs: as a daemon it may have no children
        self.jobs, self.threads = jobs or min(available_cores(), JOBS), threads
        self.workers: list[Worker] = []
        self.context = SPAWN

    def map(self, task: Task, names: list[str]) -> Iterator[tuple[str, Any]]:
        """(name, result) as they are done. Raises what a task raises, after the others have saved their state."""
        if not self.workers and all(is_done(self.suite, task, name) for name in names):
            yield from ((name, task(self.suite, name)) for name in names)  # nothing worth starting a process for
            return
        waiting = deque(names)
        try:
            while waiting or any(worker.name for worker in self.workers):
                self._assign(task, waiting)
                busy = {worker.connection: worker for worker in self.workers if worker.name}
                for worker in map(busy.get, wait(list(busy))):  # a process that ends is noticed, so this has no limit
                    message = worker.receive()
                    if isinstance(message, Position):
                        if self.suite.watch:
                            self.suite.watch(message)
                    elif message is None:
                        raise InputError(f"{worker.name}: its process {_how_it_ended(worker.process.exitcode)}")
                    else:
                        name, worker.name = worker.name, None
                        error, result = message
                        if error is not None:
                            raise error
                        yield name, result
        except BaseException:
            self.close()
            raise

    def _assign(self, task: Task, waiting: deque[str]) -> None:
        """Names to workers that have none; as many workers as there are jobs, and no more than there is work."""
        self.workers = [worker for worker in self.workers if worker.name or worker.process.is_alive()]
        idle = [worker for worker in self.workers if not worker.name]
        with inherited(self.threads):
            while len(idle) < len(waiting) and len(self.workers) < self.jobs:
                idle.append(Worker(self.context, self.preset, self.folder, self.threads,
                                   self.suite.scenes_in_memory()))
                self.workers.append(idle[-1])
        for worker in idle[: len(waiting)]:
            worker.begin(task, waiting.popleft())

    def close(self) -> None:
        """Stop the workers; those in training save their state first and are listed in `stopped`."""
        try:
            for worker in self.workers:
                worker.ask_to_stop()
            deadline = time.monotonic() + STOP_SECONDS
            for worker in self.workers:
                if (error := worker.last_error(deadline)) and worker.name:
                    self.stopped[worker.name] = error
        finally:  # also when the user does not want to wait
            for worker in self.workers:
                worker.end()
            self.workers = []


def _how_it_ended(code: int | None) -> str:
    """How a process ended and what to do, for people. code: of multiprocessing, -n for signal n; None: it has closed
    the connection and goes on."""
    kept = "the last checkpoints are kept"
    if code is None:
        return f"no longer answers; {kept}: start the same command again to go on"
    if -code == signal.SIGKILL:
        return (f"was killed (SIGKILL), perhaps for want of memory; {kept}: the same command goes on, with --jobs 1 in "
                "less memory")
    if code < 0:
        fault = (", a fault of this machine or of torch's kernels (in bf16: try training.precision=float32)"
                 if -code in FAULTS else "")
        return f"was ended by {signal.Signals(-code).name}{fault}; {kept}: start the same command again to go on"
    return f"ended with exit code {code}, its output is above; {kept}: start the same command again to go on"


def _work(connection: Connection, preset: dict[str, Any], folder: str, threads: int) -> None:
    """A worker: tasks until it is stopped or one of them fails. Every error is sent to the parent."""
    torch.set_num_threads(threads)
    end_with_parent()
    try:
        suite = Suite(Preset.model_validate(preset), Path(folder), connection.send)
        while _do_next_task(connection, suite):
            pass
    except (EOFError, BrokenPipeError):  # the parent has closed the connection
        return
    except (Exception, SystemExit) as error:
        connection.send((_portable(error, "a worker process"), None))


def _do_next_task(connection: Connection, suite: Suite) -> bool:
    """Whether another task may follow: not after an error, for the parent stops then, nor after the parent's None."""
    message = connection.recv()
    if message is None:
        return False
    task, name, train = message
    if train is not None:
        suite.train = train
    try:
        connection.send((None, task(suite, name)))
    except (Exception, SystemExit) as error:
        connection.send((_portable(error, name), None))
        return False
    return True


def _portable(error: BaseException, name: str) -> BaseException:
    """Errors for people as they are; any other with its traceback as text, which a connection does not carry."""
    if isinstance(error, (Interrupted, InputError, OSError)):
        return error
    return RuntimeError(f"{name}: {traceback.format_exc()}")
