"""CamVid (Brostow, Fauqueur, Cipolla 2009) in the layout of the SegNet tutorial: 11 classes and void, 360x480.

    FOLDER/train/NAME.png (or .jpg)   FOLDER/trainannot/NAME.png
    FOLDER/val/NAME.png (or .jpg)     FOLDER/valannot/NAME.png
    FOLDER/train.txt, val.txt         optional: "/SegNet/CamVid/train/NAME.png /SegNet/CamVid/trainannot/NAME.png"

A list chooses the pairs, which come sorted by name; without a list a split is all of its folder.
"""

from pathlib import Path

from data.errors import InputError
from data.labels import LabelSpace
from data.photographs import (
    FilePair,
    PhotoPairs,
    images_by_name,
    match_folders,
    near_miss,
    read_lines,
    same_name,
)

CONTENTS = "train/, trainannot/, val/ and valannot/ as in the SegNet tutorial's copy of CamVid"

LABELS = LabelSpace(
    names=("sky", "building", "pole", "road", "pavement", "tree", "sign or symbol", "fence", "car", "pedestrian",
           "bicyclist", "void"),
    colours=((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
             (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0)))


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" (367 pairs) or "val" (101). size: (H, W) of the pairs. Raises InputError, see data.photographs."""
    listing = folder / f"{split}.txt"
    if listing.exists():
        files = _listed(folder, listing)
    else:
        files = match_folders(folder / split, folder / f"{split}annot", CONTENTS)
    return PhotoPairs(files, LABELS, size)


def _listed(folder: Path, listing: Path) -> list[FilePair]:
    """The tutorial's lists name another machine's folders and PNG photographs: only folder and stem count."""
    by_folder: dict[str, dict[str, Path]] = {}
    pairs = {}
    for line in read_lines(listing):
        columns = line.split()
        if len(columns) != 2:
            raise InputError(f"{listing}: expected 'PHOTO LAYOUT' in every line, got '{line}'")
        photo, layout = (_find(folder, Path(column), listing, by_folder) for column in columns)
        name = same_name(photo.stem)
        if name != same_name(layout.stem):
            raise InputError(f"{listing} pairs {photo.parent.name}/{photo.name} with "
                             f"{layout.parent.name}/{layout.name}; expected the same name")
        if name in pairs:
            raise InputError(f"{listing}: '{name}' is listed twice")
        pairs[name] = FilePair(name, photo, layout)
    return [pairs[name] for name in sorted(pairs)]


def _find(folder: Path, listed: Path, listing: Path, by_folder: dict[str, dict[str, Path]]) -> Path:
    parent = listed.parent.name
    if parent not in by_folder:
        by_folder[parent] = images_by_name(folder / parent)
    name = same_name(listed.stem)
    if name not in by_folder[parent]:
        raise InputError(f"{listing} names {parent}/{listed.name}, but {folder / parent} has no such image"
                         f"{near_miss(name, folder / parent)}")
    return by_folder[parent][name]
