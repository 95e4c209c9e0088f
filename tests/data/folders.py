"""Small folders of pairs, and the line that reading one ends with."""

import json

import numpy as np
import pytest
from PIL import Image

from data import open_dataset
from data.errors import InputError
from data.files import read_image, write_png
from presets.schema import DataConfig

SIZE = (16, 32)
LABELS = {"names": ["road", "car", "void"], "colours": [[128, 64, 128], [0, 0, 142], [0, 0, 0]]}


def config(dataset, path, size=SIZE, train=None, val=None):
    return DataConfig(dataset=dataset, path=str(path), size=list(size), train=train, val=val)


def photo(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def layout(ids, size=SIZE, seed=0):
    return np.random.default_rng(seed).choice(np.asarray(ids, dtype=np.uint8), size)


def write_pairs(photos, layouts, names, ids=(0, 1, 2), seed=0):
    for i, name in enumerate(names, seed):
        write_png(photos / f"{name}.png", photo(i))
        write_png(layouts / f"{name}.png", layout(ids, seed=i))


def write_labels(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.yaml").write_text(json.dumps(LABELS | changes))


def error_line(dataset, path, split="train", read=False):
    with pytest.raises(InputError) as caught:
        opened = open_dataset(config(dataset, path), split, seed=0)
        if read:
            for index in range(len(opened)):
                opened[index]
    message = str(caught.value)
    assert "\n" not in message
    return message


def as_jpeg(file, **options):
    """The file with the same pixels, compressed with loss, under the same name."""
    Image.fromarray(read_image(file, "L")).save(file, **(options or {"format": "JPEG", "quality": 75}))
    return file
