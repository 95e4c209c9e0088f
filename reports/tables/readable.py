"""Reading a run for the report and the app: damaged files are left out and named."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from data.errors import InputError
from evaluation.run_directory import Method, OutdatedScore, RunDirectory, Score
from writing.words import counted

Item, Found = TypeVar("Item"), TypeVar("Found")


def readable(read: Callable[[Item], Found], items: Iterable[Item]) -> tuple[list[Found], list[str]]:
    """The results of `read`, and a line for each item for which it raises InputError."""
    found, problems = [], []
    for item in items:
        try:
            found.append(read(item))
        except InputError as error:
            problems.append(str(error))
    return found, problems


def readable_scores(run: RunDirectory) -> tuple[list[Score], list[str]]:
    """All scores that can be read, a line for each damaged file, and one for all files of an older format."""
    outdated: list[Path] = []

    def read(file: Path) -> Score | None:
        try:
            return Score.read(file)
        except OutdatedScore:
            outdated.append(file)
            return None

    found, problems = readable(read, run.score_files())
    if outdated:
        problems.append(f"left out: {counted(len(outdated), 'score file')} written by an older version (such as "
                        f"{outdated[0].relative_to(run.path)}); the stage score computes them again")
    return [score for score in found if score is not None], problems


@dataclass(frozen=True)
class ReadableRun(RunDirectory):
    """Methods and scores are read once; `problems` names the files left out, one line each."""

    def methods(self) -> list[Method]:
        return self._methods[0]

    def scores(self, metric: str | None = None) -> list[Score]:
        return [score for score in self._scores[0] if metric in (None, score.metric)]

    @property
    def problems(self) -> list[str]:
        return self._methods[1] + self._scores[1]

    @cached_property
    def _methods(self) -> tuple[list[Method], list[str]]:
        return readable(self.method, self.method_names())

    @cached_property
    def _scores(self) -> tuple[list[Score], list[str]]:
        return readable_scores(self)
