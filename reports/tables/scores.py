"""Score tables of a run, for any metrics: titles, units, directions and intervals come from the files."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from evaluation.run_directory import FLOOR, PHOTOS, Method, Score, Value
from writing.numbers import NumberFormat, number_format, p_value
from writing.words import capitalised

REFERENCE_ROWS = {PHOTOS: "Photographs (oracle)", FLOOR: "Photographs against photographs (floor)"}
JUDGED = "segmentation"  # the metric in which the photographs should come first
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Column:
    """One quantity of one metric, with the format of all its numbers. about: one of its values. title: replaces the
    value's own label."""

    metric: str
    about: Value
    format: NumberFormat
    title: str = ""
    metric_title: str = ""

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def unit(self) -> str:
        return self.about.unit

    @property
    def higher_is_better(self) -> bool | None:
        return self.about.higher_is_better

    @property
    def label(self) -> str:
        return self.title or self.about.label

    @property
    def heading(self) -> str:
        unit = self.format.prefix + (f" {self.unit}" if self.format.prefix and self.unit else self.unit)
        return self.label + (f" ({unit})" if unit else "")

    def text(self, value: float) -> str:
        """The number with its unit, for a sentence."""
        return f"{self.format(value)}{' ' if self.unit or self.format.prefix else ''}{self.format.prefix}{self.unit}"

    @property
    def key(self) -> str:
        return f"{self.metric}/{self.name}"


@dataclass(frozen=True)
class Row:
    """`reference` rows are the photographs (oracle) and photographs against photographs (floor): never marked."""

    name: str
    title: str
    reference: bool = False


Position = tuple[str, str]  # row name, column key


@dataclass(frozen=True)
class ScoreTable:
    """marked: cells to highlight. extras: further numbers of cells by kind, a key of EXTRAS. signed: values are
    differences to a method, and a marked one is better or worse than it."""

    rows: list[Row]
    columns: list[Column]
    cells: Mapping[Position, Value] = field(repr=False)
    marked: frozenset[Position] = frozenset()
    extras: Mapping[str, Mapping[Position, Any]] = field(default_factory=dict)
    signed: bool = False

    def cell(self, row: Row, column: Column) -> Value | None:
        return self.cells.get((row.name, column.key))

    def is_marked(self, row: Row, column: Column) -> bool:
        return (row.name, column.key) in self.marked

    def sense(self, row: Row, column: Column) -> str:
        """"better" or "worse" for a marked difference, "best" for another marked cell, else ""."""
        if not self.is_marked(row, column):
            return ""
        if not self.signed:
            return "best"
        return "better" if (self.cell(row, column).value > 0) == column.higher_is_better else "worse"

    def values(self, column: Column) -> dict[str, Value]:
        """Name of a method -> its value in this column, in the order of the rows."""
        return {row.name: value for row in self.rows if not row.reference and (value := self.cell(row, column))}

    def note(self, row: Row, column: Column) -> str:
        """The further numbers of a cell, as short text for the line below its value."""
        place = row.name, column.key
        return ", ".join(EXTRAS[kind](numbers[place], column) for kind, numbers in self.extras.items()
                         if place in numbers)

    def groups(self) -> list[tuple[str, list[Column]]]:
        """Columns by metric, with the metric's heading."""
        metrics = {column.metric: column.metric_title for column in self.columns}
        return [(title, [c for c in self.columns if c.metric == metric]) for metric, title in metrics.items()]

    def shown(self) -> "ScoreTable":
        """Without the columns for independent draws, which are not about the methods' own images."""
        return replace(self, columns=[column for column in self.columns if not column.about.draws])

    def constant(self) -> list[Column]:
        """Columns in which several methods all have the same value."""
        found = [(column, [value.value for value in self.values(column).values()]) for column in self.columns]
        return [column for column, values in found if len(values) > 1 and len(set(values)) == 1]

    def without(self, columns: Iterable[Column]) -> "ScoreTable":
        left_out = {column.key for column in columns}
        return replace(self, columns=[column for column in self.columns if column.key not in left_out])

    def of_metric(self, metric: str) -> "ScoreTable":
        """Columns of one metric, without reference rows that have no value of it."""
        columns = [column for column in self.columns if column.metric == metric]
        return replace(self, columns=columns, rows=[row for row in self.rows if not row.reference or any(
            self.cell(row, column) for column in columns)])

    def frame(self) -> pd.DataFrame:
        """Numbers at full precision, one row per row: columns `metric/value`, `... low`, `... high`, `... p`."""
        records = []
        for row in self.rows:
            record: dict[str, Any] = {"name": row.name, "title": row.title, "reference": row.reference}
            for column in self.columns:
                record |= _numbers(column.key, self.cell(row, column))
                record |= {f"{column.key} {kind}": numbers.get((row.name, column.key))
                           for kind, numbers in self.extras.items()}
            records.append(record)
        return pd.DataFrame(records)

    def above_oracle(self) -> list[tuple[Column, Value, list[str]]]:
        """Values by the judge in which methods reach the photographs: column, oracle, titles of methods."""
        found = []
        for column in self.columns:
            oracle = self.cells.get((PHOTOS, column.key))
            if oracle and column.higher_is_better and column.metric == JUDGED:
                reached = [row.title for row in self.rows if not row.reference
                           and (value := self.cell(row, column)) and value.value >= oracle.value]
                found += [(column, oracle, reached)] if reached else []
        return found


