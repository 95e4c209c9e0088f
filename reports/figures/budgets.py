"""Curves over budgets: scores of trainings that saw more or fewer images."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from evaluation.run_directory import FLOOR, PHOTOS
from reports.figures.style import INK, LINES, STYLE, WIDTH, Look, label, looks, panels
from reports.findings.trainings import Evidence
from reports.tables.scores import Column, ScoreTable
from writing.numbers import arrow


def curves(table: ScoreTable, columns: Sequence[Column], trained: Evidence) -> Figure | None:
    """A panel for each score over the images seen, logarithmic: a line through the means of each method, its seeds as
    points, photographs as a line. A run whose trainings are borrowed is marked by rings. None for one budget."""
    if len(trained.trainings.budgets) < 2 or not columns:
        return None
    titles = {row.name: row.title for row in table.rows if not row.reference}
    for training in trained.trainings:
        titles |= {method.name: method.title for method in training.methods if method.name not in titles}
    style = looks(list(titles))
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(columns), 2, WIDTH, 2.6)
        for axis, column in zip(axes, columns, strict=True):
            _panel(axis, table, column, trained, style)
        lines = [Line2D([], [], color=look.colour, marker=look.marker, markersize=4, label=label(titles[name]))
                 for name, look in style.items()]
        lines.append(Line2D([], [], color=INK, linestyle="--", linewidth=0.9, label="photographs"))
        if trained.source:
            lines.append(Line2D([], [], color=INK, linestyle="", marker="o", markersize=8, fillstyle="none",
                                label="this run"))
        figure.legend(handles=lines, loc="outside lower center", ncols=4, fontsize=6.5)
    return figure


def _panel(axis: Axes, table: ScoreTable, column: Column, trained: Evidence, style: Mapping[str, Look]) -> None:
    budgets = trained.trainings.budgets
    values = {budget: trained.at(column, budget) for budget in budgets}
    for name, look in style.items():
        seen = [budget for budget in budgets if name in values[budget]]
        axis.plot(seen, [np.mean(values[budget][name]) for budget in seen], color=look.colour, linewidth=1.2)
        points = [(budget, value) for budget in seen for value in values[budget][name]]
        if points:
            axis.plot(*zip(*points, strict=True), look.marker, color=look.colour, markersize=3.2, alpha=0.75)
        row = next((row for row in table.rows if row.name == name), None)
        if trained.source and row is not None and (own := table.cell(row, column)):
            axis.plot(trained.budget, own.value, "o", color=look.colour, markersize=8, fillstyle="none")
    of_photographs = trained.trainings.values(column.metric, column.name)
    if numbers := of_photographs.get(PHOTOS) or of_photographs.get(FLOOR):
        axis.axhline(np.mean(numbers), color=INK, linestyle=LINES[PHOTOS], linewidth=0.9)
    axis.set_title(f"{column.heading} {arrow(column.higher_is_better)}", fontsize=7)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(budgets))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.0f}"))
    axis.set_xlabel("images seen in training")
