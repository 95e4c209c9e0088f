"""Score tables: from a run's score files to pandas, CSV and LaTeX. Any metric is shown, known or not.

Names of metrics decide only the order and the headings; values, units, directions and intervals come from the files.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from data.files import write_text
from evaluation.rundir import FLOOR, PHOTOS, Method, RunDirectory, Score, Value
from reports.formatting import MISSING, NumberFormat, arrow, latex_escape, number_format

METRIC_TITLES = {"segmentation": "Layout, by the judge", "distances": "Distance to the photographs",
                 "diversity": "Content and diversity", "cost": "Cost", "agreement": "Agreement with people"}
REFERENCE_ROWS = {PHOTOS: "Photographs (oracle)", FLOOR: "Photographs against photographs (floor)"}
PER_CLASS = "per class"  # a detail whose name ends so is {class name: value or null}


@dataclass(frozen=True)
class Column:
    """One value name of one metric, with the format of all its numbers."""

    metric: str
    name: str
    unit: str
    higher_is_better: bool | None
    format: NumberFormat

    @property
    def heading(self) -> str:
        unit = self.format.prefix + (f" {self.unit}" if self.format.prefix and self.unit else self.unit)
        return self.name + (f" ({unit})" if unit else "")

    @property
    def key(self) -> str:
        return f"{self.metric}/{self.name}"


@dataclass(frozen=True)
class Row:
    """`reference` rows are the photographs (oracle) and real against real (floor): no method, never marked best."""

    name: str
    title: str
    reference: bool = False


@dataclass(frozen=True)
class ScoreTable:
    rows: list[Row]
    columns: list[Column]
    cells: dict[tuple[str, str], Value] = field(repr=False)  # (row name, column key) -> value

    def cell(self, row: Row, column: Column) -> Value | None:
        return self.cells.get((row.name, column.key))

    @cached_property
    def best(self) -> set[tuple[str, str]]:
        """(row name, column key) of the best methods per column, where there is an order and something to compare."""
        return {(name, column.key) for column in self.columns for name in self._best_of(column)}

    def _best_of(self, column: Column) -> list[str]:
        found = {row.name: self.cells[row.name, column.key].value for row in self.rows
                 if not row.reference and (row.name, column.key) in self.cells}
        if column.higher_is_better is None or len(found) < 2:
            return []
        best = max(found.values()) if column.higher_is_better else min(found.values())
        return [name for name, value in found.items() if value == best]

    def groups(self) -> list[tuple[str, list[Column]]]:
        """Columns by metric, with the metric's heading."""
        metrics = list(dict.fromkeys(column.metric for column in self.columns))
        return [(metric_title(metric), [c for c in self.columns if c.metric == metric]) for metric in metrics]

    def frame(self) -> pd.DataFrame:
        """Numbers at full precision, one row per method: columns `metric/value`, `... low`, `... high`."""
        records = []
        for row in self.rows:
            record: dict[str, object] = {"method": row.name, "title": row.title, "reference": row.reference}
            for column in self.columns:
                record |= _numbers(column.key, self.cell(row, column))
            records.append(record)
        return pd.DataFrame(records)

    def missing(self) -> list[str]:
        """One line per method and metric that other methods have and it has not."""
        lines = []
        for metric in dict.fromkeys(column.metric for column in self.columns):
            keys = [column.key for column in self.columns if column.metric == metric]
            lines += [f"not scored: {row.title} has no {metric} score" for row in self.rows
                      if not row.reference and not any((row.name, key) in self.cells for key in keys)]
        return lines


def metric_title(metric: str) -> str:
    return METRIC_TITLES.get(metric, metric.replace("_", " ").capitalize())


def cell_text(value: Value | None, column: Column) -> str:
    """Value and interval in the column's format, for tables of plain text."""
    return MISSING if value is None else f"{column.format(value.value)} {column.format.interval(value.interval)}".strip()


def _numbers(key: str, value: Value | None) -> dict[str, float | None]:
    low, high = (value.interval if value and value.interval else (None, None))
    return {key: value.value if value else None, f"{key} low": low, f"{key} high": high}


def table_rows(methods: Iterable[Method]) -> list[Row]:
    return [Row(m.name, m.title) for m in methods] + [Row(n, t, True) for n, t in REFERENCE_ROWS.items()]


def main_table(methods: list[Method], scores: list[Score]) -> ScoreTable:
    """One row per method, then the oracle and the floor where they were scored; every value of every metric."""
    scores = _by_metric_order(_of_methods(methods, scores))
    cells = {(s.method, f"{s.metric}/{v.name}"): v for s in scores for v in s.values if v.value is not None}
    scored = {name for name, _ in cells}
    rows = [row for row in table_rows(methods) if not row.reference or row.name in scored]
    return ScoreTable(rows, _columns(scores), cells)


def _of_methods(methods: list[Method], scores: list[Score]) -> list[Score]:
    names = {row.name for row in table_rows(methods)}
    return [score for score in scores if score.method in names]