def _numbers(key: str, value: Value | None) -> dict[str, float | None]:
    low, high = (value.interval if value and value.interval else (None, None))
    return {key: value.value if value else None, f"{key} low": low, f"{key} high": high}


def table_rows(methods: Iterable[Method]) -> list[Row]:
    """A row per method, then the reference rows. A title that two methods share is followed by the name."""
    methods = list(methods)
    shared = Counter(method.title for method in methods)
    return [Row(m.name, m.title if shared[m.title] == 1 else f"{m.title} ({m.name})") for m in methods] + [
        Row(name, title, True) for name, title in REFERENCE_ROWS.items()]


def main_table(methods: list[Method], scores: list[Score]) -> ScoreTable:
    """One row per method, then the oracle and the floor where they were scored; the best of every column marked.

    Without values that only reference rows have (see reference_values).
    """
    return _table(methods, [s for s in scores if not s.comparison])


def differences_table(methods: list[Method], scores: list[Score]) -> ScoreTable:
    """Differences to the baseline; marked where the corrected p-value is below SIGNIFICANT."""
    scores = [s for s in scores if any(value.against for value in s.values)]
    table = _table([m for m in methods if any(s.method == m.name for s in scores)], scores)
    titles = {row.name: row.title for row in table_rows(methods)}
    columns = [replace(c, title=f"{c.label} minus {titles.get(c.about.against, c.about.against)}")
               for c in table.columns]
    table = replace(table, columns=columns)
    p = {(s.method, c.key): number for s in scores for c in table.columns
         if (number := s.details.get("tests", {}).get(c.name, {}).get("p (Holm)")) is not None}
    return replace(table, marked=frozenset(place for place, number in p.items() if number < SIGNIFICANT),
                   extras={"p": p}, signed=True)


EXTRAS: dict[str, Callable[[Any, Column], str]] = {
    "p": lambda p, column: f"p {'' if p < 0.001 else '= '}{p_value(p, 3)}",
    "random": lambda tau, column: f"random ±{column.format(tau)}",
    "spread": lambda spread, column: f"spread {column.format(spread)}",
    "rank": lambda places, column: f"rank {places[0]}" + (f"–{places[1]}" if places[1] > places[0] else ""),
}


def _table(methods: list[Method], scores: list[Score]) -> ScoreTable:
    scores = _by_metric_order(_of_methods(methods, scores))
    cells = {(s.method, f"{s.metric}/{v.name}"): v for s in scores for v in s.values if v.value is not None}
    names = {method.name for method in methods}
    columns = [c for c in _columns(scores) if any((name, c.key) in cells for name in names)]
    shown = {name for name, key in cells if any(c.key == key for c in columns)}
    rows = [row for row in table_rows(methods) if not row.reference or row.name in shown]
    marked = frozenset((name, c.key) for c in columns for name in _best(c, rows, cells))
    return ScoreTable(rows, columns, cells, marked)


def _best(column: Column, rows: list[Row], cells: Mapping[Position, Value]) -> list[str]:
    """The methods with the best value; none without an order or if all are equal."""
    found = {row.name: cells[row.name, column.key].value for row in rows
             if not row.reference and (row.name, column.key) in cells}
    if column.higher_is_better is None or len(set(found.values())) < 2:
        return []
    best = max(found.values()) if column.higher_is_better else min(found.values())
    return [name for name, value in found.items() if value == best]


