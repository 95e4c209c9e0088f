"""Figures of the human ranking: agreement of each score with it, and the leading scores against it."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from evaluation.run_directory import PER_IMAGE, Score, Value
from reports.figures.scores import NBSP, point, whiskers, wrapped
from reports.figures.style import INK, STYLE, WASH, WIDTH, looks, panels
from reports.findings.axes import AXES, leading_column
from reports.tables.scores import ScoreTable
from writing.numbers import arrow


def agreement(scores: Sequence[Score]) -> Figure | None:
    """Kendall's tau of every score with each human ranking; grey: the range of 95 % of random orders."""
    orders = [s for s in scores if s.metric == "agreement" and s.values]
    titles = {v.name: v.label for s in orders for v in s.values if v.variant != PER_IMAGE}
    names = list(titles)
    if not names:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.8, 0.8 + 0.16 * len(names)), layout="constrained")
        axis = figure.subplots()
        random = [pair for s in orders for pair in s.details.get("tau of random orders, 95 %", {}).values()]
        if random:
            axis.axvspan(min(low for low, _ in random), max(high for _, high in random), color=WASH, label="random")
        style = looks([s.method for s in orders])
        for i, score in enumerate(orders):
            offset = 0.22 * (i - (len(orders) - 1) / 2)
            for value in (v for v in score.values if v.name in names and v.value is not None):
                look = style[score.method]
                axis.errorbar(value.value, names.index(value.name) + offset, xerr=whiskers(value), color=look.colour,
                              marker=look.marker, markersize=3.6, capsize=1.5, elinewidth=0.8, linestyle="none",
                              label=score.subject or score.method)
        axis.axvline(0, color=INK, linewidth=0.6)
        axis.set_xlim(-1.05, 1.05)
        axis.set_yticks(range(len(names)), list(titles.values()))
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("Kendall’s tau with the human ranking (−1: reversed, 0: unrelated)")
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=7)
    return figure


def against_people(table: ScoreTable, scores: Sequence[Score]) -> Figure | None:
    """Leading scores against the human ranking of the run's own study, else the first one; a panel per score."""
    orders = sorted((s for s in scores if s.metric == "agreement" and s.details.get("human order")),
                    key=lambda s: not s.method.startswith("human-study"))
    columns = [c for axis in AXES[:2] if (c := leading_column(table, axis))]
    if not orders or not columns:
        return None
    human, own = orders[0].details["human order"], orders[0].method.startswith("human-study")
    rows = [row for row in table.rows if row.name in human and not row.reference]
    if len(rows) < 2:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(columns), 2, WIDTH, 2.6)
        style = looks([row.name for row in table.rows if not row.reference])
        for axis, column in zip(axes, columns, strict=True):
            for row in rows:
                if value := table.cell(row, column):
                    point(axis, row, style, Value("people", human[row.name]), value)
            axis.set_xlabel("people: strength in log odds\n(right: more realistic)" if own else
                            "people: % of comparisons with CRN won\n(right: more realistic)")
            axis.set_ylabel(wrapped(f"{column.label}{NBSP}{arrow(column.higher_is_better)}"))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7)
    return figure
