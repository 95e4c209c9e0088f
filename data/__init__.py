"""Layouts and photographs, one file per dataset. Does not import torch.

>>> dataset = open_dataset(preset.data, "val", seed=0)      # doctest: +SKIP
>>> dataset[0].photo.shape, dataset.labels.names            # doctest: +SKIP
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import own_packages_first  # noqa: F401 - before any package of the suite is imported
from data.errors import InputError, nearest
from data.pairs import PairDataset
from data.views import Cached, Subset, memory_bound

if TYPE_CHECKING:
    from data.configuration import DataConfig

SPLITS = ("train", "val")
CACHE_BYTES = 2 << 30  # holds the 2975 training pairs of Cityscapes at 256x512

# Networks that ship with a dataset: weights and cards, see models.fixed
FIXED_NETWORKS = {"street": Path(__file__).parent / "street" / "networks"}

Opener = Callable[["DataConfig", str, int], PairDataset]


RENDERED = {"street": ("data.street", "Street"), "street-hard": ("data.street", "StreetHard")}  # imported on use


def rendered(dataset: str) -> type | None:
    """The class NAME(split, size, count, seed) of scenes rendered in code, with a `version`; None for photographs."""
    if dataset not in RENDERED:
        return None
    module, name = RENDERED[dataset]
    return getattr(importlib.import_module(module), name)


def _render(config: "DataConfig", split: str, seed: int) -> PairDataset:
    if config.path is not None:
        raise InputError(f"data.path: dataset '{config.dataset}' is rendered in code and reads no folder; "
                         "did you mean --preset camvid?")
    count = getattr(config, split)
    if count is None:
        raise InputError(f"data.{split}: dataset '{config.dataset}' is rendered in code and has no end; "
                         f"give a number of pairs (data.{split}=500)")
    return rendered(config.dataset)(split, tuple(config.size), count, seed)


def photographs_in_a_folder(module: str) -> Opener:
    """A dataset of photographs. module: defines CONTENTS, the contents of its folder in words for messages, and
    open_split(folder, split, size) -> PairDataset; folder is an existing Path."""
    def open_(config: "DataConfig", split: str, seed: int) -> PairDataset:
        from data.photographs import require_folder  # on use, as the reader: for the list of names no image library
        reader = importlib.import_module(module)
        if config.path is None:
            raise InputError(f"dataset '{config.dataset}' needs data.path: a folder with {reader.CONTENTS}")
        dataset = reader.open_split(require_folder(config.path, reader.CONTENTS), split, tuple(config.size))
        return _counted(dataset, getattr(config, split), split, config.path)
    return open_


DATASETS: dict[str, Opener] = {  # imported on use
    **dict.fromkeys(RENDERED, _render),
    "camvid": photographs_in_a_folder("data.datasets.camvid"),
    "folder": photographs_in_a_folder("data.datasets.folder"),
    "validation": photographs_in_a_folder("data.datasets.validation"),
    "cityscapes": photographs_in_a_folder("data.datasets.cityscapes"),
    "nyu": photographs_in_a_folder("data.datasets.nyu"),
    "gta5": photographs_in_a_folder("data.datasets.gta5"),
    "ade20k": photographs_in_a_folder("data.datasets.ade20k"),
    "coco_stuff": photographs_in_a_folder("data.datasets.coco_stuff"),
}


def open_dataset(config: "DataConfig", split: str, seed: int, cache_bytes: int = CACHE_BYTES) -> PairDataset:
    """One split ("train" or "val") of the configured dataset at the configured size.

    Photographs: `config.train` / `config.val` take that many pairs evenly spread over the sorted names; None takes
    all. seed: of scenes rendered in code, unused by photographs. Pairs are kept in memory after their first reading
    if the whole split fits into `cache_bytes`.
    Raises InputError for an unknown dataset (with the nearest name), a missing path, a path to scenes rendered in code,
    and more pairs than there are.
    """
    if config.dataset not in DATASETS:
        raise InputError(f"unknown dataset '{config.dataset}': {nearest(config.dataset, DATASETS)}")
    if split not in SPLITS:
        raise InputError(f"unknown split '{split}': {nearest(split, SPLITS)}")
    dataset = DATASETS[config.dataset](config, split, seed)
    return Cached(dataset, config.dataset in RENDERED) if memory_bound(dataset) <= cache_bytes else dataset


def _counted(dataset: PairDataset, count: int | None, split: str, path: str) -> PairDataset:
    if count is None or count == len(dataset):
        return dataset
    if count > len(dataset):
        raise InputError(f"data.{split}={count}: {path} has {len(dataset)} {split} pairs; "
                         f"set data.{split}={len(dataset)} or less, or null for all")
    return Subset(dataset, count)
