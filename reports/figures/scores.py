"""Figures of scores. Each function returns a matplotlib Figure, or None if the run has no data for it."""

import math
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from evaluation.run_directory import Value
from evaluation.statistics.over_seeds import Resolution
from reports.figures.style import COLOURS, FAINT, INK, LINES, SHORT, STYLE, WIDTH, WRAPPED, label, looks, panels
from reports.findings.axes import AXES, leading_column, leading_scores
from reports.tables.scores import Column, Row, ScoreTable
from writing.numbers import arrow

NBSP = "\u00a0"  # keeps an arrow on the line of its word
LEAST_RATIO = 0.1  # a logarithmic axis cannot show a ratio of 0
COSTS = ("parameters", "seconds per image", "training seconds")


def leading(table: ScoreTable) -> Figure | None:
    """Bars with intervals: the leading score of every axis, one panel each."""
    columns = [column for _, column in leading_scores(table) if _separates(table, column)]
    return _score_panels(table, columns, 3, bars=True)


def every(table: ScoreTable) -> Figure | None:
    """A panel per score that has an order and separates methods: every method with its interval."""
    columns = [c for c in table.shown().columns if c.higher_is_better is not None and _separates(table, c)]
    return _score_panels(table, columns, 4, bars=False)


def _separates(table: ScoreTable, column: Column) -> bool:
    """Whether methods differ in this score, or there is only one method."""
    return len({value.value for value in table.values(column).values()}) > 1 or sum(
        not row.reference for row in table.rows) == 1


def _score_panels(table: ScoreTable, columns: Sequence[Column], across: int, bars: bool) -> Figure | None:
    methods = [row for row in table.rows if not row.reference]
    if not columns or not methods:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(columns), across, WIDTH, (0.62 if bars else 0.5) + 0.15 * len(methods), sharey=True)
        for axis, column in zip(axes, columns, strict=True):
            _score_panel(axis, table, column, methods, bars)
        _reference_legend(figure, table, columns)
    return figure


def _score_panel(axis: Axes, table: ScoreTable, column: Column, methods: list[Row], bars: bool) -> None:
    style = looks([row.name for row in methods])
    for y, row in enumerate(methods):
        if value := table.cell(row, column):
            if bars:
                axis.barh(y, value.value, height=0.62, color=style[row.name].colour, alpha=0.35)
            axis.errorbar(value.value, y, xerr=whiskers(value), color=style[row.name].colour, markersize=3.6,
                          marker=style[row.name].marker, capsize=1.8, elinewidth=1)
    for row in table.rows:
        if row.reference and (value := table.cell(row, column)):
            axis.axvline(value.value, color=INK, linestyle=LINES[row.name], linewidth=0.9)
    title = f"{column.heading}{NBSP}{arrow(column.higher_is_better)}"
    axis.set_title("\n".join(textwrap.wrap(title, 30 if bars else 20)), fontsize=7)
    axis.set_yticks(range(len(methods)), [label(row.title) for row in methods], fontsize=6.5)
    axis.set_ylim(len(methods) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.locator_params(axis="x", nbins=4)


def _reference_legend(figure: Figure, table: ScoreTable, columns: Sequence[Column]) -> None:
    lines = [Line2D([], [], color=INK, linewidth=0.9, linestyle=LINES[row.name], label=SHORT[row.name])
             for row in table.rows if row.reference and any(table.cell(row, c) for c in columns)]
    if lines:
        figure.legend(handles=lines, loc="outside lower right", ncols=2, fontsize=7)


def whiskers(value: Value) -> np.ndarray | None:
    """Lengths below and above, [2, 1], in matplotlib's form; not negative if an interval does not contain its value."""
    if value.interval is None:
        return None
    low, high = value.interval
    return np.maximum([[value.value - low], [high - value.value]], 0)


def point(axis: Axes, row: Row, style: dict, x: Value, y: Value) -> None:
    look = style[row.name]
    axis.errorbar(x.value, y.value, xerr=whiskers(x), yerr=whiskers(y), color=look.colour, marker=look.marker,
                  markersize=5, capsize=1.8, elinewidth=0.8, linestyle="none", label=label(row.title))


def trade_off(table: ScoreTable) -> Figure | None:
    """Layout score against distance, both with intervals: a method can be strong on one and weak on the other."""
    layout, distance = (leading_column(table, axis) for axis in AXES[:2])
    if layout is None or distance is None:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.8, 3), layout="constrained")
        axis = figure.subplots()
        style = looks([row.name for row in table.rows if not row.reference])
        for row in table.rows:
            x, y = table.cell(row, distance), table.cell(row, layout)
            if row.reference:
                _reference_lines(axis, row, x, y)
            elif x and y:
                point(axis, row, style, x, y)
        axis.set_xlabel(f"{distance.heading}  ({_side(distance, 'left', 'right')})")
        axis.set_ylabel(f"{layout.heading}  ({_side(layout, 'down', 'up')})")
        figure.legend(loc="outside right center", fontsize=7)
    return figure


