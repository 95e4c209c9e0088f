"""One style for all figures, on the page and on paper: colours, markers, sizes, and saving to files."""

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.files import write_bytes, write_text
from evaluation.run_directory import FLOOR, PHOTOS

# Hues of Okabe & Ito and of Tol for readers with any colour vision, darkened if faint on white; each
# has a bright version for dark pages. Markers differ too, so that no figure depends on colour alone.
COLOURS = ("#0072B2", "#C95500", "#00855E", "#B4558F", "#A36A00", "#2A86BF", "#882255", "#767618", "#23877D", "#4B3BA8")
BRIGHT = ("#4DA6DF", "#FF8A3D", "#2FC795", "#E79AC8", "#F0B429", "#8CD0F5", "#E0729F", "#C7C75A", "#6FD3C6", "#A99BF2")
MARKERS = "osD^vP*Xhp"
INK, FAINT, GRID, WASH = "#20242b", "#69707b", "#d9dde3", "#eceff3"  # text, axes, grid, areas; mapped to the page’s own
STYLE = {
    "font.family": ["DejaVu Sans"], "font.size": 7.5, "axes.titlesize": 7.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT,
    "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK, "xtick.color": FAINT, "ytick.color": FAINT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.5,
    "axes.axisbelow": True, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "legend.frameon": False, "svg.fonttype": "none", "svg.hashsalt": "reports", "pdf.fonttype": 42,
}
WIDTH = 7.1  # inches: the text width of a two-column paper; the page scales it up
DPI = 300
WRAPPED = 24  # characters in a line of a label
SHORT = {PHOTOS: "photographs", FLOOR: "photographs against photographs"}
LINES = {PHOTOS: "--", FLOOR: ":"}


@dataclass(frozen=True)
class Look:
    colour: str
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of every method, the same in all figures of a run."""
    return {name: Look(COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)])
            for i, name in enumerate(names)}


def label(title: str, most: int = 34) -> str:
    """A title beside an axis, shortened to leave room for the figure."""
    return textwrap.shorten(title, most, placeholder=" …")


def panels(count: int, across: int, width: float, height: float, **options) -> tuple[Figure, list[Axes]]:
    down = -(-count // across)
    figure = Figure(figsize=(width, height * down), layout="constrained")
    axes = figure.subplots(down, min(across, count), squeeze=False, **options).ravel().tolist()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def svg(figure: Figure) -> str:
    """The figure as an <svg> element, without XML prologue; the same bytes for the same figure."""
    text = _saved(figure, "svg", {"Date": None}).decode()
    return text[text.index("<svg"):]


def themed(text: str, prefix: str) -> str:
    """SVG in the page's colours and fonts, its ids made unique in the page by `prefix`."""
    variables = {INK: "--ink", FAINT: "--soft", GRID: "--line", WASH: "--tint"}
    variables |= {colour: f"--c{i}" for i, colour in enumerate(COLOURS)}
    for colour, variable in variables.items():
        text = re.sub(colour, f"var({variable})", text, flags=re.IGNORECASE)
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}", text)
    return text.replace("'DejaVu Sans'", "'DejaVu Sans', system-ui").replace("<svg ", '<svg aria-hidden="true" ', 1)


def palette() -> list[tuple[str, str, str]]:
    """(CSS variable, colour on light, colour on dark) of every method colour."""
    return [(f"--c{i}", light, dark) for i, (light, dark) in enumerate(zip(COLOURS, BRIGHT, strict=True))]


def save(figure: Figure, stem: Path, vector: bool = True) -> list[Path]:
    """Write stem.pdf and stem.png (300 dpi, on white), and stem.svg unless it is a figure of pictures."""
    if (engine := figure.get_layout_engine()) is not None:  # laid out once, not again for every file
        figure.dpi = DPI  # letters are hinted narrower at the screen's resolution, and labels would be cut
        with matplotlib.rc_context(STYLE):
            engine.execute(figure)
        figure.set_layout_engine("none")
    write_bytes(stem.with_suffix(".pdf"), _saved(figure, "pdf", {"CreationDate": None, "Producer": None}))
    write_bytes(stem.with_suffix(".png"), _saved(figure, "png", {"Software": None}))
    files = [stem.with_suffix(".pdf"), stem.with_suffix(".png")]
    if vector:
        write_text(stem.with_suffix(".svg"), svg(figure))
        files.append(stem.with_suffix(".svg"))
    return files


def _saved(figure: Figure, kind: str, metadata: dict) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=kind, transparent=kind == "svg", dpi=DPI, metadata=metadata)
    return buffer.getvalue()
