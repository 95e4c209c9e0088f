"""Endless, resumable batches of a dataset, and their way onto the device."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from data.errors import InputError
from data.pairs import PairDataset
from data.processes import available_cores, has_shared_memory
from data.views import Cached
from models.layers import one_hot
from models.objectives import Batch

MOST_SECONDS = 600  # to wait for a batch of a data loading process


class ShuffledBatches(Sampler[list[int]]):
    """Index lists of batches first..last-1 (counted from 0) of an endless stream: one fresh permutation per epoch.

    The stream is a function of (length, batch, seed) alone, so a run can resume at any batch. Of every batch, rank r of
    `world` processes gets the items r, r + world, ...
    """

    def __init__(self, length: int, batch: int, seed: int, first: int, last: int, rank: int = 0, world: int = 1):
        self.length, self.batch, self.seed = length, batch, seed
        self.first, self.last, self.rank, self.world = first, last, rank, world

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, order = -1, np.empty(0, int)
        for batch in range(self.first, self.last):
            items = []
            for position in range(batch * self.batch, (batch + 1) * self.batch):
                if position // self.length != epoch:
                    epoch = position // self.length
                    order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
                items.append(int(order[position % self.length]))
            yield items[self.rank :: self.world]


class PairTensors(Dataset):
    """A PairDataset as (photo uint8 [3, H, W], layout uint8 [H, W], position) for a loader."""

    def __init__(self, dataset: PairDataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        pair = self.dataset[index]  # a cached one is read-only
        return torch.from_numpy(pair.photo.copy()), torch.from_numpy(pair.layout.copy()), index


def loader(dataset: PairDataset, batches: Sampler[list[int]], workers: int, pin: bool) -> DataLoader:
    """Batches of (photos uint8 [B, 3, H, W], layouts uint8 [B, H, W], positions [B]); the same for any `workers`.

    workers: processes that load them, at most one per available core; none without shared memory between processes.
    Draws nothing from torch's global generator.
    """
    workers = min(workers, available_cores()) if workers and has_shared_memory() else 0
    if workers and isinstance(dataset, Cached):
        dataset.fill()  # once, before the workers are forked, which then share it
    return DataLoader(PairTensors(dataset), batch_sampler=batches, num_workers=workers, pin_memory=pin,
                      generator=torch.Generator().manual_seed(0), persistent_workers=False,
                      timeout=MOST_SECONDS if workers else 0)


@contextmanager
def plain_worker_errors(workers: int) -> Iterator[None]:
    """Turn an error of a data loading process, bad input or its end by the system, into an InputError of one line."""
    try:
        yield
    except InputError as error:
        *traceback, last = str(error).strip().splitlines()
        if not traceback:
            raise
        raise InputError(last.removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")) from None
    except RuntimeError as error:
        if "DataLoader timed out" in str(error):
            raise InputError(f"no batch could be read within {MOST_SECONDS} s, perhaps from a network drive that does "
                             "not answer; the last checkpoint is kept") from error
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(f"a data loading process was lost, perhaps short of memory ({str(error).splitlines()[0]}); "
                         f"the last checkpoint is kept; set training.workers lower (now {workers})") from error


def to_device(photos: Tensor, layouts: Tensor, items: Tensor, classes: int, device: torch.device) -> Batch:
    """uint8 is copied to the device; floats and the one-hot layout are made there."""
    photos = photos.to(device, non_blocking=True)
    layouts = layouts.to(device, non_blocking=True)
    photo = (photos.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
    return Batch(one_hot(layouts, classes), photo, layouts.long(), items.tolist())
