"""Readable names for entries of provenances and of the configuration."""

import re
from collections.abc import Mapping
from typing import Any

from writing.words import capitalised

_HASH = re.compile(r"^[0-9a-f]{40,64}$")
_WORDS = {"sha256": "SHA-256", "dtype": "data type", "kind": "kind"}
DATASETS = {"street": "street", "camvid": "CamVid", "cityscapes": "Cityscapes", "nyu": "NYU", "gta5": "GTA5"}


def entry_title(key: str) -> str:
    return capitalised(_WORDS.get(key, key.replace("_", " ")))


def dataset_title(name: str) -> str:
    return DATASETS.get(name, name)


def entry_text(value: Any) -> str:
    """An entry of a provenance as text: sizes as 64×128, lists with commas, hashes by their first letters, no braces.

    >>> entry_text([64, 128]), entry_text({"name": "A", "input size": [4, 8]}), entry_text(None)
    ('64×128', 'name: A; input size: 4×8', '–')
    """
    if value is None or value in ({}, [], ""):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{_WORDS.get(key, key)}: {_inner(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        if len(value) == 2 and all(isinstance(number, int) and not isinstance(number, bool) for number in value):
            return f"{value[0]}×{value[1]}"
        return ", ".join(_inner(entry) for entry in value)
    return str(value)


def _inner(value: Any) -> str:
    return f"({entry_text(value)})" if isinstance(value, Mapping) and value else entry_text(value)


def shortened(value: Any) -> Any:
    """The same with hashes shortened."""
    if isinstance(value, Mapping):
        return {key: shortened(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(entry) for entry in value]
    return f"{value[:12]}…" if isinstance(value, str) and _HASH.match(value) else value