def _columns(scores: list[Score]) -> list[Column]:
    found: dict[tuple[str, str], list[Value]] = {}
    for score in scores:
        for value in score.values:
            found.setdefault((score.metric, value.name), []).append(value)
    titles = metric_titles(scores)
    return [Column(metric, values[0], number_format(_written(values)), metric_title=titles[metric])
            for (metric, _), values in found.items()]


def _written(values: Iterable[Value]) -> list[float | None]:
    """Every number in the cells of these values."""
    return [number for value in values for number in (value.value, *(value.interval or ()))]


def reference_values(methods: list[Method], scores: list[Score]) -> dict[str, list[tuple[str, str]]]:
    """Title of the reference row -> (name, text) of the numbers that no method has, such as a second floor."""
    names = {method.name for method in methods}
    of_methods = {(s.metric, v.name) for s in scores if s.method in names for v in s.values}
    found: dict[str, list[tuple[str, str]]] = {}
    for score in scores:
        for value in score.values:
            if score.method in REFERENCE_ROWS and (score.metric, value.name) not in of_methods:
                text = number_format([value.value])(value.value)
                if not value.draws:
                    found.setdefault(REFERENCE_ROWS[score.method], []).append((value.label, text))
    return found


def _of_methods(methods: list[Method], scores: list[Score]) -> list[Score]:
    names = {row.name for row in table_rows(methods)}
    return [score for score in scores if score.method in names]


def whole_run_tables(methods: list[Method], scores: list[Score]) -> dict[str, ScoreTable]:
    """Metric -> table, for scores of the run as a whole, like the agreement of the scores' orders with people's.

    Their files are not named by a method; each is a column here, with a row per value.
    """
    whole = _whole_run(methods, scores)
    return {metric: _transposed([s for s in whole if s.metric == metric])
            for metric in dict.fromkeys(s.metric for s in whole)}


def _whole_run(methods: list[Method], scores: list[Score]) -> list[Score]:
    about_methods = {score.metric for score in _of_methods(methods, scores)}
    return _by_metric_order([s for s in scores if s.metric not in about_methods])


def _transposed(scores: list[Score]) -> ScoreTable:
    cells = {(v.name, f"{s.metric}/{s.method}"): v for s in scores for v in s.values if v.value is not None}
    titles = metric_titles(scores)
    columns = [Column(s.metric, Value(s.method, 0.0), number_format(_written(s.values)), s.subject, titles[s.metric])
               for s in scores if s.values]
    random = {place: high for place, (_, high) in _details(scores, "tau of random orders, 95 %").items()}
    extras = {"p": _details(scores, "p (Holm)"), "random": random}
    rows = [Row(name, label) for name, label in {v.name: v.label for s in scores for v in s.values}.items()]
    return ScoreTable(rows, columns, cells, extras={kind: numbers for kind, numbers in extras.items() if numbers})


def _details(scores: list[Score], name: str) -> dict[Position, Any]:
    """A detail with an entry for each value of a score, by the cell of that value."""
    return {(value, f"{s.metric}/{s.method}"): found for s in scores
            for value, found in s.details.get(name, {}).items() if found is not None}


def missing(methods: list[Method], scores: list[Score]) -> list[str]:
    """One line per method without a score file of a metric that other methods have.

    A file without values counts: images made elsewhere have no cost.
    """
    there = {(s.metric, s.method) for s in scores}
    titles = metric_titles(s for s in scores if not s.comparison)
    metrics = [name for name in titles if any((name, method.name) in there for method in methods)]
    return [f"not scored: {titles[metric]} of {row.title}" for metric in metrics for row in table_rows(methods)
            if not row.reference and (metric, row.name) not in there]


def stale_scores(methods: list[Method], scores: list[Score]) -> list[str]:
    """One line per score of a method without images in this run."""
    shown = {id(score) for score in [*_of_methods(methods, scores), *_whole_run(methods, scores)]}
    return [f"left out: scores/{s.metric}/{s.method}.json is about a method without images in this run"
            for s in scores if id(s) not in shown]


def metric_titles(scores: Iterable[Score]) -> dict[str, str]:
    """Metric -> its title, in the order of tables."""
    ordered = sorted(scores, key=lambda score: (score.place, score.metric))
    return {score.metric: score.title or capitalised(score.metric.replace("_", " ")) for score in ordered}


def _by_metric_order(scores: list[Score]) -> list[Score]:
    order = list(metric_titles(scores))
    return sorted(scores, key=lambda score: order.index(score.metric))
