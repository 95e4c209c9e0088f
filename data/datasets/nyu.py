"""NYU Depth v2, labelled set (Silberman et al. 2012): 1449 pairs of 480x640, the first 1200 train, the last 249 test.

    FOLDER/nyu_depth_v2_labeled.mat     FOLDER/labels.yaml
or, exported,
    FOLDER/photos/0001.png ...          FOLDER/layouts/0001.png ...          FOLDER/labels.yaml

The split goes by these numbers, so the names are 0001 to 1449.
The paper does not state its classes, so labels.yaml defines them (see data/label_file.py): its raw_ids are the
ids 0..894 of the label maps (0 is unlabelled) or, for the .mat file, the class names stored in it; `unlisted: void`
sends every other id to void. The .mat file needs the package h5py. Depth is not used.
"""

from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputError
from data.label_file import read_label_file
from data.labels import LabelSpace
from data.pairs import Pair
from data.photographs import PhotoPairs, check_same_size, make_pair, match_folders

CONTENTS = "labels.yaml and either nyu_depth_v2_labeled.mat or photos/ and layouts/"
MAT = "nyu_depth_v2_labeled.mat"
TRAIN, TOTAL = 1200, 1449


class MatPairs:
    """A PairDataset over the official .mat file, which is HDF5 with MATLAB's reversed axes."""

    def __init__(self, file: Path, indices: range, labels: LabelSpace, size: tuple[int, int]):
        self.file, self.indices, self.labels, self.size = file, indices, labels, (int(size[0]), int(size[1]))

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return f"{self.indices[index] + 1:04d}"  # MATLAB counts from 1

    def __getitem__(self, index: int) -> Pair:
        """Raises InputError for a damaged file or a label id that labels.yaml does not list."""
        where = f"{self.file}, image {self.name(index)}"
        with _open(self.file) as content:  # opened per item: HDF5 handles do not survive a fork
            try:
                photo = content["images"][self.indices[index]].transpose(2, 1, 0)  # (3, W, H) -> (H, W, 3)
                raw = content["labels"][self.indices[index]].T  # (W, H) -> (H, W)
            except OSError as error:
                raise InputError(f"{where}: damaged file ({error})") from None
        check_same_size(photo, raw, where, "(labels)")
        return make_pair(self.name(index), np.ascontiguousarray(photo), self.labels.from_raw(raw, where), self.size)


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs | MatPairs:
    """split: "train" or "val" (the paper's test set). size: (H, W) of the pairs. Raises InputError."""
    indices = range(TRAIN) if split == "train" else range(TRAIN, TOTAL)
    file = folder / MAT
    if file.exists():
        labels = read_label_file(folder / "labels.yaml", _check_and_name(file)).labels
        return MatPairs(file, indices, labels, size)
    files = match_folders(folder / "photos", folder / "layouts", CONTENTS)
    _check_total(len(files), folder)
    _check_names([file.name for file in files], folder / "photos")
    return PhotoPairs([files[i] for i in indices], read_label_file(folder / "labels.yaml").labels, size)


def _check_total(number: int, where: Path) -> None:
    if number != TOTAL:
        raise InputError(f"{where}: {number} pairs, but the split of the labelled NYUv2 set counts {TOTAL}; for other "
                         "pairs use the dataset 'folder'")


def _check_names(names: list[str], where: Path) -> None:
    """Unpadded numbers sort as text (1, 10, 100), and numbers from 0 are shifted: both would give another split."""
    for number, name in enumerate(names, 1):
        if name != f"{number:04d}":
            raise InputError(f"{where}: '{name}' where '{number:04d}' is expected; the split of the labelled NYUv2 set "
                             f"goes by the names 0001 to {TOTAL:04d}")


def _open(file: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError(f"{file}: reading it needs the package h5py (the extra 'nyu' of this suite), or export the "
                         "pairs to photos/ and layouts/") from None
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise InputError(f"{file}: not a readable HDF5 (MATLAB 7.3) file ({error})") from None


def _check_and_name(file: Path) -> dict[str, int]:
    """Check the arrays of the file and return its class names with their ids, from 1."""
    with _open(file) as content:
        for key in ("images", "labels", "names"):
            if key not in content:
                raise InputError(f"{file}: no array '{key}'; expected the official labelled NYUv2 file")
        _check_total(min(len(content["images"]), len(content["labels"])), file)
        references = np.asarray(content["names"]).ravel()
        return {"".join(map(chr, np.asarray(content[ref]).ravel())): i for i, ref in enumerate(references, 1)}
