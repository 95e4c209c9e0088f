"""Tasks that end their own process, in a module that other processes can import."""

import errno
import multiprocessing
import os
import signal
import time

from training.harness import Interrupted, stop_signal

ENDINGS = ["saves", "finds_the_disk_full", "finishes", "goes_on"]


def fail_when_the_others_train(suite, name):
    """One task fails once all others are in training; asked to stop, these end in the way of their name."""
    if name == "fails":
        while not all((suite.folder / ending).exists() for ending in ENDINGS):
            time.sleep(0.01)
        raise OSError(errno.ENOSPC, "No space left on device", "checkpoint.pt")
    with stop_signal() as stop:
        (suite.folder / name).touch()
        while not stop.wait(0.1) or name == "goes_on":
            pass
    if name == "saves":
        raise Interrupted("step 3 of 30 is saved")
    if name == "finds_the_disk_full":
        raise OSError(errno.ENOSPC, "No space left on device", "checkpoint.pt")
    return "a result"


def end_by_signal(suite, name):
    os.kill(os.getpid(), signal.Signals[name])


def leave(suite, name):
    raise SystemExit("no more of this")


def forked():
    """Processes that are forked from one that has imported everything, where the suite itself starts fresh ones."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["evaluation.pipeline.processes"])
    return context
