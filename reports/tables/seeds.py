"""The spread over training seeds, from scores/seeds.json (python -m evaluation.merge seeds), as tables."""

from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import InputError
from data.files import read_json
from evaluation.run_directory import FLOOR, PHOTOS, Method, RunDirectory, Score, Value
from reports.tables.scores import Column, ScoreTable, main_table


@dataclass(frozen=True)
class Seeds:
    """table: mean over the seeds with its interval, standard deviation below. resolution: (metric, score) -> how far
    methods lie apart in units of what another training changes (evaluation.statistics.intervals.Resolution). n: the
    number of seeds, 0 without a summary."""

    table: ScoreTable
    resolution: dict[tuple[str, str], float]
    n: int

    def of_methods(self) -> ScoreTable:
        """The table without cost, which does not depend on the seed, and without photographs."""
        return replace(self.table, columns=[column for column in self.table.columns if column.metric != "cost"],
                       rows=[row for row in self.table.rows if not row.reference])

    def ratios(self) -> list[tuple[Column, float]]:
        """Scores with an order and their resolution, best first."""
        found = [(column, self.resolution[column.metric, column.name]) for column in self.table.columns
                 if (column.metric, column.name) in self.resolution and column.higher_is_better is not None]
        return sorted(found, key=lambda item: -item[1])


def read_seeds(run: RunDirectory, methods: list[Method] | None = None) -> Seeds:
    """methods: those of the run that can be read; None: all. Methods that are only in the file are rows too. Raises
    InputError for a file with other content."""
    file = run.path / "scores" / "seeds.json"
    known = [*run.methods(), *run.merged_methods()] if methods is None else methods
    return seeds_of(read_json(file) if file.exists() else [], known, file)


def seeds_of(entries: list[dict], methods: list[Method], file: Path) -> Seeds:
    """Seeds from the entries of scores/seeds.json; `file` is for messages."""
    try:
        entries = [entry for entry in entries if not entry["value"].get("draws")]
        scores = [Score(entry["metric"], entry["method"], [Value.from_json(entry["value"])], {}, title=entry["title"],
                        place=entry["place"]) for entry in entries]
        extras = {"spread": {(e["method"], f"{e['metric']}/{e['value']['name']}"): e["spread"] for e in entries}}
        ratios = {(e["metric"], e["value"]["name"]): found["ratio"] for e in entries if (found := e.get("resolution"))}
        number = min((entry["n"] for entry in entries), default=0)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{file}: not made by python -m evaluation.merge seeds ({error!r})") from None
    return Seeds(replace(main_table(_methods(methods, scores), scores), extras=extras), ratios, number)


def _methods(methods: list[Method], scores: list[Score]) -> list[Method]:
    """Those that have a score, the run's own first."""
    known = {method.name: method for method in methods}
    names = {score.method for score in scores} - {PHOTOS, FLOOR}
    return [known.get(name, Method(name, name)) for name in [*known, *sorted(names - set(known))] if name in names]
