"""labels.yaml: the classes of your own pairs.

    names: [road, building, car, void]          the last one is always void
    colours: [[128, 64, 128], [70, 70, 70], [0, 0, 142], [0, 0, 0]]     optional: pictures of layouts
    raw_ids: {road: 7, building: [11, 12], car: 26, void: [0, 255]}     optional: ids in the files
    unlisted: void                              optional: class of all raw ids not listed, which are errors otherwise
    val_fraction: 0.2                           optional: share of names in the val split, see data/datasets/folder.py

Without raw_ids the label maps contain class indices: 0 for the first name, 1 for the second and so on.
A labels.json of a run directory has the same keys and is read by the same function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from data.configuration import Section, first_problem
from data.errors import InputError, nearest
from data.files import read_mapping, read_yaml
from data.labels import LabelSpace

RAW_IDS = 1 << 16  # label maps have at most 16 bits

Level = Annotated[int, Field(ge=0, le=255)]
RawId = Annotated[int, Field(ge=0, lt=RAW_IDS)] | str


class _LabelFile(Section):
    names: list[str] = Field(min_length=2)
    colours: list[Annotated[list[Level], Field(min_length=3, max_length=3)]] | None = None
    raw_ids: dict[str, RawId | list[RawId]] | None = None
    unlisted: str | None = None
    val_fraction: float = Field(0.2, gt=0, lt=1)


@dataclass(frozen=True)
class LabelFile:
    labels: LabelSpace
    val_fraction: float


def read_label_file(file: Path, raw_names: Mapping[str, int] | None = None) -> LabelFile:
    """raw_names: names that the dataset itself gives to raw ids; raw_ids may use them instead of numbers.

    Raises InputError for a missing file, broken YAML, an unknown or wrong key, ids given to two classes.
    """
    content = _validated(file)
    colours = palette(len(content.names)) if content.colours is None else content.colours
    try:
        raw_to_class = _mapping(content, raw_names)
        labels = LabelSpace(tuple(content.names), tuple((r, g, b) for r, g, b in colours), raw_to_class)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    return LabelFile(labels, content.val_fraction)


def _validated(file: Path) -> _LabelFile:
    values = read_mapping(file) if file.suffix == ".json" else \
        read_yaml(file, "it names the classes: keys names, colours, raw_ids")
    try:
        return _LabelFile.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{file}: {first_problem(error, _LabelFile)}") from None


def _mapping(content: _LabelFile, raw_names: Mapping[str, int] | None) -> dict[int, int] | None:
    if content.raw_ids is None:
        if content.unlisted is not None:
            raise InputError("'unlisted' needs 'raw_ids'")
        return None
    mapping: dict[int, int] = {}
    for name, ids in content.raw_ids.items():
        for raw in ids if isinstance(ids, list) else [ids]:
            number = _number(raw, raw_names)
            if number in mapping:
                other = content.names[mapping[number]]
                raise InputError(f"raw id {raw} belongs to two classes, '{other}' and '{name}'")
            mapping[number] = _class_index(content, name)
    if content.unlisted is None:
        return mapping
    return dict.fromkeys(range(RAW_IDS), _class_index(content, content.unlisted)) | mapping


def _class_index(content: _LabelFile, name: str) -> int:
    if name not in content.names:
        raise InputError(f"'{name}' is not among the names: {nearest(name, content.names)}")
    return content.names.index(name)


def _number(raw: int | str, raw_names: Mapping[str, int] | None) -> int:
    if isinstance(raw, int):
        return raw
    if raw_names is None:
        raise InputError(f"raw id '{raw}' is not a number")
    if raw not in raw_names:
        raise InputError(f"the dataset has no raw class '{raw}'")
    return raw_names[raw]


def palette(classes: int) -> list[tuple[int, int, int]]:
    """Distinct colours by spreading the bits of the class number over the channels (the PASCAL VOC colour map).

    The last class, void, is black.
    """
    colours = []
    for number in range(1, classes):
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((rgb[0], rgb[1], rgb[2]))
    return [*colours, (0, 0, 0)]
