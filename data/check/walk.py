"""One walk over a split of a dataset: its pairs, sizes and classes, and everything that is wrong with it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from data import open_dataset
from data.check.balance import SplitBalance
from data.configuration import DataConfig
from data.errors import InputError
from data.pairs import Pair, PairDataset
from data.photographs import collect_problems
from data.views import Subset

SHOWN = 6  # pairs of each split on the contact sheet


@dataclass
class CheckedSplit:
    """What one walk over a split found."""

    name: str
    pairs: int = 0
    read: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # of the files, (height, width)
    balance: SplitBalance | None = None  # None where the split cannot be opened
    photos: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # hash of the pixels -> names
    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    shown: list[Pair] = field(default_factory=list)


def walk(config: DataConfig, name: str) -> CheckedSplit:
    """Read every pair of a split, and go on where one cannot be read."""
    split = CheckedSplit(name)
    with collect_problems() as problems:
        try:
            dataset = open_dataset(config, name, config.seed, cache_bytes=0)
        except InputError as error:
            split.problems = [*problems, str(error)]
            return split
    split.problems, split.pairs, split.balance = list(problems), len(dataset), SplitBalance(dataset.labels)
    split.sizes = Counter(_file_sizes(dataset))
    picks = set(np.linspace(0, len(dataset) - 1, SHOWN).astype(int).tolist())
    for index in range(len(dataset)):
        try:
            pair = dataset[index]
        except InputError as error:
            split.problems.append(str(error))
            continue
        split.read += 1
        split.balance.add(pair)
        split.photos[hashlib.sha256(pair.photo.tobytes()).hexdigest()].append(pair.name)
        if index in picks:
            split.shown.append(pair)
    if split.read:
        split.problems += [why] if (why := split.balance.refusal()) else []
        split.doubts = split.balance.doubts()
    return split


def _file_sizes(dataset: PairDataset) -> Iterator[tuple[int, int]]:
    """Height and width of each photograph's file; nothing for datasets that are no image files."""
    indices = range(len(dataset))
    if isinstance(dataset, Subset):
        dataset, indices = dataset.dataset, dataset.indices
    for file in [dataset.files[index] for index in indices] if hasattr(dataset, "files") else []:
        try:
            with Image.open(file.photo) as image:
                yield image.height, image.width
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # reported when the pair is read


def duplicates(splits: list[CheckedSplit]) -> list[str]:
    """Photographs with the same pixels, within a split and in both, one line each."""
    found: dict[str, list[str]] = defaultdict(list)
    for split in splits:
        for digest, names in split.photos.items():
            found[digest] += [f"{split.name}/{name}" for name in names]
    lines = []
    for names in found.values():
        if len(names) > 1:
            both = "in training and validation: " if len({name.split("/")[0] for name in names}) > 1 else ""
            lines.append(f"the same photograph {both}{', '.join(names[:6])}{', ...' if len(names) > 6 else ''}")
    return lines
