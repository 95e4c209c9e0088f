"""Processes that start from nothing, take over nothing that is not theirs, and end with their parent. Free of torch."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")

SPAWN = multiprocessing.get_context("spawn")  # a forked torch may hang in its parent's locks
CHUNK = 16  # items that travel together


@contextmanager
def inherited(threads: int) -> Iterator[None]:
    """What processes started within take over: threads of torch, and Ctrl-C left to the parent, who stops them.

    Not the parent's main module, which multiprocessing runs in every child: that may be a notebook, the app's script or
    a script without `if __name__ == "__main__"`, and tasks are never of it.
    """
    before, on_interrupt = os.environ.get("OMP_NUM_THREADS"), signal.getsignal(signal.SIGINT)
    main = sys.modules["__main__"]
    os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.signal(signal.SIGINT, on_interrupt)
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
                     processes: int | None = None) -> Iterator[Result]:
    """function of every item, in their order. processes: None is one per core.

    function and items are sent to the processes, which import no more than they need for them. Raises what function
    raises.
    """
    count = processes or os.cpu_count() or 1
    if count == 1 or len(items) <= CHUNK:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(count, SPAWN, initializer=end_with_parent)
    try:
        with inherited(threads=1):
            results = pool.map(function, items, chunksize=CHUNK)
        yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
