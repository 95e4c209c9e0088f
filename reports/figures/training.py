"""Training curves and sample pictures from training."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from data.errors import InputError
from data.files import read_image
from evaluation.run_directory import Method, RunDirectory
from reports.figures.style import COLOURS, FAINT, INK, STYLE, WIDTH, label, panels
from reports.tables.pictures import image_size, sample_files

TOTAL = "total"  # the sum of the loss terms in a log
STEPS = 4  # sample pictures of a training, beside its curves


def curves(run: RunDirectory) -> Figure | None:
    """A panel per method with every logged loss term, as a running median: terms of two methods are not comparable."""
    logs = [(m, log) for m in run.methods() if (log := read_log(run, m.name)) is not None]
    if not logs:
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(logs), 3, WIDTH, 2)
        for axis, (method, log) in zip(axes, logs, strict=True):
            _curve_panel(axis, method, log)
    return figure


def over_time(run: RunDirectory) -> Figure | None:
    """A row per method: its curves, and pictures of one layout at several steps. None without sample pictures."""
    rows = [(m, log, files) for m in run.methods()
            if (log := read_log(run, m.name)) is not None and (files := sample_files(run, m.name, STEPS))]
    if not rows:
        return None
    height, width = image_size(run)
    with matplotlib.rc_context(STYLE):
        across = min(STEPS, max(len(files) for _, _, files in rows))
        figure = Figure(figsize=(WIDTH, 1.45 * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), 1 + across, squeeze=False, width_ratios=[1.9, *[1] * across])
        for line, (method, log, files) in zip(axes, rows, strict=True):
            _curve_panel(line[0], method, log)
            for axis in line[1:]:
                axis.set_axis_off()
            for axis, (step, file) in zip(line[1:], files, strict=False):
                _picture(axis, file, step, width, height)
    return figure


def _picture(axis: Axes, file, step: int, width: int, height: int) -> None:
    try:
        strip = read_image(file)
    except InputError:
        axis.text(0.5, 0.5, "unreadable", ha="center", fontsize=6, transform=axis.transAxes)
        return
    axis.imshow(strip[:height, :width], interpolation="nearest")
    axis.set_title(f"step {step:,}", fontsize=6.5, fontweight="normal")


def read_log(run: RunDirectory, method: str) -> pd.DataFrame | None:
    """log.csv of a method: columns images and its loss terms; None without a log or without numbers in it."""
    file = run.method_folder(method) / "log.csv"
    try:
        log = pd.read_csv(file)
    except (FileNotFoundError, ValueError):  # none, or damaged
        return None
    terms = [c for c in log.columns if c not in ("step", "images", "seconds", "epoch", "lr") and log[c].notna().any()]
    terms = [c for c in terms if pd.api.types.is_numeric_dtype(log[c])]
    return log[["images", *terms]] if "images" in log and terms and len(log) else None


def _distinct_terms(log: pd.DataFrame) -> list[str]:
    """Loss terms to draw, the total first (a pale line below the others) unless it equals the only term."""
    terms = [c for c in log.columns if c not in ("images", TOTAL)]
    if TOTAL in log and not (len(terms) == 1 and np.allclose(log[TOTAL], log[terms[0]], rtol=1e-3, equal_nan=True)):
        return [TOTAL, *terms]
    return terms


def _curve_panel(axis: Axes, method: Method, log: pd.DataFrame) -> None:
    """Running medians of the terms, not across the calibration, which changes their weights."""
    terms = _distinct_terms(log)
    calibrated = method.calibrated_at
    parts = [log] if calibrated is None else [log[log["images"] <= calibrated], log[log["images"] > calibrated]]
    window = max(1, len(log) // 40)
    smooth = pd.concat([part[terms].rolling(window, min_periods=1, center=True).median() for part in parts])
    for i, term in enumerate(terms):
        look = {"color": FAINT, "linewidth": 2.6, "alpha": 0.5} if term == TOTAL else {
            "color": COLOURS[i % len(COLOURS)], "linewidth": 1, "linestyle": ("-", "--", ":")[i // len(COLOURS) % 3]}
        axis.plot(log["images"], smooth[term], label=term, **look)
    if calibrated is not None:
        axis.axvline(calibrated, color=INK, linestyle=":", linewidth=0.9, label="weights set")
    values = smooth.to_numpy()
    if np.nanmin(values) > 0 and np.nanmax(values) > 10 * np.nanmin(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(label(method.title))
    axis.set_xlabel("images seen", fontsize=6.5)
    axis.locator_params(axis="x", nbins=5)
    axis.legend(fontsize=5.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=5, columnspacing=0.8,
                handlelength=1.2, handletextpad=0.4)  # in font sizes below the axis, whatever its height
