"""The runs that the app shows, and what it reads of them. Everything is kept until its file changes."""

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import streamlit as st
from PIL import Image

from data.errors import InputError
from data.labels import LabelSpace
from evaluation.rundir import Method, RunDirectory, Score
from reports.record import tables

EXPECTED = "streamlit run reports/app.py -- --run runs/street"


def folders(arguments: list[str]) -> list[Path]:
    """The values of --run. Raises InputError for anything else on the command line."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--run", nargs="*", action="extend")
    known, unknown = parser.parse_known_args(arguments)
    if unknown or known.run == []:
        raise InputError(f"unexpected arguments {' '.join(unknown) or '--run without a folder'}; expected: {EXPECTED}")
    return [Path(folder) for folder in known.run or ["runs/street"]]


def names(paths: list[Path]) -> list[str]:
    """What the runs are called in the app: the folder's name, with as many folders above it as tell them apart."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(len(p) for p in parts) + 1):
        found = ["/".join(p[-length:]) for p in parts]
        if len(set(found)) == len(found):
            return found
    return [f"{path} ({number})" for number, path in enumerate(paths, 1)]


@dataclass(frozen=True)
class Source:
    """One run. `number` is its place on the command line, by which addresses of pictures name it."""

    number: int
    name: str
    run: RunDirectory

    @cached_property
    def layouts(self) -> list[str]:
        return self.run.layouts()

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the layouts. Raises InputError where there is none that can be read."""
        for name in self.layouts:
            with suppress(OSError, SyntaxError), Image.open(self.run.dataset / "layouts" / f"{name}.png") as image:
                return image.height, image.width
        raise InputError(f"{self.run.dataset / 'layouts'}: no layouts; the run's first stage has not finished")

    @cached_property
    def labels(self) -> LabelSpace:
        return self.run.labels()

    @cached_property
    def methods(self) -> list[Method]:
        """Those whose record can be read; see `problems` for the others."""
        return [found for found in self._methods if isinstance(found, Method)]

    @cached_property
    def _methods(self) -> list[Method | str]:
        return [_or_problem(self.run.method, name) for name in self.run.method_names()]

    @cached_property
    def titles(self) -> dict[str, str]:
        """Method name -> title, unlike any other."""
        return {row.name: row.title for row in tables.table_rows(self.methods) if not row.reference}

    @cached_property
    def scores(self) -> list[Score]:
        """Score files that can be read; see `problems` for the others."""
        return _scores(str(self.run.path), _newest(self.run))[0]

    @cached_property
    def problems(self) -> list[str]:
        """What cannot be read of methods and scores, a line each."""
        return [found for found in self._methods if isinstance(found, str)] + _scores(
            str(self.run.path), _newest(self.run))[1]


def opened() -> tuple[list[Source], list[str]]:
    """Every run of the command line that can be opened, and a line for each that cannot."""
    paths, found, problems = folders(sys.argv[1:]), [], []
    for number, (name, path) in enumerate(zip(names(paths), paths, strict=True)):
        try:
            found.append(open_source(number, name, path))
        except InputError as error:
            problems.append(str(error))
    return found, problems


def _or_problem(read: Callable[[str], Method], name: str) -> Method | str:
    try:
        return read(name)
    except InputError as error:
        return str(error)


def open_source(number: int, name: str, path: Path) -> Source:
    """Raises InputError where there is no run."""
    return Source(number, name, RunDirectory.open(path))


def _newest(run: RunDirectory) -> tuple[int, float]:
    times = [file.stat().st_mtime for file in (run.path / "scores").glob("*/*.json")]
    return len(times), max(times, default=0.0)


@st.cache_resource(show_spinner=False, max_entries=8)
def _scores(path: str, changed: tuple[int, float]) -> tuple[list[Score], list[str]]:
    """All scores and a line per file that is none; `changed` makes a new entry when a file does."""
    from data.files import read_json

    found, problems = [], []
    for file in sorted((Path(path) / "scores").glob("*/*.json")):
        try:
            found.append(Score.from_json(read_json(file)))
        except InputError as error:
            problems.append(str(error))
        except (KeyError, TypeError, AttributeError) as error:
            problems.append(f"{file}: not a score file ({error!r})")
    return found, problems
