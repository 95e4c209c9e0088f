"""The section `data` of presets, the strict base class of all sections, and how settings are merged and validated."""

import argparse
import copy
from collections.abc import Iterable
from functools import reduce
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.errors import InputError, nearest
from data.files import parse_yaml

Seed = Annotated[int, Field(ge=0, lt=1 << 32)]  # what every random generator takes
Side = Annotated[int, Field(ge=8, le=1 << 14)]
Images = Annotated[int, Field(ge=1, le=10**10)]  # numbers that a counter and a float represent exactly

# Keys of presets that have another name now, or another place. A preset with an old one is refused with the new name;
# the record of an older run is read with the new one.
RENAMED_KEYS = {
    "study.reference": "study.baseline",
    "score.judge": "judge",
    "judge.kind": "judge.source",
    "segmenter.kind": "segmenter.source",
}


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False)


class DataConfig(Section):
    dataset: str = "street"  # a key of data.DATASETS
    path: str | None = None  # folder of the dataset; None for scenes rendered in code
    size: list[Side] = Field([64, 128], min_length=2, max_length=2)  # height, width of pictures
    train: Images | None = 2000  # number of training pairs (None: all there are)
    val: Images | None = 500  # number of validation pairs (None: all); Cityscapes has 500
    seed: Seed = 0  # of scenes rendered in code; apart from the run's seed, so that seeds share their data


def merge(base: dict, over: dict) -> dict:
    """`base` with the values of `over`, section by section."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def apply_settings(values: dict, settings: Iterable[str]) -> None:
    """Put each `key=value` (dotted key, YAML value) into nested values.

    Raises InputError for anything else, and for a key that is set twice, by itself or as part of a whole section:
    the result would depend on the order.
    """
    given: dict[str, str] = {}
    for setting in settings:
        key = setting.partition("=")[0]
        for other, before in given.items():
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise InputError(f"--set {setting}: '{min(key, other, key=len)}' is set twice, before in {before}; "
                                 "set every key once")
        _apply(values, setting)
        given[key] = setting


def _apply(values: dict, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise InputError(f"--set {setting}: expected key=value, for example training.images_seen=5000")
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {setting}: '{parent}' is a value, not a section")
    try:
        values[last] = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"--set {setting}: '{text}' is not a YAML value ({error})") from None


class RenamedOption(argparse.Action):
    """An option of a command line that has another name now, `const`: an error that names it."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(f"{option_string} is now called {self.const}")


def with_new_keys(values: dict) -> dict:
    """Values of an older preset with renamed keys under their new names; a value under the new key takes precedence."""
    values = copy.deepcopy(values)
    for old, new in RENAMED_KEYS.items():
        *sections, last = old.split(".")
        section = reduce(lambda found, key: found.get(key, {}) if isinstance(found, dict) else {}, sections, values)
        if isinstance(section, dict) and last in section:
            moved = section.pop(last)
            for key in reversed(new.split(".")):
                moved = {key: moved}
            values = merge(moved, values)
    return values


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error in the values of `model`, in words."""
    problem = error.errors()[0]
    *parents, last = problem["loc"] or [""]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        if new := RENAMED_KEYS.get(".".join(part for part in problem["loc"] if isinstance(part, str))):
            return f"key '{key}' is now called '{new}'"
        return f"unknown key '{key}': {nearest(str(last), _section_at(model, parents).model_fields)}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"key '{key}': {message}, got {problem['input']!r}" if key else message


def _section_at(kind: Any, keys: list[str | int]) -> type[BaseModel]:
    """The section that keys lead to, through lists and dictionaries of sections."""
    for key in keys:
        kind = kind.model_fields[key].annotation if hasattr(kind, "model_fields") else get_args(kind)[-1]
    return kind
