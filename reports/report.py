"""The HTML report: one folder that opens from disk without network and can be copied anywhere."""

import shutil
from pathlib import Path

import jinja2

from data.files import list_folder, write_text
from evaluation.run_directory import RunDirectory
from reports.figures.style import palette
from reports.findings.choice import chosen_layout
from reports.page.context import context
from reports.page.figure_files import draw_figures
from reports.page.gallery import Gallery
from reports.tables.export import export
from reports.tables.readable import ReadableRun
from writing.numbers import arrow

TEMPLATES = Path(__file__).parent / "page" / "templates"


def write_report(directory: RunDirectory) -> Path:
    """Write report/ of a run: index.html, images/ (copies, byte for byte), figures/ (PDF, PNG, SVG), tables/ (CSV,
    LaTeX).

    The report names missing parts of the run (scores, variants, logs, study) and damaged files. Raises InputError if
    the run has no layouts or no readable run.json.
    """
    run = ReadableRun(directory.path)
    folder = run.report
    gallery = Gallery(run, folder)
    chosen, rule = chosen_layout(run, run.scores())
    drawn = draw_figures(run, folder, chosen)
    exported = export(run, folder / "tables")
    page = context(run) | {
        "chosen": gallery.scene(chosen), "chosen_rule": rule, "gallery": gallery.scenes(),
        "diversity": gallery.diversity(), "samples": gallery.samples(), "gallery_rule": gallery.rule,
        "scale": gallery.scale, "size": gallery.size, "palette": palette(),
        "figures": drawn, "exported": [file.relative_to(folder).as_posix() for file in exported]}
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["arrow"] = arrow
    index = folder / "index.html"
    write_text(index, environment.get_template("report.html").render(page))
    _remove_others(folder / "images", gallery.written)
    _remove_others(folder / "tables", set(exported))
    _remove_others(folder / "figures", {folder / file for figure in drawn.values() for file in figure.files})
    return index


def _remove_others(folder: Path, keep: set[Path]) -> None:
    """Delete files of an earlier report."""
    if not folder.is_dir():
        return
    for path in reversed(list_folder(folder, "**/*")):
        if path.is_dir() and not list_folder(path):
            shutil.rmtree(path)
        elif path.is_file() and path not in keep:
            path.unlink()
