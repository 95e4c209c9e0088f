"""Figures of the report. Each function gives a matplotlib Figure, or None where the run has nothing to show in it."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from evaluation.rundir import FLOOR, PHOTOS, RunDirectory, Value
from reports.record.formatting import arrow
from reports.record.tables import Column, Row, ScoreTable

# Okabe & Ito's colours for readers with any colour vision, without the two that are faint on white, and three of
# Tol's muted ones; markers differ too, so that no figure depends on colour alone.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#44AA99", "#332288")
MARKERS = "osD^vP*Xhp"
INK, FAINT, GRID = "#20242b", "#8a919c", "#d9dde3"  # text, axes, grid: the report maps them to its theme
STYLE = {
    "font.family": ["DejaVu Sans"], "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT,
    "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK, "xtick.color": FAINT, "ytick.color": FAINT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "legend.frameon": False, "svg.fonttype": "none", "svg.hashsalt": "reports",
}
WIDTH = 10.5  # inches, the text width of the report
TOTAL = "total"  # the sum of the loss terms in a log
SHORT = {PHOTOS: "photographs", FLOOR: "photographs vs photographs"}


@dataclass(frozen=True)
class Look:
    colour: str
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of every method, the same in all figures of a run."""
    return {name: Look(COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)])
            for i, name in enumerate(names)}


