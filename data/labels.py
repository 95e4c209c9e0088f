"""Label spaces: what the class indices of a layout mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.errors import InputError

SHOWN = 8  # ids, or ranges of ids, in a message


@dataclass(frozen=True)
class LabelSpace:
    """Names and colours of the classes of a layout. The last class is always void (unlabelled).

    names: C class names, the last one "void".
    colours: C RGB triples, 0..255, for pictures of layouts.
    raw_to_class: raw id in a dataset's label files -> class index; None if the files hold class indices already.
    """

    names: Sequence[str]
    colours: Sequence[tuple[int, int, int]]
    raw_to_class: Mapping[int, int] | None = None
    _table: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        if len(self.names) != len(self.colours):
            raise InputError(f"label space: {len(self.names)} names but {len(self.colours)} colours")
        if len(set(self.names)) != len(self.names):
            raise InputError("label space: a class name is used twice")
        if self.names[-1] != "void":
            raise InputError(f"label space: the last class must be 'void', got '{self.names[-1]}'")
        if len(self.names) > 256:
            raise InputError(f"label space: at most 256 classes fit uint8 layouts, got {len(self.names)}")
        mapping = self.raw_to_class if self.raw_to_class is not None else {i: i for i in range(len(self.names))}
        table = np.full(1 << 16, -1, dtype=np.int32)
        for raw, index in mapping.items():
            if not 0 <= index < len(self.names):
                raise InputError(f"label space: raw id {raw} maps to class {index}, expected 0..{len(self.names) - 1}")
            table[raw] = index
        object.__setattr__(self, "_table", table)

    def __len__(self) -> int:
        """Number of classes, void included (the C of a one-hot layout)."""
        return len(self.names)

    @property
    def void(self) -> int:
        return len(self.names) - 1

    def from_raw(self, raw: np.ndarray, file: Path | str) -> np.ndarray:
        """Class indices uint8 [H, W] of a raw label map [H, W].

        Raises InputError naming the file, the offending ids and the ids expected.
        """
        if raw.ndim != 2:
            raise InputError(f"{file}: a label map is [height, width], got shape {list(raw.shape)}")
        raw = raw.astype(np.int64)
        classes = np.where((raw >= 0) & (raw < len(self._table)), self._table[raw.clip(0, len(self._table) - 1)], -1)
        if (classes < 0).any():
            wrong = np.unique(raw[classes < 0])
            shown = ", ".join(map(str, wrong[:SHOWN])) + (", ..." if len(wrong) > SHOWN else "")
            raise InputError(f"{file}: label ids {shown} are outside the label space; expected {self._expected()}")
        return classes.astype(np.uint8)

    def _expected(self) -> str:
        """The known ids: 0..181, 255."""
        ids = np.flatnonzero(self._table >= 0)
        ranges = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1)
        shown = [str(part[0]) if len(part) == 1 else f"{part[0]}..{part[-1]}" for part in ranges]
        return ", ".join(shown[:SHOWN] + [f"and {len(shown) - SHOWN} more ranges"] * (len(shown) > SHOWN))

    def colourise(self, layout: np.ndarray) -> np.ndarray:
        """uint8 [H, W] class indices -> uint8 [H, W, 3] picture."""
        return np.asarray(self.colours, dtype=np.uint8)[layout]

    def to_json(self) -> dict:
        return {"names": list(self.names), "colours": [list(c) for c in self.colours]}

    @classmethod
    def from_json(cls, value: dict) -> "LabelSpace":
        return cls(value["names"], [tuple(c) for c in value["colours"]])
