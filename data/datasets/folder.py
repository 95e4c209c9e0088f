"""Anyone's own pairs: photographs, label maps with the same file stems, and a file that names the classes.

    FOLDER/photos/NAME.jpg     FOLDER/layouts/NAME.png     FOLDER/labels.yaml (or .json), see data/label_file.py

Split, in one of two ways:
- subfolders photos/train, photos/val, layouts/train, layouts/val: the folders are the splits;
- no subfolders: a pair belongs to val when the SHA-256 of its name, as a fraction of the largest hash, is below
  `val_fraction` of labels.yaml (0.2 unless given). New pairs never move older ones into the other split.
The `dataset/` folder of a run directory has this form too.
"""

import hashlib
from pathlib import Path

from data.errors import InputError
from data.label_file import LabelFile, read_label_file
from data.photographs import FilePair, PhotoPairs, match_folders, require_folder

CONTENTS = "photos/, layouts/ and labels.yaml"


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" or "val". size: (H, W) of the pairs. Raises InputError, see data.photographs."""
    photos = require_folder(folder / "photos", f"photographs beside layouts/ in {folder}")
    described = label_file(folder)
    if any((photos / name).is_dir() for name in ("train", "val")):
        files = match_folders(photos / split, folder / "layouts" / split, f"the {split} split of {folder}")
    else:
        files = _by_hash(match_folders(photos, folder / "layouts", CONTENTS), split, folder, described)
    return PhotoPairs(files, described.labels, size)


def label_file(folder: Path) -> LabelFile:
    json = folder / "labels.json"
    return read_label_file(json if json.exists() else folder / "labels.yaml")


def in_val(name: str, fraction: float) -> bool:
    """Whether a pair of this name belongs to the val split: a function of the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) < fraction * (1 << 64)


def _by_hash(files: list[FilePair], split: str, folder: Path, described: LabelFile) -> list[FilePair]:
    chosen = [file for file in files if in_val(file.name, described.val_fraction) == (split == "val")]
    if not chosen:
        raise InputError(f"{folder}: none of the {len(files)} pairs falls into the {split} split by the hash of its "
                         f"name (val_fraction {described.val_fraction:g}); change val_fraction in labels.yaml or sort "
                         "the files into photos/train, photos/val, layouts/train, layouts/val")
    return chosen
