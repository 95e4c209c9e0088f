"""COCO-Stuff (Caesar et al. 2018): 182 things and stuff and void; the 2017 splits of COCO.

    FOLDER/images/{train2017,val2017}/NAME.jpg    FOLDER/annotations/{train2017,val2017}/NAME.png
    FOLDER/labels.txt

annotations/ contains the pixel maps of stuffthingmaps_trainval2017: ids 0..181, and 255 where nothing is labelled.
labels.txt comes with the dataset's repository; its numbers are the ids plus one ("1: person").
"""

from pathlib import Path

from data.errors import InputError
from data.label_file import palette
from data.labels import LabelSpace
from data.photographs import PhotoPairs, match_folders, read_lines

CONTENTS = "images/, annotations/ and labels.txt"
CLASSES = 182


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" or "val". size: (H, W) of the pairs. Raises InputError, see data.photographs."""
    part = f"{split}2017"
    files = match_folders(folder / "images" / part, folder / "annotations" / part, CONTENTS)
    return PhotoPairs(files, read_labels(folder / "labels.txt"), size)


def read_labels(file: Path) -> LabelSpace:
    """Classes 1..182 of labels.txt, each line "NUMBER: NAME"."""
    if not file.exists():
        raise InputError(f"{file}: no such file; it comes with the repository of COCO-Stuff and names the classes")
    rows = dict(line.split(": ", 1) for line in read_lines(file) if ": " in line)
    numbers = [str(i) for i in range(1, CLASSES + 1)]
    if missing := [number for number in numbers if number not in rows]:
        raise InputError(f"{file}: no line '{missing[0]}: NAME'; expected 'NUMBER: NAME' for 1..{CLASSES}")
    mapping = {i: i for i in range(CLASSES)} | {255: CLASSES}
    return LabelSpace((*(rows[number] for number in numbers), "void"), tuple(palette(CLASSES + 1)), mapping)
