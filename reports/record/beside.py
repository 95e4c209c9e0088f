"""This run's rows above published ones, in the unit of the publications."""

from collections.abc import Sequence
from typing import Any

from evaluation.rundir import Method, Score
from reports.record import published
from reports.record.formatting import MISSING
from reports.record.names import dataset_title
from reports.record.protocol import line
from reports.record.tables import table_rows

COLUMNS = {"mIoU": "segmentation", "pixel accuracy": "segmentation", "FID": "distances"}  # score -> its metric


def published_table(dataset: str, methods: Sequence[Method], scores: Sequence[Score]) -> dict[str, Any]:
    """Rows in groups of one dataset, protocol and source; this run's first. A score of another name stays out: a
    Fréchet distance on other features is no FID."""
    ours = [{"title": row.title, "values": [_in_percent(row.name, name, scores) for name in COLUMNS]}
            for row in table_rows(methods)]
    ours = [row for row in ours if set(row["values"]) != {MISSING}]
    groups = [{"dataset": dataset_title(dataset), "protocol": _own_protocol(scores), "source": "this run", "ours": True,
               "rows": ours}] if ours else []
    for row in published.for_dataset(dataset):
        place = {"dataset": row.dataset, "protocol": row.protocol, "source": row.source, "ours": False}
        if not groups or {key: groups[-1][key] for key in place} != place:
            groups.append(place | {"rows": []})
        groups[-1]["rows"].append({"title": row.title, "values": [_plain(row.values.get(name)) for name in COLUMNS]})
    return {"scores": list(COLUMNS), "groups": groups,
            "same_dataset": any(published.same_dataset(row, dataset) for row in published.PUBLISHED)}


def _in_percent(method: str, name: str, scores: Sequence[Score]) -> str:
    found = (value for s in scores if s.method == method and s.metric == COLUMNS[name]
             and (value := s.value(name)) and value.value is not None)
    value = next(found, None)
    if value is None:
        return MISSING
    return f"{value.value * (100 if name in published.PERCENT and value.unit != '%' else 1):.1f}"


def _plain(value: float | None) -> str:
    return MISSING if value is None else str(value)


def _own_protocol(scores: Sequence[Score]) -> str:
    """Of the metrics whose scores stand in the columns: judge, void rule, size and number."""
    lines = []
    for metric in dict.fromkeys(COLUMNS.values()):
        group = [s for s in scores if s.metric == metric and any(s.value(name) for name in COLUMNS)]
        lines += [line(group)] if group else []
    return " ".join(lines)
