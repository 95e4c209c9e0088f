"""The runs and references in the app, and the data read from them.

Scores are cached until one of their files changes.
"""

import argparse
import hashlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from data.errors import InputError
from data.files import list_folder
from data.labels import LabelSpace
from evaluation.run_directory import Method, RunDirectory, Score
from evaluation.trainings import read_trainings
from reports.findings.trainings import Evidence
from reports.reference import BUDGET, FOLDER, OF_A_BUDGET, Reference, flat, load_reference, reference_names
from reports.tables import scores as tables
from reports.tables.readable import readable, readable_scores
from reports.tables.seeds import Seeds, read_seeds, seeds_of


def command_line(about: str | None = None) -> argparse.ArgumentParser:
    """The options of the app. about: the text above them in --help."""
    usage = argparse.ArgumentParser(prog="python -m reports.app", description=about,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--run", nargs="+", action="extend", metavar="DIR",
                       help="run directories, or names of reference results; default: runs/street")
    usage.add_argument("--port", type=int, help="default: the first free one from 8501 on")
    usage.add_argument("--address", default="127.0.0.1", help="address to listen on; default: this machine only")
    usage.add_argument("--base-path", default="", metavar="PATH", help="path below which a proxy serves the app")
    return usage


def folders(arguments: list[str]) -> list[Path]:
    """The values of --run: a reference's name as its folder, a folder of several trainings (budget-B, seed-N) as each
    of them."""
    shipped = reference_names()
    given = [FOLDER / name if name in shipped and not Path(name).exists() else Path(name)
             for name in command_line().parse_args(arguments).run or ["runs/street"]]
    return [run for folder in given for run in _trainings(folder) or [folder]]


def _trainings(folder: Path) -> list[Path]:
    """Run directories that a call with several seeds or budgets has made, the smallest budget first."""
    if (folder / "run.json").exists():
        return []
    records = [record for pattern in ("seed-*", "budget-*", "budget-*/seed-*")
               for record in list_folder(folder, f"{pattern}/run.json")]
    return sorted((record.parent for record in records), key=lambda run: [
        int(number) for part in run.relative_to(folder).parts if (number := part.partition("-")[2]).isdecimal()])


def names(paths: list[Path]) -> list[str]:
    """Names of the runs in the app: the folder's name, preceded by as many parent folders as make it unique."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(len(p) for p in parts) + 1):
        found = ["/".join(p[-length:]) for p in parts]
        if len(set(found)) == len(found):
            return found
    return [f"{path} ({number})" for number, path in enumerate(paths, 1)]


@dataclass(frozen=True)
class Source:
    """One run. number: its place on the command line, used in the addresses of pictures."""

    number: int
    name: str
    run: RunDirectory

    whole = True  # has layouts and photographs, not only synthesized images

    @cached_property
    def config(self) -> dict[str, Any]:
        """Settings with dotted keys, as text. Raises InputError."""
        return {key: str(value) for key, value in flat(self.run.config()["config"]).items()}

    @property
    def budget(self) -> int:
        """Images that each method saw in training. Raises InputError."""
        return self.run.config()["config"]["training"]["images_seen"]

    @property
    def pictures(self) -> dict[int, str]:
        """Budget -> address of the methods' pictures."""
        return {self.budget: f"pictures/{self.number}/images"}

    @property
    def trained(self) -> Evidence:
        """The run's own trainings at every budget. Raises InputError."""
        return Evidence(read_trainings(self.run.trainings_file), self.budget)

    @cached_property
    def merged(self) -> list[Method]:
        """Methods with scores but no images."""
        return self.run.merged_methods()

    @cached_property
    def layouts(self) -> list[str]:
        return self.run.layouts()

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the layouts. Raises InputError if none can be read."""
        for name in self.layouts:
            with suppress(OSError, SyntaxError), Image.open(self.run.dataset / "layouts" / f"{name}.png") as image:
                return image.height, image.width
        raise InputError(f"{self.run.dataset / 'layouts'}: no layouts; the run's first stage has not finished")

    @cached_property
    def labels(self) -> LabelSpace:
        return self.run.labels()

    @cached_property
    def methods(self) -> list[Method]:
        """Methods whose record can be read; see `problems` for the others."""
        return self._methods[0]

    @cached_property
    def _methods(self) -> tuple[list[Method], list[str]]:
        return readable(self.run.method, self.run.method_names())

    @cached_property
    def titles(self) -> dict[str, str]:
        """Method name -> unique title."""
        return {row.name: row.title for row in tables.table_rows(self.methods) if not row.reference}

    @cached_property
    def scores(self) -> list[Score]:
        """Score files that can be read; see `problems` for the others."""
        return self._scores[0]

    @cached_property
    def _scores(self) -> tuple[list[Score], list[str]]:
        return _read_scores(str(self.run.path), _content(self.run))

    @property
    def seeds(self) -> Seeds:
        """Of several trainings; empty without scores/trainings.json. Raises InputError."""
        return read_seeds(self.run, [*self.methods, *self.merged])

    def state(self) -> tuple:
        """Everything that grows during a run: equal as long as there is nothing new to show. Raises InputError."""
        names = self.run.method_names()
        counts = [len(list_folder(self.run.method_folder(name) / "images", "*.png")) for name in names]
        return tuple(names), tuple(counts), len(self.run.layouts()), _content(self.run)

    @property
    def finished(self) -> bool:
        """Whether the run's last stage is done."""
        return not self.whole or (self.run.path / "stages" / "report.json").exists()

    @cached_property
    def problems(self) -> list[str]:
        """Methods and scores that cannot be read, one line each."""
        return self._methods[1] + self._scores[1]


