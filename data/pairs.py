"""What every dataset is: a sequence of named layout-photograph pairs over one label space."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from data.labels import LabelSpace


@dataclass(frozen=True)
class Pair:
    """name: file stem, unique in its split. photo: uint8 [3, H, W]. layout: uint8 [H, W] class indices.

    instances: uint8 [H, W], 0 = none, i = the i-th entry of modes["cars"] (scenes rendered in code only).
    modes: the appearance that was drawn for this layout, where it is known (scenes rendered in code only).
    """

    name: str
    photo: np.ndarray
    layout: np.ndarray
    instances: np.ndarray | None = None
    modes: dict[str, Any] = field(default_factory=dict)


class PairDataset(Protocol):
    """One split of one dataset at one size. Reading an item is deterministic."""

    labels: LabelSpace
    size: tuple[int, int]  # (H, W) of every photo and layout

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...

    def name(self, index: int) -> str:
        """Name of item `index` without reading its pixels."""
        ...


def pairs_key(dataset: PairDataset, read: int = 8) -> str:
    """SHA-256 over the names of all pairs and the pixels of `read` of them, evenly spread: differs for another dataset
    and for exchanged photographs, without reading everything."""
    digest = hashlib.sha256("\n".join(dataset.name(i) for i in range(len(dataset))).encode())
    for i in np.unique(np.linspace(0, len(dataset) - 1, min(read, len(dataset))).astype(int)):
        pair = dataset[int(i)]
        for pixels in (pair.photo, pair.layout):
            digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
