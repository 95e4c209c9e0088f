"""Whether the pairs of a split are plausible: shares of classes, ids of another convention, blank photographs."""

from collections.abc import Sequence

import numpy as np

from data.errors import InputError
from data.labels import LabelSpace
from data.pairs import Pair

UNUSABLE_VOID, MUCH_VOID = 0.99, 0.5  # shares of void above which a split is refused, and reported
SHOWN = 4  # names in a line

# Classes that cover much of photographs wherever a dataset has them. If they cover little, but would cover much with
# every id one lower or higher, the files count from another number than the names.
LARGE_CLASSES = {"person", "road", "sidewalk", "pavement", "building", "building-other", "sky", "sky-other", "tree",
                 "vegetation", "grass", "wall", "wall-concrete", "wall-other", "floor", "floor-wood", "ceiling", "snow",
                 "sea", "clouds"}
LARGE_SHARE, SMALLER_BY = 0.3, 0.5  # of the pixels, shifted; and of that share, as the files are read


class SplitBalance:
    """Adds up the pairs of one split.

    counts: pixels of each class, int64 [C], void last.
    blank: names of photographs that have one colour throughout.
    """

    def __init__(self, labels: LabelSpace):
        self.labels = labels
        self.counts = np.zeros(len(labels), np.int64)
        self.blank: list[str] = []

    def add(self, pair: Pair) -> None:
        self.counts += np.bincount(pair.layout.ravel(), minlength=len(self.labels))
        if (pair.photo == pair.photo[:, :1, :1]).all():
            self.blank.append(pair.name)

    def refusal(self) -> str | None:
        """Why nothing can be learned or scored with these layouts; None where something can."""
        void = self._share_of_void()
        if void >= UNUSABLE_VOID:
            return f"{void:.1%} of all pixels are void: the ids in the files do not seem to be those of the labels"
        present = [name for name, count in zip(self.labels.names, self.counts[:-1], strict=False) if count]
        if len(present) == 1:
            return f"'{present[0]}' is the only class that occurs: there is nothing to tell apart"
        return None

    def doubts(self) -> list[str]:
        """What a reader should know before hours of training, one line each."""
        void = self._share_of_void()
        found = [f"{void:.0%} of all pixels are void"] if void >= MUCH_VOID else []
        beyond = _ids_beyond_classes(self.labels)
        if len(beyond) >= 3 and not self.counts[beyond].any():
            names = ", ".join(self.labels.names[index] for index in beyond[:SHOWN])
            found.append(f"none of the {len(beyond)} classes with ids from {self.labels.void} on ({names}, ...) "
                         "occurs: the files seem to hold class indices (train ids), not the ids of the dataset")
        found += self._shifted()
        if self.blank:
            names = ", ".join(self.blank[:SHOWN]) + (", ..." if len(self.blank) > SHOWN else "")
            found.append(f"{len(self.blank)} photographs have one colour throughout ({names})")
        return found

    def _share_of_void(self) -> float:
        return self.counts[self.labels.void] / max(1, self.counts.sum())

    def _shifted(self) -> list[str]:
        large = np.array([name.lower() in LARGE_CLASSES for name in self.labels.names])
        total = max(1, self.counts.sum())
        share = self.counts[large].sum() / total
        for step, way in ((1, "higher"), (-1, "lower")):
            # classes that the pixels of the large ones would be read as
            shifted = self.counts[np.roll(large, step) & (np.arange(len(large)) != self.labels.void)].sum() / total
            if large.sum() > 2 and shifted > LARGE_SHARE and share < SMALLER_BY * shifted:
                names = ", ".join(name for name, is_large in zip(self.labels.names, large, strict=True) if is_large)
                return [f"the largest classes of most photographs ({names}) cover {share:.0%} of all pixels, but would "
                        f"cover {shifted:.0%} if the ids in the files were one {way} than those of the labels"]
        return []


def _ids_beyond_classes(labels: LabelSpace) -> Sequence[int]:
    """Classes all of whose raw ids are larger than any class index."""
    if labels.raw_to_class is None:
        return []
    smallest: dict[int, int] = {}
    for raw, index in labels.raw_to_class.items():
        smallest[index] = min(raw, smallest.get(index, raw))
    return [index for index, raw in sorted(smallest.items()) if raw >= labels.void and index != labels.void]


def check_balance(balance: SplitBalance, split: str) -> list[str]:
    """Doubts about a split, one line each. Raises InputError where nothing can be learned from it."""
    if why := balance.refusal():
        raise InputError(f"the {split} split: {why}")
    return [f"the {split} split: {doubt}" for doubt in balance.doubts()]