def whole_run_scores(methods: list[Method], scores: list[Score]) -> list[Score]:
    """Scores that speak of the run as a whole, like the agreement of the scores' orders: no method of that name."""
    names = {row.name for row in table_rows(methods)}
    about_methods = {score.metric for score in scores if score.method in names}
    return _by_metric_order([s for s in scores if s.method not in names and s.metric not in about_methods])


def stale_scores(methods: list[Method], scores: list[Score]) -> list[str]:
    """One line per score of a method that this run has no images of."""
    shown = {id(score) for score in [*_of_methods(methods, scores), *whole_run_scores(methods, scores)]}
    return [f"left out: scores/{s.metric}/{s.method}.json is about a method without images in this run"
            for s in scores if id(s) not in shown]


def _by_metric_order(scores: list[Score]) -> list[Score]:
    known = list(METRIC_TITLES)
    return sorted(scores, key=lambda s: (known.index(s.metric) if s.metric in known else len(known), s.metric))


def _columns(scores: list[Score]) -> list[Column]:
    found: dict[tuple[str, str], list[Value]] = {}
    for score in scores:
        for value in score.values:
            found.setdefault((score.metric, value.name), []).append(value)
    return [Column(metric, name, values[0].unit, values[0].higher_is_better, number_format(v.value for v in values))
            for (metric, name), values in found.items()]


def per_class_tables(methods: list[Method], scores: list[Score]) -> dict[str, pd.DataFrame]:
    """Detail name -> table of methods (index: title) by classes; a class without a value is NaN."""
    titles = {row.name: row.title for row in table_rows(methods)}
    order = list(titles)
    tables: dict[str, dict[str, dict]] = {}
    for score in sorted(_of_methods(methods, scores), key=lambda s: order.index(s.method)):
        for name, detail in score.details.items():
            if name.lower().endswith(PER_CLASS) and isinstance(detail, dict):
                tables.setdefault(name, {})[titles[score.method]] = detail
    return {name: pd.DataFrame.from_dict(rows, orient="index").astype(float) for name, rows in tables.items()}


def values_frame(scores: list[Score]) -> pd.DataFrame:
    """One row per value, for scores of the run as a whole."""
    return pd.DataFrame([{"metric": s.metric, "about": s.method, "value of": v.name, "value": v.value,
                          "low": v.interval[0] if v.interval else None,
                          "high": v.interval[1] if v.interval else None, "note": v.interval_note}
                         for s in scores for v in s.values])


def latex_table(table: ScoreTable, caption: str = "") -> str:
    """A booktabs tabular: headings by metric, intervals below in small type, best values bold, references apart."""
    columns = pd.MultiIndex.from_tuples(
        [(latex_escape(title), latex_escape(f"{c.heading} {arrow(c.higher_is_better)}".strip()))
         for title, group in table.groups() for c in group])
    body = [[_latex_cell(table, row, column) for column in table.columns] for row in table.rows]
    frame = pd.DataFrame(body, index=[latex_escape(row.title) for row in table.rows], columns=columns)
    lines = frame.to_latex(escape=False, multicolumn_format="c", column_format="l" + "c" * len(columns)).splitlines()
    references = sum(row.reference for row in table.rows)
    if 0 < references < len(table.rows):
        lines.insert(lines.index(r"\bottomrule") - references, r"\midrule")
    head = [f"% {line}" for line in caption.splitlines()] + ["% needs \\usepackage{booktabs}"]
    return "\n".join([*head, *lines]) + "\n"


def _latex_cell(table: ScoreTable, row: Row, column: Column) -> str:
    value = table.cell(row, column)
    if value is None:
        return latex_escape(MISSING)
    text = column.format(value.value)
    text = rf"\textbf{{{text}}}" if (row.name, column.key) in table.best else text
    return text + (rf" {{\scriptsize {column.format.interval(value.interval)}}}" if value.interval else "")


def latex_frame(frame: pd.DataFrame) -> str:
    """Any table of plain text and numbers as booktabs LaTeX, escaped."""
    plain = frame.map(lambda v: MISSING if pd.isna(v) else f"{v:.3f}" if isinstance(v, float) else str(v))
    plain = plain.map(latex_escape).rename(index=lambda t: latex_escape(str(t)),
                                           columns=lambda t: latex_escape(str(t)))
    return plain.to_latex(escape=False)


def file_stem(name: str) -> str:
    """A name that any file system takes: letters, digits and hyphens."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def export(run: RunDirectory, folder: Path) -> list[Path]:
    """Write every table as CSV (full precision) and LaTeX into `folder`; gives the files written."""
    methods, scores = run.methods(), run.scores()
    table = main_table(methods, scores)
    files: dict[str, str] = {}
    if table.columns:
        files |= {"scores.csv": table.frame().to_csv(index=False),
                  "scores.tex": latex_table(table, "95 % intervals in brackets")}
    for name, frame in per_class_tables(methods, scores).items():
        stem = file_stem(name)
        files |= {f"{stem}.csv": frame.to_csv(index_label="method"), f"{stem}.tex": latex_frame(frame)}
    if whole := whole_run_scores(methods, scores):
        frame = values_frame(whole)
        files |= {"run.csv": frame.to_csv(index=False), "run.tex": latex_frame(frame)}
    for name, text in files.items():
        write_text(folder / name, text)
    return [folder / name for name in files]
