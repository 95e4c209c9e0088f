"""The processes of one run: how they agree, and one message when one of them is lost.

DDP exchanges tensors. Decisions (stop, save, wait) use a gloo group of their own: that costs the GPU nothing, and a
process that died is noticed at once, while NCCL would wait for its timeout.
"""

import datetime
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from lightning_fabric import Fabric

from data.errors import InputError

SIGNS_OF_LOSS = ("connection closed by peer", "connection reset", "connection refused", "timed out", "broken pipe",
                 "connection was likely closed", "socket")


def environment_integer(name: str, default: int, least: int = 0) -> int:
    """Value of an environment variable; `default` if it is not set or empty; the first number of a list
    (OMP_NUM_THREADS=4,2 has one for each level of nesting). Raises InputError for anything but a number from `least`.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    first = text.partition(",")[0].strip()
    if not first.isascii() or not first.isdigit() or int(first) < least:
        raise InputError(f"the environment variable {name}={text!r}: expected a whole number from {least}")
    return int(first)


def group_size() -> int:
    """Number of processes that torchrun started, 1 without it."""
    return environment_integer("WORLD_SIZE", 1, least=1)


def is_first_process() -> bool:
    return environment_integer("RANK", 0) == 0


class LostProcess(InputError):
    """Another process of the group ended or does not answer; the others cannot go on without it."""


class Group:
    """rank of this process among `size`. Alone, every method returns at once.

    timeout: seconds to wait for the others; a process that ended is noticed without waiting.
    """

    def __init__(self, fabric: Fabric | None = None, timeout: float = 7200.0):
        self.rank = fabric.global_rank if fabric else 0
        self.size = fabric.world_size if fabric else 1
        if self.size > 1:
            self._gloo = dist.new_group(backend="gloo", timeout=datetime.timedelta(seconds=timeout))

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether any process raised it; the same answer in every process."""
        if self.size == 1:
            return list(flags)
        votes = torch.tensor(flags, dtype=torch.uint8)
        with self.watched():
            dist.all_reduce(votes, dist.ReduceOp.MAX, group=self._gloo)
        return votes.bool().tolist()

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Mean over the processes of each value; all give the same names in the same order."""
        if self.size == 1:
            return values
        sums = torch.tensor(list(values.values()), dtype=torch.float64)
        with self.watched():
            dist.all_reduce(sums, group=self._gloo)
        return dict(zip(values, (sums / self.size).tolist(), strict=True))

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.any(False)

    def leave(self) -> None:
        """Wait for the others, then end the group."""
        if self.size > 1:
            self.barrier()
            dist.destroy_process_group()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raise errors of the network as LostProcess: they mean that a process is gone."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _shows_loss(error):
                raise
            raise LostProcess(f"a process of the group of {self.size} is lost or did not answer, so all of them stop; "
                              "the last checkpoints are kept: start the same command again to go on") from error


def _shows_loss(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(sign in text for sign in SIGNS_OF_LOSS)


def is_first_to_report() -> bool:
    """Whether this is the first process of the group that reports an error, so that the user reads one message.

    Asks the store of torchrun's agent, which outlives the processes; if that is gone too, every process reports.
    """
    if group_size() == 1:
        return True
    address, port = os.environ.get("MASTER_ADDR", "localhost"), environment_integer("MASTER_PORT", 0)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store = dist.TCPStore(address, port, is_master=False, wait_for_workers=False,
                              timeout=datetime.timedelta(seconds=5))
        return store.add(f"reported errors, attempt {attempt}", 1) == 1
    except (RuntimeError, ValueError):
        return True


@contextmanager
def one_error_message() -> Iterator[None]:
    """Let one process report an InputError or OSError; the others that fail because of it end without a message."""
    try:
        yield
    except (InputError, OSError):
        if group_size() > 1:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # by which torchrun ends the others: the message comes first
        if is_first_to_report():
            raise
        raise SystemExit(2) from None
