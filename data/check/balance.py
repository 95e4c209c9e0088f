"""Whether the layouts of a split say anything: shares of classes and void, and ids of another convention."""

from collections.abc import Sequence

import numpy as np

from data.errors import InputError
from data.labels import LabelSpace

NOTHING_LEFT, MUCH_VOID = 0.99, 0.5  # shares of void above which a split is refused, and told


def count_classes(layout: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Pixels of each class, int64 [C], of a layout [H, W]."""
    return np.bincount(layout.ravel(), minlength=len(labels))


def nonsense(counts: np.ndarray, labels: LabelSpace) -> str | None:
    """Why nothing can be learned or scored with these layouts. counts: pixels of each class, void last."""
    void = counts[labels.void] / max(1, counts.sum())
    if void >= NOTHING_LEFT:
        return f"{void:.1%} of all pixels are void: the ids in the files are hardly those that the labels list"
    present = [name for name, count in zip(labels.names, counts[:-1], strict=False) if count]
    if len(present) == 1:
        return f"'{present[0]}' is the only class that occurs: there is nothing to tell apart"
    return None


def doubts(counts: np.ndarray, labels: LabelSpace) -> list[str]:
    """What a reader should know of a split before hours of training, one line each."""
    void = counts[labels.void] / max(1, counts.sum())
    found = [f"{void:.0%} of all pixels are void"] if void >= MUCH_VOID else []
    beyond = _ids_beyond_classes(labels)
    if len(beyond) >= 3 and not counts[beyond].any():
        names = ", ".join(labels.names[index] for index in beyond[:4])
        found.append(f"none of the {len(beyond)} classes with ids from {labels.void} on ({names}, ...) occurs: the "
                     "files seem to hold class indices (train ids), not the ids of the dataset")
    return found


def _ids_beyond_classes(labels: LabelSpace) -> Sequence[int]:
    """Classes all of whose raw ids are larger than any class index."""
    if labels.raw_to_class is None:
        return []
    smallest: dict[int, int] = {}
    for raw, index in labels.raw_to_class.items():
        smallest[index] = min(raw, smallest.get(index, raw))
    return [index for index, raw in sorted(smallest.items()) if raw >= labels.void and index != labels.void]


def check_balance(counts: np.ndarray, labels: LabelSpace, split: str) -> list[str]:
    """Doubts about a split, for people. Raises InputError where it is nonsense as a whole."""
    if why := nonsense(counts, labels):
        raise InputError(f"the {split} split: {why}")
    return [f"the {split} split: {doubt}" for doubt in doubts(counts, labels)]
