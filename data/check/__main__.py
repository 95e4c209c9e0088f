"""Read a dataset as a run would and report everything that is wrong with it.

    python -m data.check camvid PATH
    python -m data.check folder PATH --set size=[256,512] val=200 --out sheet.png

Prints the pairs of each split, their sizes, the share of each class and of void, and every problem: files without a
partner, broken files, unknown label ids, pairs of two sizes, photographs that occur twice, within a split or in both.
Writes a contact sheet of some pairs with a legend. The exit code is 1 if there are problems.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from data import DATASETS, SPLITS
from data.check.sheet import contact_sheet
from data.check.walk import CheckedSplit, duplicates, walk
from data.configuration import DataConfig, apply_settings, first_problem
from data.errors import InputError, one_line_errors
from data.files import atomic_path


def by_split(splits: list[CheckedSplit]) -> list[str]:
    """Each problem once, with the splits that have it: a fault of the folder itself is one problem, not two."""
    lines = dict.fromkeys(line for split in splits for line in split.problems)
    return [f"{', '.join(split.name for split in splits if line in split.problems)}: {line}" for line in lines]


def report(splits: list[CheckedSplit]) -> list[str]:
    lines = []
    for split in splits:
        sizes = ", ".join(f"{h}x{w}" + (f" ({n})" if len(split.sizes) > 1 else "")
                          for (h, w), n in split.sizes.most_common(4))
        more = f" and {len(split.sizes) - 4} other sizes" if len(split.sizes) > 4 else ""
        unread = f", {split.pairs - split.read} of them unreadable" if split.read < split.pairs else ""
        lines.append(f"{split.name}: {split.pairs} pairs{unread}{'; files of ' + sizes + more if sizes else ''}")
        if split.read:
            labels, shares = split.balance.labels, split.balance.counts / split.balance.counts.sum()
            order = np.argsort(-shares[:-1], kind="stable")
            lines += [f"  {labels.names[i]:24} {shares[i]:7.2%}" for i in (*order, labels.void)]
        lines += [f"  doubt: {doubt}" for doubt in split.doubts]
    return lines


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m data.check", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("dataset", metavar="NAME", help=", ".join(DATASETS))
    usage.add_argument("path", metavar="PATH", nargs="?", help="its folder; none for scenes rendered in code")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
                       help="size, train, val, seed, as data.* in a preset; without train and val all pairs are read")
    usage.add_argument("--out", type=Path, metavar="FILE.png",
                       help="contact sheet; default: NAME-check.png in the working directory")
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
        problems = by_split(splits) + duplicates(splits)
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
