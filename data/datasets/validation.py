"""Photographs and layouts to score images against, not to train on: every pair is a validation pair.

    FOLDER/photos/NAME.jpg     FOLDER/layouts/NAME.png
    FOLDER/labels.yaml (or .json), optional, see data/label_file.py

If the subfolders photos/val and layouts/val exist, only they are used; pairs in photos/train and layouts/train, if any,
are the training pairs. Without a file that names the classes, each id found in the layouts is a class "id 7"; 255 is
void.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.datasets.folder import label_file
from data.files import read_image
from data.label_file import palette
from data.labels import LabelSpace
from data.photographs import FilePair, PhotoPairs, match_folders, require_folder

CONTENTS = "photos/ and layouts/, files of one name in both"
VOID_ID = 255


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" (may be empty) or "val". size: (H, W) of the pairs. Raises InputError, see
    data.photographs."""
    photos = require_folder(folder / "photos", f"photographs beside layouts/ in {folder}")
    val = _pairs(folder, "val" if (photos / "val").is_dir() else "")
    named = any((folder / f"labels.{ending}").exists() for ending in ("json", "yaml"))
    labels = label_file(folder).labels if named else labels_found(val)
    if split == "val":
        return PhotoPairs(val, labels, size)
    return PhotoPairs(_pairs(folder, "train") if (photos / "train").is_dir() else [], labels, size)


def _pairs(folder: Path, part: str) -> list[FilePair]:
    return match_folders(folder / "photos" / part, folder / "layouts" / part, CONTENTS)


def labels_found(files: Sequence[FilePair]) -> LabelSpace:
    """A class for each id in the layouts, in their order, and void."""
    ids = sorted({int(i) for file in files for i in np.unique(read_image(file.layout, "L"))} - {VOID_ID})
    names = (*(f"id {i}" for i in ids), "void")
    return LabelSpace(names, palette(len(names)), {i: index for index, i in enumerate([*ids, VOID_ID])})