def svg(figure: Figure) -> str:
    """The figure as an <svg> element, without XML prologue; the same bytes for the same figure."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg"):]


def _panels(count: int, across: int, width: float, height: float, **options) -> tuple[Figure, list[Axes]]:
    down = -(-count // across)
    figure = Figure(figsize=(width, height * down), layout="constrained")
    axes = figure.subplots(down, min(across, count), squeeze=False, **options).ravel().tolist()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def scores(table: ScoreTable) -> Figure | None:
    """A panel per value that has an order: every method with its interval; lines for the photographs and the floor."""
    columns = [c for c in table.columns if c.higher_is_better is not None]
    methods = [row for row in table.rows if not row.reference]
    if not columns or not methods:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(columns), 4, WIDTH, 0.62 + 0.21 * len(methods), sharey=True)
        for axis, column in zip(axes, columns, strict=True):
            _score_panel(axis, table, column, methods)
        _reference_legend(figure, table)
    return figure


def _score_panel(axis: Axes, table: ScoreTable, column: Column, methods: list[Row]) -> None:
    style = looks([row.name for row in methods])
    for y, row in enumerate(methods):
        if value := table.cell(row, column):
            axis.errorbar(value.value, y, xerr=_whiskers(value), color=style[row.name].colour, markersize=5,
                          marker=style[row.name].marker, capsize=2, elinewidth=1.2)
    for row in table.rows:
        if row.reference and (value := table.cell(row, column)):
            axis.axvline(value.value, color=INK, linestyle="--" if row.name == PHOTOS else ":", linewidth=1)
    axis.set_title("\n".join(textwrap.wrap(f"{column.heading} {arrow(column.higher_is_better)}", 26)), fontsize=9)
    axis.set_yticks(range(len(methods)), [row.title for row in methods])
    axis.set_ylim(len(methods) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.locator_params(axis="x", nbins=4)


def _reference_legend(figure: Figure, table: ScoreTable) -> None:
    lines = [Line2D([], [], color=INK, linewidth=1, linestyle="--" if row.name == PHOTOS else ":",
                                     label=SHORT[row.name]) for row in table.rows if row.reference]
    if lines:
        figure.legend(handles=lines, loc="outside lower right", ncols=2, fontsize=8)


def _whiskers(value: Value) -> np.ndarray | None:
    """Lengths below and above, [2, 1], as matplotlib wants them; an interval need not contain its value."""
    if value.interval is None:
        return None
    low, high = value.interval
    return np.maximum([[value.value - low], [high - value.value]], 0)


def trade_off(table: ScoreTable) -> Figure | None:
    """Layout score against distance, both with intervals: a method can be strong on one and weak on the other."""
    layout = next((c for c in table.columns if c.metric == "segmentation" and c.higher_is_better), None)
    distance = next((c for c in table.columns if c.metric == "distances" and c.higher_is_better is False), None)
    if layout is None or distance is None:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.62, 4.2), layout="constrained")
        axis = figure.subplots()
        style = looks([row.name for row in table.rows if not row.reference])
        for row in table.rows:
            x, y = table.cell(row, distance), table.cell(row, layout)
            if row.reference:
                _reference_lines(axis, row, x, y)
            elif x and y:
                look = style[row.name]
                axis.errorbar(x.value, y.value, xerr=_whiskers(x), yerr=_whiskers(y), color=look.colour,
                              marker=look.marker, markersize=7, capsize=2, elinewidth=1, linestyle="none",
                              label=row.title)
        axis.set_xlabel(f"{distance.name}  (lower is better: left)")
        axis.set_ylabel(f"{layout.name}  (higher is better: up)")
        figure.legend(loc="outside right center", fontsize=8.5)
    return figure


def _reference_lines(axis: Axes, row: Row, x: Value | None, y: Value | None) -> None:
    """What photographs score: a line across the axis where they have a value."""
    look = {"color": INK, "linestyle": "--" if row.name == PHOTOS else ":", "linewidth": 1}
    if y:
        axis.axhline(y.value, **look, label=SHORT[row.name])
    if x:
        axis.axvline(x.value, **look, label=None if y else SHORT[row.name])


def per_class(frame: pd.DataFrame, name: str) -> Figure | None:
    """Heatmap of methods by classes, values 0..1 written into the cells; a class without a value stays empty."""
    if frame.empty:
        return None
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        rows, columns = frame.shape
        figure = Figure(figsize=(min(WIDTH, 2.6 + 0.62 * columns), 0.9 + 0.3 * rows), layout="constrained")
        axis = figure.subplots()
        image = axis.imshow(frame.to_numpy(), cmap="cividis", vmin=0, vmax=1, aspect="auto")
        axis.set_yticks(range(rows), frame.index)
        axis.set_xticks(range(columns), frame.columns, rotation=40, ha="right", rotation_mode="anchor")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for (y, x), value in np.ndenumerate(frame.to_numpy()):
            if np.isfinite(value):
                axis.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=8,
                          color="white" if value < 0.55 else "black")
        figure.colorbar(image, ax=axis, label=name, pad=0.015, aspect=12)
    return figure


def training_curves(run: RunDirectory) -> Figure | None:
    """A panel per method with every logged loss term, as a running median: terms of two methods are not comparable."""
    logs = [(m.title, log) for m in run.methods() if (log := read_log(run, m.name)) is not None]
    if not logs:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(logs), 3, WIDTH, 2.7)
        for axis, (title, log) in zip(axes, logs, strict=True):
            _curve_panel(axis, title, log)
    return figure


def read_log(run: RunDirectory, method: str) -> pd.DataFrame | None:
    """log.csv of a method: columns images and its loss terms; None where there is no log or nothing in it."""
    file = run.method_folder(method) / "log.csv"
    try:
        log = pd.read_csv(file)
    except (FileNotFoundError, pd.errors.EmptyDataError, pd.errors.ParserError):
        return None
    terms = [c for c in log.columns if c not in ("step", "images", "seconds", "epoch", "lr") and log[c].notna().any()]
    terms = [c for c in terms if pd.api.types.is_numeric_dtype(log[c])]
    return log[["images", *terms]] if "images" in log and terms and len(log) else None


def _distinct_terms(log: pd.DataFrame) -> list[str]:
    """Loss terms to draw, the total first (a pale line below the others) unless it is the one term there is."""
    terms = [c for c in log.columns if c not in ("images", TOTAL)]
    if TOTAL in log and not (len(terms) == 1 and np.allclose(log[TOTAL], log[terms[0]], rtol=1e-3, equal_nan=True)):
        return [TOTAL, *terms]
    return terms


def _curve_panel(axis: Axes, title: str, log: pd.DataFrame) -> None:
    terms = _distinct_terms(log)
    smooth = log[terms].rolling(max(1, len(log) // 40), min_periods=1, center=True).median()
    for i, term in enumerate(terms):
        look = {"color": FAINT, "linewidth": 3.5, "alpha": 0.6} if term == TOTAL else {
            "color": COLOURS[i % len(COLOURS)], "linewidth": 1.4, "linestyle": ("-", "--", ":")[i // len(COLOURS) % 3]}
        axis.plot(log["images"], smooth[term], label=term, **look)
    values = smooth.to_numpy()
    if np.nanmin(values) > 0 and np.nanmax(values) > 10 * np.nanmin(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(title)
    axis.set_xlabel("images seen", fontsize=8)
    axis.locator_params(axis="x", nbins=5)
    axis.legend(fontsize=7.5, ncols=min(3, len(terms)), loc="upper center", bbox_to_anchor=(0.5, -0.24),
                columnspacing=1, handlelength=1.2, handletextpad=0.4)
