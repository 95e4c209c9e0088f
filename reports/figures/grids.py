"""Grids of pictures for a paper: all methods on a few layouts, and all images of a layout by a diversity model."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from data.errors import InputError
from data.files import read_image
from evaluation.run_directory import PHOTOS, Method, RunDirectory
from reports.figures.style import STYLE, WIDTH
from reports.tables.pictures import image_size

GAP = 0.03  # inches between pictures
Picture = Callable[[], np.ndarray]


def qualitative(run: RunDirectory, layouts: Sequence[str], across: int = 5) -> Figure | None:
    """As in the paper's figures: layout, photograph and every method, for each of the layouts; pixels stay exact."""
    methods = run.methods()
    if not methods:
        return None
    titles = ["Layout", "Photograph", *(method.title for method in methods)]
    keys = [PHOTOS, *(method.name for method in methods)]
    rows = [[lambda name=name: run.labels().colourise(run.layout(name)),
             *(_reader(run.image_file(key, name)) for key in keys)] for name in layouts]
    return _grid(run, titles, rows, across)


def diversity(run: RunDirectory, method: Method, layouts: Sequence[str], most: int = 9) -> Figure | None:
    """A row per layout: the layout, its photograph, and the method's images of it."""
    shown = range(1, min(method.images_per_layout, most) + 1)
    titles = ["Layout", "Photograph", *(f"image {u}" for u in shown)]
    rows = [[lambda name=name: run.labels().colourise(run.layout(name)), _reader(run.photo_file(name)),
             *(_reader(run.variant_file(method.name, name, u)) for u in shown)] for name in layouts]
    return _grid(run, titles, rows, len(titles) if len(titles) <= 6 else -(-len(titles) // 2))


def _reader(file: Path) -> Picture:
    return lambda: read_image(file)


def _grid(run: RunDirectory, titles: Sequence[str], rows: Sequence[Sequence[Picture]], across: int) -> Figure | None:
    """Blocks of `across` pictures with all layouts in each block, one line per layout."""
    if not rows:
        return None
    height, width = image_size(run)
    blocks = [range(start, min(start + across, len(titles))) for start in range(0, len(titles), across)]
    across = max(len(block) for block in blocks)
    wide = (WIDTH - GAP * (across - 1)) / across
    titles = [textwrap.fill(title, max(8, int(19 * wide))) for title in titles]
    tall, head = wide * height / width, 0.09 + 0.11 * max(1 + title.count("\n") for title in titles)
    total = len(blocks) * (head + len(rows) * (tall + GAP))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, total))
        top = total
        for block in blocks:
            for line, row in enumerate(rows):
                for place, i in enumerate(block):
                    bottom = top - head - (line + 1) * (tall + GAP) + GAP
                    axis = figure.add_axes((place * (wide + GAP) / WIDTH, bottom / total, wide / WIDTH, tall / total))
                    axis.set_axis_off()
                    _show(axis, row[i])
                    if line == 0:
                        axis.set_title(titles[i], fontsize=6.5, fontweight="normal", loc="center", pad=2)
            top -= head + len(rows) * (tall + GAP)
    return figure


def _show(axis, picture: Picture) -> None:
    try:
        axis.imshow(picture(), interpolation="nearest", aspect="auto")
    except InputError:
        axis.text(0.5, 0.5, "missing", ha="center", va="center", fontsize=6, transform=axis.transAxes)
