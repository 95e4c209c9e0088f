"""Numbers per layout: scores by method, differences, disagreement of methods, human votes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from data.errors import InputError
from evaluation.run_directory import PHOTOS, RunDirectory
from evaluation.statistics.preferences import Preference, preference_files, read_preferences
from reports.app.parts.sources import Source
from reports.tables import scores as tables
from writing.numbers import arrow


def score_names(source: Source) -> dict[str, str]:
    """"metric/value" -> title, for every value with a number per layout; in the order of tables."""
    found = {}
    for metric in tables.metric_titles(source.scores):
        for score in source.scores:
            if score.metric == metric and score.method in source.titles:
                for name, numbers in score.per_image.items():
                    if len(numbers) == len(source.layouts):
                        value = score.value(name)
                        share = ", share" if "per image" in score.details else ""
                        title = f"{value.label if value else name}{share} {arrow(value and value.higher_is_better)}"
                        found[f"{metric}/{name}"] = title.strip()
    return found


def by_method(source: Source, score: str) -> pd.DataFrame:
    """Layouts x methods (and the photographs), NaN for a layout without a number. score: a key of `score_names`."""
    metric, _, name = score.partition("/")
    columns = {s.method: s.per_image[name] for s in source.scores if s.metric == metric
               and len(s.per_image.get(name, ())) == len(source.layouts)}
    order = [method for method in [*source.titles, PHOTOS] if method in columns]
    return pd.DataFrame({method: columns[method] for method in order}, index=source.layouts, dtype=float)


def higher_is_better(source: Source, score: str) -> bool | None:
    metric, _, name = score.partition("/")
    values = [value for s in source.scores if s.metric == metric and (value := s.value(name))]
    return values[0].higher_is_better if values else None


def disagreement(frame: pd.DataFrame) -> pd.Series:
    """Standard deviation over the methods for each layout; NaN with fewer than two numbers."""
    return frame.drop(columns=PHOTOS, errors="ignore").std(axis=1, ddof=0).where(frame.notna().sum(axis=1) > 1)


def votes(preferences: Sequence[Preference], layouts: Sequence[str], a: str, b: str) -> pd.DataFrame:
    """How often people chose a and b, a row per layout: columns `for a`, `for b`, `share` (NaN without votes)."""
    frame = pd.DataFrame(0.0, index=list(layouts), columns=["for a", "for b"])
    for p in preferences:
        if p.layout in frame.index and {p.preferred, p.other} == {a, b}:
            frame.loc[p.layout, "for a" if p.preferred == a else "for b"] += p.count
    total = frame.sum(axis=1)
    return frame.assign(share=(frame["for a"] / total).where(total > 0))


def preferences(source: Source) -> list[Preference]:
    """Human preferences from the run's own studies; empty without any."""
    return [p for file in preference_files(source.run, None).values() for p in read_preferences(file)]


def class_shares(source: Source) -> pd.DataFrame:
    """Layouts x classes: the share of pixels."""
    folder = source.run.dataset / "layouts"
    shares = _class_shares(str(source.run.path), len(source.labels), folder.stat().st_mtime)
    return pd.DataFrame(shares, index=source.layouts, columns=list(source.labels.names))


@st.cache_resource(show_spinner="Reading the layouts …", max_entries=4)
def _class_shares(path: str, classes: int, changed: float) -> np.ndarray:
    """float64 [N, C]; zeros for a layout that cannot be read. `changed` is part of the cache key."""
    run = RunDirectory(Path(path))
    return np.array([_shares(run, name, classes) for name in run.layouts()])


def _shares(run: RunDirectory, name: str, classes: int) -> np.ndarray:
    try:
        with Image.open(run.dataset / "layouts" / f"{name}.png") as image:
            if image.mode != "L":
                return np.bincount(run.layout(name).ravel(), minlength=classes)[:classes] / (image.width * image.height)
            return np.array(image.histogram()[:classes]) / (image.width * image.height)
    except (OSError, SyntaxError, InputError):
        return np.zeros(classes)
