"""Scores per class as a heatmap."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures.style import STYLE, WIDTH, label


def per_class(frame: pd.DataFrame, name: str) -> Figure | None:
    """Heatmap of methods by classes, values 0..1 written into the cells; empty for a class without a value."""
    if frame.empty:
        return None
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        rows, columns = frame.shape
        figure = Figure(figsize=(min(WIDTH, 2.2 + 0.45 * columns), 0.75 + 0.22 * rows), layout="constrained")
        axis = figure.subplots()
        image = axis.imshow(frame.to_numpy(), cmap="cividis", vmin=0, vmax=1, aspect="auto")
        axis.set_yticks(range(rows), [label(title) for title in frame.index])
        axis.set_xticks(range(columns), frame.columns, rotation=40, ha="right", rotation_mode="anchor")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for (y, x), value in np.ndenumerate(frame.to_numpy()):
            if np.isfinite(value):
                axis.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=6.5 if columns < 16 else 5,
                          color="white" if value < 0.55 else "black")
        figure.colorbar(image, ax=axis, label=name, pad=0.015, aspect=12)
    return figure
