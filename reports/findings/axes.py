"""The questions that a comparison answers, each by one leading score: layout, likeness to photographs, diversity."""

from dataclasses import dataclass

from evaluation.run_directory import AXES as TITLES
from evaluation.run_directory import Value
from reports.tables.scores import Column, ScoreTable


@dataclass(frozen=True)
class Axis:
    """key: the `axis` of the scores that answer it. several: applies only to methods that make several images
    per layout."""

    key: str
    title: str
    several: bool = False


AXES = tuple(Axis(key, title, several=key == "diversity") for key, title in TITLES.items())


def leading_column(table: ScoreTable, axis: Axis) -> Column | None:
    """The score that represents an axis: the first leading score, or else the first with an order."""
    columns = [c for c in table.columns if c.about.axis == axis.key and c.higher_is_better is not None
               and not (c.about.draws or c.about.variant)]
    leading = sorted((c for c in columns if c.about.leading), key=lambda c: c.about.leading)
    if leading:
        return leading[0]
    return columns[0] if columns and not axis.several else None


def leading_scores(table: ScoreTable) -> list[tuple[str, Column]]:
    """(question, score that answers it) for each axis. Without a judge and an extractor no axis has one; the first
    score with an order then represents each metric, except costs."""
    found = [(axis.title, column) for axis in AXES if (column := leading_column(table, axis))]
    if any(not axis.several and leading_column(table, axis) for axis in AXES):
        return found
    firsts: dict[str, Column] = {}
    for column in table.shown().columns:
        if column.higher_is_better is not None and column.metric != "cost" and column.about.images != 1:
            firsts.setdefault(column.metric_title, column)
    return list(firsts.items())


def better(a: Value, b: Value, higher_is_better: bool) -> bool:
    return (a.value > b.value) if higher_is_better else (a.value < b.value)


def apart(a: Value, b: Value) -> bool:
    """Whether both have intervals and these do not overlap."""
    return bool(a.interval and b.interval) and (a.interval[0] > b.interval[1] or b.interval[0] > a.interval[1])


def ordered(table: ScoreTable, column: Column) -> list[tuple[str, Value]]:
    """Methods by their value, best first; equal ones in the order of the rows."""
    return sorted(table.values(column).items(), key=lambda item: item[1].value, reverse=bool(column.higher_is_better))


def rank_ranges(table: ScoreTable, column: Column) -> dict[str, tuple[int, int]]:
    """Best and worst place of each method that the intervals allow: 1 + those surely better, M - those surely worse.

    Without intervals nothing is sure.
    """
    values = table.values(column)

    def surely_better(a: Value, b: Value) -> bool:
        return apart(a, b) and better(a, b, bool(column.higher_is_better))

    return {name: (1 + sum(surely_better(other, value) for other in values.values()),
                   len(values) - sum(surely_better(value, other) for other in values.values()))
            for name, value in values.items()}


def leaders(table: ScoreTable, column: Column) -> list[str]:
    """The best method and all whose interval overlaps with its own, best first."""
    found = ordered(table, column)
    best = found[0][1]
    return [name for name, value in found
            if value is best or value.value == best.value or (value.interval and best.interval
                                                              and not apart(value, best))]
