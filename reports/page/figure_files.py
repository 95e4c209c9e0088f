"""Every figure of a run: as SVG in the page's colours, and as PDF, PNG and SVG files fit for a paper."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from evaluation.run_directory import RunDirectory
from reports.figures import grids, people, scores, training
from reports.figures.classes import per_class
from reports.figures.style import save, themed
from reports.findings.verdict import CLEAR
from reports.tables import pictures
from reports.tables.classes import per_class_tables
from reports.tables.export import file_stem
from reports.tables.scores import main_table
from reports.tables.seeds import read_seeds

PAPER_LAYOUTS = 4


@dataclass(frozen=True)
class FigureFiles:
    """svg: for the page, None for grids of pictures, which it shows as pictures. files: relative to the report."""

    svg: Markup | None
    files: list[str]


def draw_figures(run: RunDirectory, folder: Path, chosen: str) -> dict[str, FigureFiles]:
    """Write report/figures/ and give what the page needs of it. chosen: the layout that stands for the run."""
    found = {}
    for name, figure, vector in _all(run, chosen):
        if figure is not None:
            stem = folder / "figures" / file_stem(name)
            files = save(figure, stem, vector)
            svg = stem.with_suffix(".svg").read_text(encoding="utf-8") if vector else None
            text = Markup(themed(svg, f"{stem.name}-")) if vector else None
            found[name] = FigureFiles(text, [file.relative_to(folder).as_posix() for file in files])
    return found


def _all(run: RunDirectory, chosen: str) -> Iterator[tuple[str, Figure | None, bool]]:
    """(name, figure or None where there is nothing to draw, whether it is made of lines and text)."""
    methods, found = [*run.methods(), *run.merged_methods()], run.scores()
    table = main_table(methods, found)
    yield "leading scores", scores.leading(table), True
    yield "scores", scores.every(table), True
    yield "trade-off", scores.trade_off(table), True
    yield "cost and quality", scores.cost_quality(table), True
    yield "agreement with people", people.agreement(found), True
    yield "scores against people", people.against_people(table, found), True
    yield "resolution", scores.resolution(read_seeds(run).ratios(), CLEAR), True
    for name, classes in per_class_tables(methods, found).items():
        yield f"class {name}", per_class(classes.titled(), name), True
    yield "training", training.curves(run), True
    yield "training over time", training.over_time(run), False
    others = [name for name in pictures.evenly_spaced(run.layouts(), PAPER_LAYOUTS) if name != chosen]
    yield "qualitative", grids.qualitative(run, [chosen, *others[: PAPER_LAYOUTS - 1]]), False
    for method in run.methods():
        if method.images_per_layout > 1:
            layouts = pictures.evenly_spaced(run.layouts(), PAPER_LAYOUTS)
            yield f"diversity {method.name}", grids.diversity(run, method, layouts), False
