"""The HTML report: one folder that opens from disk without network and can be copied anywhere."""

import re
import shutil
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from data.errors import InputError
from data.files import write_bytes, write_text
from evaluation.rundir import PHOTOS, RunDirectory
from reports.figures import drawing as figures
from reports.page import sections
from reports.record import export, pictures, tables
from reports.record.formatting import arrow

GALLERY_LAYOUTS = 12
DIVERSITY_LAYOUTS = 6
TEMPLATES = Path(__file__).parent / "page" / "templates"


def write_report(run: RunDirectory) -> Path:
    """Write report/ of a run: index.html, images/ (copies, byte for byte), figures/ (SVG), tables/ (CSV, LaTeX).

    What is missing in the run (scores, variants, logs, study) is named in the report. Raises InputError when the run
    has no layouts or no run.json.
    """
    folder = run.report
    gallery = _Gallery(run, folder)
    drawn = _figures(run, folder)
    exported = export.export(run, folder / "tables")
    context = sections.context(run) | {
        "gallery": gallery.sections(GALLERY_LAYOUTS), "diversity": gallery.diversity(DIVERSITY_LAYOUTS),
        "gallery_rule": gallery.rule, "scale": gallery.scale, "size": gallery.size,
        "figures": drawn, "exported": [file.relative_to(folder).as_posix() for file in exported]}
    index = folder / "index.html"
    write_text(index, _environment().get_template("report.html").render(context))
    _remove_others(folder / "images", gallery.written)
    _remove_others(folder / "tables", {folder / "tables" / file.name for file in exported})
    return index


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["arrow"] = arrow
    return environment


def _figures(run: RunDirectory, folder: Path) -> dict[str, Markup]:
    """Every figure the run has something for, as inline SVG in the colours of the page; also as files."""
    methods, scores = [*run.methods(), *run.merged_methods()], run.scores()
    main = tables.main_table(methods, scores)
    made = {"scores": figures.scores(main), "trade-off": figures.trade_off(main),
            "training": figures.training_curves(run)}
    made |= {f"class {name}": figures.per_class(table.titled(), name)
             for name, table in tables.per_class_tables(methods, scores).items()}
    texts = {name: figures.svg(figure) for name, figure in made.items() if figure is not None}
    for name, text in texts.items():
        write_text(folder / "figures" / f"{export.file_stem(name)}.svg", text)
    _remove_others(folder / "figures", {folder / "figures" / f"{export.file_stem(name)}.svg" for name in texts})
    return {name: Markup(_themed(text, f"{export.file_stem(name)}-")) for name, text in texts.items()}


def _themed(text: str, prefix: str) -> str:
    """SVG in the page's colours and fonts, its ids made unique in the page by `prefix`."""
    for colour, variable in ((figures.INK, "--ink"), (figures.FAINT, "--faint"), (figures.GRID, "--line")):
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}", text)
    return text.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'").replace("<svg ", '<svg aria-hidden="true" ', 1)


class _Gallery:
    """Copies of the shown images under report/images, and what the template needs to show them."""

    def __init__(self, run: RunDirectory, folder: Path):
        self.run, self.folder, self.written = run, folder, set()
        self.layouts, self.methods, self.labels = run.layouts(), run.methods(), run.labels()
        self.size = pictures.image_size(run)
        self.scale = pictures.display_scale(self.size[1])

    @property
    def rule(self) -> str:
        shown = min(GALLERY_LAYOUTS, len(self.layouts))
        if shown == len(self.layouts):
            return f"All {shown} validation layouts."
        return (f"{shown} of {len(self.layouts)} validation layouts, at equal distances in the sorted list of names, "
                "first and last included; not picked by looks.")

    def sections(self, count: int) -> list[dict]:
        return [{"name": name, "images": [self._layout(name), self._copy(PHOTOS, "Photograph", name),
                                          *(self._copy(m.name, m.title, name) for m in self.methods)]}
                for name in pictures.evenly_spaced(self.layouts, count)]

    def diversity(self, count: int) -> list[dict]:
        """Per method that makes several images per layout: rows of layout, photograph and all its images."""
        return [{"title": method.title, "k": method.images_per_layout, "rows": [
                    {"name": name, "images": [self._layout(name), self._copy(PHOTOS, "Photograph", name),
                                              *self._variants(method, name)]}
                    for name in pictures.evenly_spaced(self.layouts, count)]}
                for method in self.methods if method.images_per_layout > 1]

    def _variants(self, method, name: str) -> list[dict]:
        return [self._copy(method.name, f"image {u}", name, self.run.variant_file(method.name, name, u))
                for u in range(1, method.images_per_layout + 1)]

    def _layout(self, name: str) -> dict:
        try:
            content = pictures.layout_png(self.run.layout(name), self.labels)
        except InputError as error:
            return self._absent("layout", "Layout", name, error)
        return self._item("layout", "Layout", name, content, f"layouts/{name}.png")

    def _copy(self, key: str, title: str, name: str, file: Path | None = None) -> dict:
        file = file or self.run.image_file(key, name)
        try:
            content = pictures.png_bytes(file)
        except InputError as error:
            return self._absent(key, title, name, error)
        target = f"photos/{file.name}" if key == PHOTOS else f"methods/{key}/{file.parent.name}/{file.name}"
        return self._item(key, title, name, content, target)

    def _item(self, key: str, title: str, name: str, content: bytes, target: str) -> dict:
        path = self.folder / "images" / target
        if path not in self.written:
            write_bytes(path, content)
            self.written.add(path)
        return {"key": key, "title": title, "src": f"images/{quote(target)}", "alt": f"{title} of scene {name}"}

    def _absent(self, key: str, title: str, name: str, error: InputError) -> dict:
        return {"key": key, "title": title, "src": None, "alt": f"{title} of scene {name}", "problem": str(error)}


def _remove_others(folder: Path, keep: set[Path]) -> None:
    """Drop what an earlier report left behind, so that the folder holds this report and nothing else."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)
        elif path.is_file() and path not in keep:
            path.unlink()