@dataclass(frozen=True)
class ReferenceSource(Source):
    """Reference results: scores, and previews of some layouts (see reports.reference); no layout, no photograph."""

    reference: Reference

    whole = False

    @cached_property
    def config(self) -> dict[str, Any]:
        seeds = [training.seed for training in self.reference.same_budget]
        return {key: str(value) for key, value in {**self.reference.about["settings"], "seed": seeds}.items()}

    @property
    def budget(self) -> int:
        return self.reference.about["settings"][BUDGET]

    @property
    def pictures(self) -> dict[int, str]:
        return {budget: f"pictures/{self.number}/previews/{budget}" for budget in self.reference.trainings.budgets}

    @property
    def trained(self) -> Evidence:
        return Evidence(self.reference.trainings, self.budget)

    @cached_property
    def merged(self) -> list[Method]:
        return [method for method in self.reference.methods if not self.reference.previews(method.name)]

    @cached_property
    def layouts(self) -> list[str]:
        return sorted({layout for method in self.reference.methods for layout in self.reference.previews(method.name)})

    @cached_property
    def size(self) -> tuple[int, int]:
        return tuple(self.reference.about["pictures"]["size"])

    @cached_property
    def labels(self) -> LabelSpace:
        raise InputError(f"{self.run.path}: a reference has no layouts")

    @cached_property
    def methods(self) -> list[Method]:
        return [method for method in self.reference.methods if self.reference.previews(method.name)]

    @cached_property
    def scores(self) -> list[Score]:
        return self.reference.scores

    @property
    def seeds(self) -> Seeds:
        return seeds_of(self.reference.same_budget, self.reference.methods)

    @cached_property
    def problems(self) -> list[str]:
        return []


def opened() -> tuple[list[Source], list[str]]:
    """All runs on the command line that can be opened, and a line for each that cannot."""
    paths, found, problems = folders(sys.argv[1:]), [], []
    for number, (name, path) in enumerate(zip(names(paths), paths, strict=True)):
        try:
            found.append(open_source(number, name, path))
        except InputError as error:
            problems.append(str(error))
    return found, problems


def all_budgets(source: Source) -> dict[int, str]:
    """Budget -> address of pictures: the source's own, and those of open runs that differ in nothing but the budget."""
    found = dict(source.pictures)
    for other in opened()[0]:
        if other.whole and source.whole and all(
                key.startswith(OF_A_BUDGET) or other.config.get(key) == source.config.get(key)
                for key in {**other.config, **source.config}):
            found = other.pictures | found
    return dict(sorted(found.items()))


def open_source(number: int, name: str, path: Path) -> Source:
    """Raises InputError if the folder is neither a run nor a reference."""
    if (path / "reference.json").exists():
        return ReferenceSource(number, name, RunDirectory(path), load_reference(path))
    return Source(number, name, RunDirectory.open(path))


def _content(run: RunDirectory) -> str:
    """Hash of all score files, which also changes when a copied file keeps its old time."""
    digest = hashlib.sha256()
    for file in list_folder(run.path / "scores", "*/*.json"):
        with suppress(FileNotFoundError):  # deleted meanwhile
            digest.update(f"{file.parent.name}/{file.name} ".encode() + file.read_bytes())
    return digest.hexdigest()


@st.cache_resource(show_spinner=False, max_entries=8)
def _read_scores(path: str, content: str) -> tuple[list[Score], list[str]]:
    """All scores, and a line per file that cannot be read. `content` is part of the cache key."""
    return readable_scores(RunDirectory(Path(path)))
