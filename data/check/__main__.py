"""Walk a dataset as a run would read it, and say everything that is wrong with it.

    python -m data.check camvid PATH
    python -m data.check folder PATH --set size=[256,512] val=200 --out sheet.png

Prints pairs of each split, sizes, share of each class and of void, and every problem: files without a partner, broken
files, ids that are no labels, sizes that differ in a pair, photographs that occur twice, within a split or in both.
Writes a contact sheet of pairs with a legend. The exit code is 1 where there are problems.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import ValidationError

from data import DATASETS, SPLITS, open_dataset
from data.check.balance import count_classes, doubts, nonsense
from data.check.sheet import contact_sheet
from data.configuration import DataConfig, apply_settings, first_problem
from data.errors import InputError, one_line_errors
from data.files import atomic_path
from data.labels import LabelSpace
from data.pairs import Pair, PairDataset
from data.photographs import complaints
from data.views import Subset

SHOWN = 6  # pairs of each split on the contact sheet


@dataclass
class Split:
    """What one walk over a split found."""

    name: str
    labels: LabelSpace | None = None
    pairs: int = 0
    read: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # of the files, (height, width)
    counts: np.ndarray | None = None  # pixels of each class, as read
    photos: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # hash of the pixels -> names
    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    shown: list[Pair] = field(default_factory=list)


def walk(config: DataConfig, name: str) -> Split:
    """Read every pair of a split and keep going where one cannot be read."""
    split = Split(name)
    try:
        with complaints() as unpaired:
            dataset = open_dataset(config, name, config.seed, cache_bytes=0)
    except InputError as error:
        split.problems = [*unpaired, str(error)]
        return split
    split.problems += unpaired
    split.labels, split.pairs = dataset.labels, len(dataset)
    split.counts = np.zeros(len(dataset.labels), np.int64)
    split.sizes = Counter(_file_sizes(dataset))
    picks = set(np.linspace(0, len(dataset) - 1, SHOWN).astype(int).tolist())
    for index in range(len(dataset)):
        try:
            pair = dataset[index]
        except InputError as error:
            split.problems.append(str(error))
            continue
        split.read += 1
        split.counts += count_classes(pair.layout, dataset.labels)
        split.photos[hashlib.sha256(pair.photo.tobytes()).hexdigest()].append(pair.name)
        if index in picks:
            split.shown.append(pair)
    if split.read:
        split.problems += [why] if (why := nonsense(split.counts, split.labels)) else []
        split.doubts = doubts(split.counts, split.labels)
    return split


def _file_sizes(dataset: PairDataset) -> Iterator[tuple[int, int]]:
    """Height and width of each photograph's file; nothing for datasets that are no image files."""
    if isinstance(dataset, Subset):
        files = getattr(dataset.dataset, "files", None)
        files = [files[index] for index in dataset.indices] if files else None
    else:
        files = getattr(dataset, "files", None)
    for file in files or []:
        try:
            with Image.open(file.photo) as image:
                yield image.height, image.width
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # told when the pair is read


def twins(splits: list[Split]) -> list[str]:
    """Photographs with the same pixels, within a split and in both."""
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


def by_split(splits: list[Split]) -> list[str]:
    """Every problem with the splits that have it: what is wrong with the folder itself is one problem, not two."""
    lines = dict.fromkeys(line for split in splits for line in split.problems)
    return [f"{', '.join(split.name for split in splits if line in split.problems)}: {line}" for line in lines]


def report(splits: list[Split]) -> list[str]:
    lines = []
    for split in splits:
        sizes = ", ".join(f"{h}x{w}" + (f" ({n})" if len(split.sizes) > 1 else "")
                          for (h, w), n in split.sizes.most_common(4))
        more = f" and {len(split.sizes) - 4} other sizes" if len(split.sizes) > 4 else ""
        unread = f", {split.pairs - split.read} of them not readable" if split.read < split.pairs else ""
        lines.append(f"{split.name}: {split.pairs} pairs{unread}{'; files of ' + sizes + more if sizes else ''}")
        if split.read:
            shares = split.counts / split.counts.sum()
            order = np.argsort(-shares[:-1], kind="stable")
            lines += [f"  {split.labels.names[i]:24} {shares[i]:7.2%}" for i in (*order, split.labels.void)]
        lines += [f"  doubt: {doubt}" for doubt in split.doubts]
    return lines


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m data.check", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("dataset", metavar="NAME", help=", ".join(DATASETS))
    usage.add_argument("path", metavar="PATH", nargs="?", help="its folder; none for scenes rendered in code")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
                       help="size, train, val, seed, as data.* in a preset; without train and val all pairs are read")
    usage.add_argument("--out", type=Path, metavar="FILE.png", help="contact sheet; default: NAME-check.png, here")
    return usage


def configuration(args: argparse.Namespace) -> DataConfig:
    values = {"train": None, "val": None}
    given = [f"dataset={json.dumps(args.dataset)}", *([f"path={json.dumps(args.path)}"] if args.path else [])]
    apply_settings(values, [*given, *(setting.removeprefix("data.") for setting in args.settings)])
    try:
        return DataConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(f"data: {first_problem(error, DataConfig)}") from None


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("data.check"):
        config = configuration(args)
        splits = [walk(config, name) for name in SPLITS]
        print("\n".join(report(splits)))
        problems = by_split(splits) + twins(splits)
        for line in problems:
            print(f"problem: {line}")
        if any(split.shown for split in splits):
            out = args.out or Path(f"{args.dataset}-check.png")
            with atomic_path(out) as temporary:
                contact_sheet(splits).save(temporary, format="PNG")
            print(f"contact sheet: {out}")
        print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'} in {sum(s.pairs for s in splits)} pairs")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
