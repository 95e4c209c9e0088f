"""Names for readers: what the code names of metrics, scores, protocol entries and configuration are called in text."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from writing.words import capitalised

METRIC_TITLES = {"segmentation": "Layout, by the judge", "distances": "Distance to the photographs",
                 "diversity": "Diversity and best of k", "modes": "Coverage of known modes", "cost": "Cost",
                 "reference": "For reference only", "differences": "Differences to the reference",
                 "agreement": "Agreement with people’s order", "effects": "Effects of generator and objective"}
SCORES = {"FD": "Fréchet distance", "KD": "Kernel distance", "FID": "FID", "KID": "KID", "CMMD": "CMMD",
          "IS": "Inception score",
          "precision": "Precision", "recall": "Recall", "density": "Density", "coverage": "Coverage",
          "distance": "feature distance", "map distance": "map distance", "LPIPS": "LPIPS"}
_ON_FEATURES = re.compile(rf"^(.*?)({'|'.join(sorted(SCORES, key=len, reverse=True))})-([^,]+)(,.*)?$")
_BEST_OF = re.compile(r"^best-of-(\d+) ")
_EXPECTED = re.compile(r"^(.*), (\d+) independent draws?$")
_HASH = re.compile(r"^[0-9a-f]{40,64}$")
_WORDS = {"sha256": "SHA-256", "dtype": "data type", "kind": "kind"}
ORDERS = {"cityscapes": "the paper’s order on Cityscapes", "nyu": "the paper’s order on NYU"}
DATASETS = {"street": "street", "camvid": "CamVid", "cityscapes": "Cityscapes", "nyu": "NYU", "gta5": "GTA5"}


def metric_title(metric: str) -> str:
    return METRIC_TITLES.get(metric, capitalised(metric.replace("_", " ")))


def metric_order(metrics: Iterable[str]) -> list[str]:
    """Names of the metrics, known ones first in the order of METRIC_TITLES: layout before everything else."""
    known = list(METRIC_TITLES)
    return sorted(set(metrics), key=lambda m: (known.index(m) if m in known else len(known), m))


def score_title(name: str) -> str:
    """The name of a score in text. `-label` names the features it was measured on.

    >>> score_title("FD-judge"), score_title("best-of-4 distance-judge"), score_title("pixel accuracy")
    ('Fréchet distance (judge)', 'Best of 4: feature distance (judge)', 'Pixel accuracy')
    """
    before, rest, after = name, "", ""
    if found := _ON_FEATURES.match(name):
        before, stem, label, after = found[1], found[2], found[3], found[4] or ""
        rest = f"{SCORES[stem]} ({label})"
    before = _BEST_OF.sub(r"best of \1: ", before)
    return capitalised(before + rest + after)


def difference_title(name: str, titles: Mapping[str, str]) -> str:
    """"<score> minus <method>" with the titles of both."""
    score, found, method = name.partition(" minus ")
    return f"{score_title(score)} minus {titles.get(method, method)}" if found else score_title(name)


def expectation(name: str) -> tuple[str, int] | None:
    """(score, draws) for what so many independent draws would score: no property of the method beside which it stands.

    >>> expectation("car colours covered, 4 independent draws")
    ('car colours covered', 4)
    """
    found = _EXPECTED.match(name)
    return (found[1], int(found[2])) if found else None


def order_title(name: str) -> str:
    """
    >>> order_title("cityscapes"), order_title("human-study-crn2017-unlimited")
    ('the paper’s order on Cityscapes', 'this run’s own study, crn2017-unlimited')
    """
    if name.startswith("human-study"):
        study = name.removeprefix("human-study").lstrip("-")
        return "this run’s own study" + (f", {study}" if study else "")
    return ORDERS.get(name, name)


def entry_title(key: str) -> str:
    return capitalised(_WORDS.get(key, key.replace("_", " ")))


def dataset_title(name: str) -> str:
    return DATASETS.get(name, name)


def entry_text(value: Any) -> str:
    """A protocol entry as text: sizes as 64×128, lists with commas, hashes by their first letters, no braces.

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
    """The same with hashes cut to the letters that tell them apart."""
    if isinstance(value, Mapping):
        return {key: shortened(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(entry) for entry in value]
    return f"{value[:12]}…" if isinstance(value, str) and _HASH.match(value) else value
