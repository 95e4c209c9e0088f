"""Scores per class, for tables and figures."""

from dataclasses import dataclass

import pandas as pd

from evaluation.run_directory import Method, Score
from reports.tables.scores import Row, table_rows

PER_CLASS = "per class"  # a detail whose name ends like this is {class name: value or null}


@dataclass(frozen=True)
class ClassTable:
    """Both frames: a line per row (index: its name), columns classes; values are NaN for a class without one, intervals
    are text or ""."""

    rows: list[Row]
    values: pd.DataFrame
    intervals: pd.DataFrame

    def titled(self) -> pd.DataFrame:
        """The values, for readers."""
        return self.values.rename(index={row.name: row.title for row in self.rows})


def per_class_tables(methods: list[Method], scores: list[Score]) -> dict[str, ClassTable]:
    """Detail name -> table. Intervals come from the detail of the same name followed by ", interval"."""
    rows = {row.name: row for row in table_rows(methods)}
    order = list(rows)
    found: dict[str, dict[Row, tuple[dict, dict]]] = {}
    for score in sorted((s for s in scores if s.method in rows), key=lambda s: order.index(s.method)):
        for name, detail in score.details.items():
            if name.lower().endswith(PER_CLASS) and isinstance(detail, dict):
                intervals = score.details.get(f"{name}, interval", {})
                found.setdefault(name, {})[rows[score.method]] = detail, intervals
    return {name: _class_table(details) for name, details in found.items()}


def _class_table(details: dict[Row, tuple[dict, dict]]) -> ClassTable:
    names = [row.name for row in details]
    classes = list(dict.fromkeys(name for detail, _ in details.values() for name in detail))
    values = [[detail.get(name) for name in classes] for detail, _ in details.values()]
    texts = [[f"[{pair[0]:.3f}, {pair[1]:.3f}]" if (pair := intervals.get(name)) else "" for name in classes]
             for _, intervals in details.values()]
    return ClassTable(list(details), pd.DataFrame(values, names, classes, float), pd.DataFrame(texts, names, classes))
