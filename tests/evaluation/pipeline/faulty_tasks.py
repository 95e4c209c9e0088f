"""Tasks that end their own process, in a module that other processes can import."""

import errno
import multiprocessing
import os
import signal
import time

import torch

from training.harness import Interrupted, stop_signal

ENDS = {"image_space": signal.SIGSEGV, "unet+image_space": signal.SIGILL, "full_resolution+image_space": signal.SIGBUS,
        "recombinator+image_space": signal.SIGFPE}


def train_on_bad_kernels(suite, name):
    """Every generator ends its own process in bf16, by the signal of its name or SIGNAL; in float32 it works."""
    build = suite.build

    number = int(os.environ.get("SIGNAL", ENDS[name]))

    def fault(module, layout):
        if torch.is_autocast_enabled("cpu"):
            os.kill(os.getpid(), number)

    def build_faulty(spec):
        method = build(spec)
        method.generator.register_forward_pre_hook(fault)
        return method

    suite.build = build_faulty
    try:
        return suite.train_method(name)
    finally:
        suite.build = build


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


def end_by_a_fault(suite, name):
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(suite, name):
    raise SystemExit("no more of this")


def end_in_bf16(suite, name):
    """No training: a process that is ended in bf16 by the signal of its name, and says its precision otherwise."""
    precision, _ = suite.precision(name)
    if precision == "bf16":
        os.kill(os.getpid(), ENDS[name])
    return precision


def forked():
    """Processes that are forked from one that has imported everything, where the suite itself starts fresh ones."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["evaluation.pipeline.processes"])
    return context
