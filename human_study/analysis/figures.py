"""Figures of the analysis: preference over exposure as in the paper's Figure 4, preference by method as in Table 1."""

import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from data.files import atomic_path
from evaluation import published
from human_study.analysis.preference import PairResult
from human_study.analysis.results import Analysis
from human_study.analysis.tables import pair_title, paper_value, title

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # distinct for colour-blind readers
MARKERS = "osD^vP"


def exposure_figure(analysis: Analysis) -> Figure | None:
    """Share of each pair against exposure on a logarithmic axis, with intervals and the paper's curves (dashed)."""
    rows = [row for row in analysis.preferences if row.exposure_ms is not None]
    if not rows:
        return None
    figure = Figure(figsize=(6.4, 4.4))
    axes = figure.subplots()
    pairs = list(dict.fromkeys((row.a, row.b) for row in rows))
    for i, pair in enumerate(pairs):
        own = sorted((row for row in rows if (row.a, row.b) == pair), key=lambda row: row.exposure_ms)
        colour = COLOURS[i % len(COLOURS)]
        axes.errorbar([row.exposure_ms for row in own], [100 * row.share for row in own], _bars(own), color=colour,
                      marker=MARKERS[i % len(MARKERS)], markersize=5, linewidth=1.5, capsize=3,
                      label=pair_title(analysis, *pair))
        if paper := [(row.exposure_ms, 100 * paper_value(row)) for row in own if paper_value(row) is not None]:
            axes.plot(*zip(*paper, strict=True), color=colour, linestyle="--", linewidth=1, alpha=0.7)
    axes.axhline(50, color="grey", linewidth=0.8, zorder=0)
    exposures = sorted({row.exposure_ms for row in rows})
    axes.set_xscale("log", base=2)
    axes.set_xticks(exposures, [f"{ms:g}" for ms in exposures])
    axes.minorticks_off()
    lowest = min(100 * (row.clustered or row.naive or (0, 0))[0] for row in rows)
    axes.set(xlabel="exposure, ms", ylabel="preferred, %", ylim=(40 if lowest > 42 else 0, 101))
    if any(paper_value(row) is not None for row in rows):
        axes.plot([], [], color="grey", linestyle="--", label=f"{published.preferences().source}, Cityscapes")
    axes.legend(frameon=False, fontsize=8)
    return _marked(figure, analysis)


def _bars(rows: list[PairResult]) -> list[list[float]]:
    """Distances from the share down and up to the interval: clustered, or naive where only counts are known."""
    intervals = [row.clustered or row.naive or (row.share, row.share) for row in rows]
    return [[max(0.0, 100 * (row.share - low)) for row, (low, _) in zip(rows, intervals, strict=True)],
            [max(0.0, 100 * (high - row.share)) for row, (_, high) in zip(rows, intervals, strict=True)]]


def method_figure(analysis: Analysis) -> Figure | None:
    """Unlimited time: share of the baseline against every other method with intervals, and the paper's values."""
    rows = [row for row in analysis.preferences if row.exposure_ms is None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: row.share)
    figure = Figure(figsize=(6.4, 1.4 + 0.42 * len(rows)))
    axes = figure.subplots()
    places = range(len(rows))
    axes.errorbar([100 * row.share for row in rows], places, xerr=_bars(rows), fmt="o", color=COLOURS[0], capsize=3,
                  label="this study, 95 %")
    paper = [(100 * paper_value(row), i) for i, row in enumerate(rows) if paper_value(row) is not None]
    if paper:
        axes.plot(*zip(*paper, strict=True), "D", color=COLOURS[1], markerfacecolor="none",
                  label=f"{published.preferences().source}, Cityscapes")
    axes.axvline(50, color="grey", linewidth=0.8, zorder=0)
    same = {row.a for row in rows} == {analysis.baseline}
    axes.set_yticks(places, [f"over {title(analysis, row.b)}" if same else pair_title(analysis, row.a, row.b)
                             for row in rows])
    axes.set(xlim=(0, 102), ylim=(-0.6, len(rows) - 0.4),
             xlabel=f"{title(analysis, analysis.baseline) if same else 'first method'} preferred, %")
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return _marked(figure, analysis)


def _marked(figure: Figure, analysis: Analysis) -> Figure:
    """The identity of the study under the figure and, on simulated data, across it."""
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    clustered = all(row.clustered for row in analysis.preferences)
    bars = "Bars: 95 %, clustered by participant and image. " if clustered else \
        "Bars: 95 %; without a clustered interval as if judgments were independent. "
    figure.text(0.01, 0.01, textwrap.fill(bars + analysis.identity.line(), 130), fontsize=5.5, color="grey")
    if analysis.identity.simulated:
        figure.text(0.5, 0.5, "SIMULATED", fontsize=44, color="red", alpha=0.18, rotation=25, ha="center", va="center")
    return figure


def save(figure: Figure, file: Path) -> None:
    """Write by suffix (.png, .pdf, .svg), without the date, so that equal figures are equal files."""
    kind = Path(file).suffix.removeprefix(".")
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
    with atomic_path(file) as temporary:
        figure.savefig(temporary, format=kind, dpi=200, metadata=dates)
