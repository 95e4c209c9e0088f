"""Every figure of a run: as SVG in the page's colours, and as PDF, PNG and SVG files fit for a paper."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from data.processes import available_cores, map_in_processes
from evaluation.run_directory import RunDirectory
from reports.figures import grids, people, scores, training
from reports.figures.budgets import curves
from reports.figures.classes import per_class
from reports.figures.style import save, themed
from reports.findings.axes import leading_scores
from reports.page.reference_results import evidence
from reports.reference import matching_reference
from reports.tables import pictures
from reports.tables.classes import per_class_tables
from reports.tables.export import file_stem
from reports.tables.readable import ReadableRun
from reports.tables.scores import main_table
from reports.tables.seeds import read_seeds

PAPER_LAYOUTS = 4
MOST_PROCESSES = 6  # a figure or two for each


@dataclass(frozen=True)
class FigureFiles:
    """svg: for the page; None for grids of pictures, which it shows as pictures. files: relative to the report."""

    svg: Markup | None
    files: list[str]


def draw_figures(run: RunDirectory, folder: Path, chosen: str) -> dict[str, FigureFiles]:
    """Write report/figures/; returns name -> SVG and files. chosen: the layout that represents the run.

    Several processes draw, because drawing takes most of a report's time.
    """
    shares = min(available_cores(), MOST_PROCESSES)
    draw = partial(_draw_share, run.path, folder, chosen, shares)
    found = [figure for share in map_in_processes(draw, range(shares), shares, chunk=1) for figure in share]
    return {name: files for _, name, files in sorted(found, key=lambda figure: figure[0])}


def _draw_share(path: Path, folder: Path, chosen: str, shares: int, share: int) -> list[tuple[int, str, FigureFiles]]:
    """Every `shares`-th figure, as (place, name, files)."""
    found = []
    for place, (name, build, vector) in enumerate(_figures(ReadableRun(path), chosen)):
        if place % shares == share and (figure := build()) is not None:
            stem = folder / "figures" / file_stem(name)
            files = save(figure, stem, vector)
            text = Markup(themed(stem.with_suffix(".svg").read_text(encoding="utf-8"), f"{stem.name}-")) if vector \
                else None
            found.append((place, name, FigureFiles(text, [file.relative_to(folder).as_posix() for file in files])))
    return found


def _figures(run: RunDirectory, chosen: str) -> Iterator[tuple[str, Callable[[], Figure | None], bool]]:
    """(name, function that returns the figure or None if there is nothing to draw, whether it consists of lines and
    text)."""
    methods, found = [*run.methods(), *run.merged_methods()], run.scores()
    table = main_table(methods, found)
    yield "leading scores", partial(scores.leading, table), True
    yield "budgets", lambda: curves(table, [column for _, column in leading_scores(table)],
                                    evidence(run, matching_reference(run))), True
    yield "scores", partial(scores.every, table), True
    yield "trade-off", partial(scores.trade_off, table), True
    yield "cost and quality", partial(scores.cost_quality, table), True
    yield "agreement with people", partial(people.agreement, found), True
    yield "scores against people", partial(people.against_people, table, found), True
    yield "resolution", partial(scores.resolution, read_seeds(run).ratios()), True
    for name, classes in per_class_tables(methods, found).items():
        yield f"class {name}", partial(per_class, classes.titled(), name), True
    yield "training", partial(training.curves, run), True
    yield "training over time", partial(training.over_time, run), False
    others = [name for name in pictures.evenly_spaced(run.layouts(), PAPER_LAYOUTS) if name != chosen]
    yield "qualitative", partial(grids.qualitative, run, [chosen, *others[: PAPER_LAYOUTS - 1]]), False
    for method in run.methods():
        if method.images_per_layout > 1:
            layouts = pictures.evenly_spaced(run.layouts(), PAPER_LAYOUTS)
            yield f"diversity {method.name}", partial(grids.diversity, run, method, layouts), False
