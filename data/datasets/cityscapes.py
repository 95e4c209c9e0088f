"""Cityscapes (Cordts et al. 2016): 19 classes and void; 2975 training and 500 validation pairs of 1024x2048.

    FOLDER/leftImg8bit/{train,val}/CITY/NAME_leftImg8bit.png
    FOLDER/gtFine/{train,val}/CITY/NAME_gtFine_labelIds.png

The raw ids 0..33 of the labelIds files are mapped to the 19 evaluated classes as in the dataset's official scripts,
everything else to void: 20 channels, as in the paper's code. Validation cities are never seen in training.
"""

from pathlib import Path

from data.labels import LabelSpace
from data.photographs import PhotoPairs, images_by_name, match, require_folder

CONTENTS = "leftImg8bit/ and gtFine/ with train/ and val/ as unpacked from the dataset's archives"

CLASSES = (  # name, colour, raw id
    ("road", (128, 64, 128), 7), ("sidewalk", (244, 35, 232), 8), ("building", (70, 70, 70), 11),
    ("wall", (102, 102, 156), 12), ("fence", (190, 153, 153), 13), ("pole", (153, 153, 153), 17),
    ("traffic light", (250, 170, 30), 19), ("traffic sign", (220, 220, 0), 20), ("vegetation", (107, 142, 35), 21),
    ("terrain", (152, 251, 152), 22), ("sky", (70, 130, 180), 23), ("person", (220, 20, 60), 24),
    ("rider", (255, 0, 0), 25), ("car", (0, 0, 142), 26), ("truck", (0, 0, 70), 27), ("bus", (0, 60, 100), 28),
    ("train", (0, 80, 100), 31), ("motorcycle", (0, 0, 230), 32), ("bicycle", (119, 11, 32), 33),
)
RAW_IDS = 34


def label_space(raw_ids: int) -> LabelSpace:
    """The 19 classes and void over raw ids 0..raw_ids-1; every id that is none of the 19 is void."""
    void = len(CLASSES)
    mapping = dict.fromkeys(range(raw_ids), void) | {raw: i for i, (_, _, raw) in enumerate(CLASSES)}
    return LabelSpace((*(name for name, _, _ in CLASSES), "void"), (*(rgb for _, rgb, _ in CLASSES), (0, 0, 0)),
                      mapping)


LABELS = label_space(RAW_IDS)


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" or "val". size: (H, W) of the pairs. Raises InputError, see data.photographs."""
    photos = require_folder(folder / "leftImg8bit" / split, CONTENTS)
    layouts = require_folder(folder / "gtFine" / split, CONTENTS)
    files = match(images_by_name(photos, "*/*", "_leftImg8bit"), images_by_name(layouts, "*/*", "_gtFine_labelIds"),
                  photos, layouts)
    return PhotoPairs(files, LABELS, size)
