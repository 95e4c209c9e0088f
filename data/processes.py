"""Processes that start from nothing, inherit nothing of their parent's, and end with it; and how many of them there
may be. Free of torch."""

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from data.errors import InputError

Item, Result = TypeVar("Item"), TypeVar("Result")

SPAWN = multiprocessing.get_context("spawn")  # a forked torch may hang in its parent's locks
# Besides Ctrl-C: the system shuts down or a job is cancelled, the terminal is gone, SLURM warns of the time limit.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
CHUNK = 16  # items that travel together
MOST_PROCESSES = 16  # of one map: more gain little, and each holds 60 MB of its own
CGROUP_LIST, CGROUP_ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")

_limit: float = math.inf  # of available_cores, by limit_cores


def limit_cores(cores: int | None) -> None:
    """From now on available_cores() is at most this in the whole process; None removes the limit."""
    global _limit
    _limit = cores or math.inf


def available_cores() -> int:
    """Number of cores that this process may use, at least 1; the machine may have many more.

    The cores of its affinity mask (taskset, SLURM's cpuset), or fewer if the CPU quota of its cgroup (Docker,
    Kubernetes) or limit_cores allows fewer.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, _cgroup_quota(), _limit)))


def _cgroup_quota() -> float:
    """The least CPU quota of this process's cgroup and those around it, in cores; infinity without one."""
    try:
        groups = [line.split(":", 2) for line in CGROUP_LIST.read_text(encoding="utf-8").splitlines()]
    except OSError:  # not Linux
        return math.inf
    quotas = [math.inf]
    for _, controllers, group in groups:  # version 2 has one line, without controllers
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [CGROUP_ROOT / name for name in (("cpu", controllers) if controllers else ("", "unified"))]
        inner = Path(group.lstrip("/"))
        # in a container, the path may be the host's, which the container does not see: the mount itself is its group
        folders = [mount / part for mount in mounts for part in (inner, *inner.parents)]
        quotas += [quota for folder in folders if (quota := _quota(folder, version=1 if controllers else 2))]
    return min(quotas)


def _quota(folder: Path, version: int) -> float | None:
    """Quota of one cgroup, in cores; None where it has none."""
    names = ["cpu.max"] if version == 2 else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    try:
        quota, period = " ".join((folder / name).read_text(encoding="utf-8").strip() for name in names).split()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file; "max", no quota
        return None


def stop_like_ctrl_c() -> None:
    """Let STOP_SIGNALS interrupt this process as Ctrl-C does, but for those that it ignores (nohup: SIGHUP)."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def inherited(threads: int) -> Iterator[None]:
    """What processes started within take over: threads of torch, and signals that reach the whole group (Ctrl-C, a lost
    terminal, SLURM's warning) left to the parent, who stops them.

    Not the parent's main module, which multiprocessing runs in every child: that may be a notebook, the app's script or
    a script without `if __name__ == "__main__"`, and tasks are never of it.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *STOP_SIGNALS)
                if number != signal.SIGTERM}
    main = sys.modules["__main__"]
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for number in handlers:
        signal.signal(number, signal.SIG_IGN)
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for number, handler in handlers.items():
            signal.signal(number, handler)
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def end_with_parent() -> None:
    """A process whose parent was killed must not go on beside the parent's next run."""
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        time.sleep(0.2)
    os._exit(1)  # as hard as the parent's end: files are whole at any moment


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item],
                     processes: int | None = None, chunk: int = CHUNK) -> Iterator[Result]:
    """function of every item, in their order. processes: None is one per available core, at most MOST_PROCESSES.
    chunk: items that travel together; so few are worked on in this process.

    function and items are sent to the processes, which import no more than they need for them. Works in this process
    if the system has no shared memory for several. Raises what function raises, and InputError if a process is lost.
    """
    count = processes or min(available_cores(), MOST_PROCESSES)
    if count == 1 or len(items) <= chunk or not has_shared_memory():
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(min(count, math.ceil(len(items) / chunk)), SPAWN, initializer=end_with_parent)
    try:
        with inherited(threads=1):
            results = pool.map(function, items, chunksize=chunk)
        yield from results
    except BrokenProcessPool as error:
        raise InputError(f"one of {count} processes was ended by the system, perhaps for want of memory; use fewer "
                         "(--jobs)") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def has_shared_memory() -> bool:
    """Whether processes can share queues, which need semaphores, which need a usable /dev/shm."""
    try:
        SPAWN.Lock()
    except (OSError, ImportError):  # a sandbox without /dev/shm, or with a read-only one
        return False
    return True
