"""Provenance of every number: one readable line per metric, and all entries."""

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.run_directory import FLOOR, PHOTOS, Method, Score
from reports.tables.names import entry_text, entry_title
from reports.tables.scores import metric_titles, table_rows
from writing.words import capitalised, counted, listed

SENTENCE = ("test", "human order", "compared with", "void", "warning")  # entries that are printed as they are


def provenances(methods: Sequence[Method], scores: Sequence[Score]) -> list[dict[str, Any]]:
    """For each metric: the readable line, the entries that all its scores share, and those that differ, by method.
    Every key of every provenance is included."""
    titles = {row.name: row.title for row in table_rows(methods)}
    order = [*titles, *(score.method for score in scores)]
    return [_provenance(metric, sorted((s for s in scores if s.metric == metric), key=lambda s: order.index(s.method)),
                        titles, title) for metric, title in metric_titles(scores).items()]


def _provenance(metric: str, group: list[Score], titles: Mapping[str, str], title: str) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for score in group for key in score.provenance))
    shared = [key for key in keys if len({entry_text(score.provenance.get(key)) for score in group}) == 1]
    differing = [key for key in keys if key not in shared]
    return {"title": title, "metric": metric, "line": line(group),
            "shared": [(entry_title(key), entry_text(group[0].provenance[key])) for key in shared],
            "differing": [entry_title(key) for key in differing],
            "rows": [(titles.get(s.method, capitalised(s.method)),
                      [entry_text(s.provenance.get(key)) for key in differing]) for s in group]}


def line(group: Sequence[Score]) -> str:
    """What affects the numbers most, as a sentence: judge or features, number and size of layouts, test, interval."""
    provenance = next((s.provenance for s in group if s.method not in (PHOTOS, FLOOR)), group[0].provenance)
    parts = [_looked(provenance), _number(provenance)]
    parts += [f"{key}: {entry_text(provenance[key])}" for key in SENTENCE if isinstance(provenance.get(key), str)]
    if isinstance(interval := provenance.get("interval"), str) and any(v.interval for s in group for v in s.values):
        parts.append(f"intervals: {interval}")
    return capitalised("; ".join(part for part in parts if part)) + "."


def _looked(provenance: Mapping[str, Any]) -> str:
    judge, extractors = provenance.get("judge"), provenance.get("extractors")
    if judge:
        return f"judged by {_name(judge)}"
    if isinstance(extractors, Mapping) and extractors:
        return "features of the " + listed(f"{label} ({_name(about.get('judge', about))})" if isinstance(about, Mapping)
                                       else str(label) for label, about in extractors.items())
    extractor = provenance.get("extractor")
    return f"features of {_name(extractor)}" if extractor else ""


def _name(about: Any) -> str:
    if not isinstance(about, Mapping):
        return str(about)
    name = next((str(about[key]) for key in ("name", "description", "extractor", "network") if about.get(key)), "")
    size = about.get("input size")
    return name + (f" at {entry_text(size)}" if isinstance(size, list | tuple) else "")


def _number(provenance: Mapping[str, Any]) -> str:
    n, size = provenance.get("N"), provenance.get("image size")
    if not isinstance(n, int):
        return ""
    at = f" at {entry_text(size)}" if size else ""
    return counted(n, "layout") + at
