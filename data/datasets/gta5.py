"""GTA5, "Playing for Data" (Richter et al. 2016): the classes of Cityscapes, 12403 training and 6382 test pairs.

    FOLDER/images/00001.png    FOLDER/labels/00001.png    FOLDER/split.mat (of the dataset's page)

The official label maps are palette images whose stored index is the Cityscapes raw id; 34 is a licence plate.
train is `trainIds` of split.mat, val is `valIds`: the 6382 pairs that the paper's code calls the test set.
train.txt and val.txt with one name per line, where both exist, are used instead of split.mat: some published pairs
differ in size and some copies lack files; lists leave such pairs out on purpose.
"""

from pathlib import Path

from data.datasets.cityscapes import RAW_IDS, label_space
from data.errors import InputError
from data.matlab import read_mat
from data.photographs import (
    FilePair,
    PhotoPairs,
    images_by_name,
    near_miss,
    read_lines,
    require_folder,
    same_name,
)

CONTENTS = "images/, labels/ and split.mat"
LABELS = label_space(RAW_IDS + 1)


def open_split(folder: Path, split: str, size: tuple[int, int]) -> PhotoPairs:
    """split: "train" or "val". size: (H, W) of the pairs. Raises InputError, see data.photographs."""
    photos = images_by_name(require_folder(folder / "images", CONTENTS))
    layouts = images_by_name(require_folder(folder / "labels", CONTENTS))
    source, names = _names(folder, split)
    for kind, known in (("images", photos), ("labels", layouts)):
        if missing := [name for name in names if name not in known]:
            raise InputError(f"{source} names {len(missing)} pairs of the {split} split that {folder / kind} lacks, "
                             f"the first is '{missing[0]}'{near_miss(missing[0], folder / kind)}; get the files, or "
                             "give train.txt and val.txt with the names to use")
    return PhotoPairs([FilePair(name, photos[name], layouts[name]) for name in names], LABELS, size)


def _names(folder: Path, split: str) -> tuple[Path, list[str]]:
    lists = {name: folder / f"{name}.txt" for name in ("train", "val")}
    if all(file.exists() for file in lists.values()):
        return lists[split], sorted({same_name(Path(line).stem) for line in read_lines(lists[split])})
    file = folder / "split.mat"
    if not file.exists():
        raise InputError(f"{file}: no such file; it comes with the dataset and defines the train and val pairs "
                         "(or give train.txt and val.txt with one name per line)")
    return file, [f"{number:05d}" for number in sorted(_ids(file, f"{split}Ids"))]


def _ids(file: Path, key: str) -> list[int]:
    content = read_mat(file, [key])
    if key not in content or content[key].size == 0:
        raise InputError(f"{file}: no ids under '{key}'; expected the dataset's own split.mat")
    return content[key].ravel().astype(int).tolist()