def _side(column: Column, low: str, high: str) -> str:
    return f"higher is better: {high}" if column.higher_is_better else f"lower is better: {low}"


def _reference_lines(axis: Axes, row: Row, x: Value | None, y: Value | None) -> None:
    """The scores of photographs, as lines across the axes."""
    look = {"color": INK, "linestyle": LINES[row.name], "linewidth": 0.9}
    if y:
        axis.axhline(y.value, **look, label=SHORT[row.name])
    if x:
        axis.axvline(x.value, **look, label=None if y else SHORT[row.name])


def cost_quality(table: ScoreTable) -> Figure | None:
    """Leading scores against costs on a logarithmic axis; a row per score, a column per kind of cost."""
    scores = [c for axis in AXES[:2] if (c := leading_column(table, axis))]
    costs = [c for name in COSTS for c in table.columns if c.metric == "cost" and c.name == name
             and len({v.value for v in table.values(c).values() if v.value > 0}) > 1]
    if not scores or not costs:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(scores) * len(costs), len(costs), WIDTH, 1.7)
        methods = [row for row in table.rows if not row.reference]
        style = looks([row.name for row in methods])
        for axis, (score, cost) in zip(axes, [(s, c) for s in scores for c in costs], strict=True):
            for row in methods:
                x, y = table.cell(row, cost), table.cell(row, score)
                if x and y and x.value > 0:
                    point(axis, row, style, x, y)
            _logarithmic(axis, [value.value for value in table.values(cost).values() if value.value > 0])
            axis.set_xlabel(cost.label + (f" ({cost.unit})" if cost.unit else ""))
            axis.set_ylabel(wrapped(f"{score.label}{NBSP}{arrow(score.higher_is_better)}"))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7)
    return figure


def wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, WRAPPED))


def _logarithmic(axis: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis with a few readable labels; a linear one for less than a decade."""
    decades = math.log10(max(values) / min(values))
    if decades < 1:
        axis.locator_params(axis="x", nbins=4)
        return
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1,) if decades > 1.5 else (1, 3)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def resolution(ratios: Sequence[tuple[Column, Resolution]]) -> Figure | None:
    """Spread of the methods over that of the training seeds with its interval, a line per score, logarithmic."""
    if not ratios:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.8, 0.7 + 0.17 * len(ratios)), layout="constrained")
        axis = figure.subplots()
        for y, (_, found) in enumerate(ratios):
            low, ratio, high = np.maximum([found.interval[0], found.ratio, found.interval[1]], LEAST_RATIO)
            separates = found.interval[0] > 1
            axis.hlines(y, low, high, color=COLOURS[0] if separates else FAINT, linewidth=1.6, alpha=0.5)
            axis.plot(ratio, y, "o" if separates else "s", color=COLOURS[0] if separates else FAINT, markersize=4)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        axis.set_yticks(range(len(ratios)), [column.label for column, _ in ratios])
        axis.set_ylim(len(ratios) - 0.5, -0.5)
        axis.axvline(1, color=INK, linestyle=":", linewidth=0.9)
        axis.set_xlabel("spread of the methods / spread of the seeds, with its 95 % interval  (dotted: equal)")
        axis.grid(axis="y", visible=False)
    return figure
