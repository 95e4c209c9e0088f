"""Several trainings of the methods at one budget as tables: means, spreads, and how well scores separate methods."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evaluation.run_directory import FLOOR, PHOTOS, Method, RunDirectory, Score, Value
from evaluation.statistics.over_seeds import OverSeeds, Resolution, over_seeds, resolution
from evaluation.trainings import Trainings, read_trainings
from reports.tables.scores import Column, ScoreTable, main_table


@dataclass(frozen=True)
class Seeds:
    """Trainings of one budget, at least two or none. methods: rows of the table, in their order."""

    trainings: Trainings
    methods: list[Method]

    @property
    def n(self) -> int:
        return len(self.trainings)

    @cached_property
    def table(self) -> ScoreTable:
        """Mean over the seeds with its interval of every value that all trainings have, standard deviation below."""
        scores, spreads = [], {}
        for score in self.trainings.trainings[0].scores if self.n else []:
            values = []
            for value in score.values:
                if not value.draws and (found := self._over_seeds(score, value)):
                    values.append(replace(value, value=found.mean, interval=found.interval, note="",
                                          independent_layouts=None))
                    spreads[score.method, f"{score.metric}/{value.name}"] = found.spread
            scores.append(replace(score, values=values, provenance={}))
        scores = [score for score in scores if score.values]
        return replace(main_table(_rows(self.methods, scores), scores), extras={"spread": spreads})

    def _over_seeds(self, score: Score, value: Value) -> OverSeeds | None:
        numbers = self.trainings.values(score.metric, value.name)[score.method]
        return over_seeds(numbers) if len(numbers) == self.n else None

    def of_methods(self) -> ScoreTable:
        """The table without cost, which does not depend on the seed, and without photographs."""
        return replace(self.table, columns=[column for column in self.table.columns if column.metric != "cost"],
                       rows=[row for row in self.table.rows if not row.reference])

    @cached_property
    def resolution(self) -> dict[tuple[str, str], Resolution]:
        """(metric, name of the value) -> how far methods lie apart in units of what another training changes."""
        found = {}
        for column in self.of_methods().columns:
            values = self.trainings.values(column.metric, column.name)
            whole = [x for method, x in values.items() if method not in (PHOTOS, FLOOR) and len(x) == self.n]
            if one := resolution(np.array(whole)) if whole else None:
                found[column.metric, column.name] = one
        return found

    def ratios(self) -> list[tuple[Column, Resolution]]:
        """Scores with an order and their resolution, best first."""
        found = [(column, self.resolution[column.metric, column.name]) for column in self.table.columns
                 if (column.metric, column.name) in self.resolution and column.higher_is_better is not None]
        return sorted(found, key=lambda item: -item[1].ratio)


def read_seeds(run: RunDirectory, methods: list[Method] | None = None) -> Seeds:
    """Of the trainings at the run's own budget in its scores/trainings.json. methods: those of the run that can be
    read; None: all. Methods that are only in the file are rows too. Raises InputError for a file of another kind."""
    known = [*run.methods(), *run.merged_methods()] if methods is None else methods
    trainings = read_trainings(run.trainings_file)
    return seeds_of(trainings.at(run.config()["config"]["training"]["images_seen"]), known)


def seeds_of(trainings: Trainings, methods: list[Method]) -> Seeds:
    """Of trainings at one budget; without a second one, empty."""
    return Seeds(trainings if len(trainings) > 1 else Trainings([]), methods)


def _rows(methods: list[Method], scores: list[Score]) -> list[Method]:
    """Those that have a score, the run's own first."""
    known = {method.name: method for method in methods}
    names = {score.method for score in scores} - {PHOTOS, FLOOR}
    return [known.get(name, Method(name, name)) for name in [*known, *sorted(names - set(known))] if name in names]
