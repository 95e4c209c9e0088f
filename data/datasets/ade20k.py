"""ADE20K, scene parsing release (Zhou et al. 2017): 150 classes and void; 20210 training and 2000 validation pairs.

    FOLDER/images/{training,validation}/NAME.jpg    FOLDER/annotations/{training,validation}/NAME.png
    FOLDER/objectInfo150.txt

Raw id 0 is "other", which is void here; 1..150 are the classes in the order of objectInfo150.txt.
"""

from pathlib import Path

from data.errors import InputError
from data.label_file import palette
from data.labels import LabelSpace
from data.photographs import PhotoPairs, match_folders, read_lines

CONTENTS = "images/, annotations/ and objectInfo150.txt of ADEChallengeData2016"
FOLDERS = {"train": "training", "val": "validation"}
CLASSES = 150


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" or "val". size: (H, W) of the pairs. Raises InputError, see data.photographs."""
    part = FOLDERS[split]
    files = match_folders(folder / "images" / part, folder / "annotations" / part, CONTENTS)
    return PhotoPairs(files, read_labels(folder / "objectInfo150.txt"), size)


def read_labels(file: Path) -> LabelSpace:
    """The first synonym of each class of objectInfo150.txt (tab-separated, the id first, the names last)."""
    if not file.exists():
        raise InputError(f"{file}: no such file; it comes with the dataset and names the classes")
    rows = [line.split("\t") for line in read_lines(file)[1:]]
    if [row[0].strip() for row in rows] != [str(i) for i in range(1, CLASSES + 1)]:
        raise InputError(f"{file}: expected a header and {CLASSES} rows with ids 1..{CLASSES}, got {len(rows)} rows")
    names = [row[-1].split(",")[0].strip() for row in rows]
    mapping = {0: CLASSES} | {i + 1: i for i in range(CLASSES)}
    return LabelSpace((*names, "void"), tuple(palette(CLASSES + 1)), mapping)
