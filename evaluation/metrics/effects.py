"""The metric "effects": what the loss does and what the architecture does, in a grid of generator x objective.

For each score an additive model: value = mean + effect of the generator + effect of the objective + rest. Effects sum
to zero over rows and over columns (in a full grid: row mean minus grand mean). A large rest means that an effect
depends on what it is combined with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from data.errors import InputError
from evaluation.metrics.base import ComparisonMetric, Measured, ScoreKind
from evaluation.metrics.work import Work
from evaluation.run_directory import Quantity, Value
from evaluation.statistics.intervals import UNDEFINED, Statistic, percentile_interval, resample_together

Cell = tuple[str, str]  # generator, objective


@dataclass(frozen=True)
class Effects:
    """Arrays [..., rows], [..., columns], [...]; rest [...]: root mean square of what is not additive."""

    rows: np.ndarray
    columns: np.ndarray
    mean: np.ndarray
    rest: np.ndarray


def _design(cells: list[Cell], rows: list[str], columns: list[str]) -> np.ndarray:
    """One line per cell: 1, row effects but the last, column effects but the last (the last is minus their sum)."""
    def coded(value: str, levels: list[str]) -> list[float]:
        if value == levels[-1]:
            return [-1.0] * (len(levels) - 1)
        return [float(value == level) for level in levels[:-1]]
    return np.array([[1.0, *coded(row, rows), *coded(column, columns)] for row, column in cells])


def additive_effects(values: np.ndarray, cells: list[Cell], rows: list[str], columns: list[str]) -> Effects:
    """Least squares of the additive model for values [..., cells]; missing cells are allowed as long as the others tie
    every row to every column. Raises InputError otherwise, and for fewer than two rows or columns."""
    if len(rows) < 2 or len(columns) < 2:
        raise InputError(f"effects need at least 2 generators and 2 objectives, got {len(rows)} and {len(columns)}")
    design = _design(cells, rows, columns)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError("effects: the grid of generators and objectives falls apart into unconnected parts; train "
                         "more of its cells")
    coefficients = values @ np.linalg.pinv(design).T
    r, c = coefficients[..., 1 : len(rows)], coefficients[..., len(rows) :]
    rest = values - coefficients @ design.T
    rows_, columns_ = (np.concatenate([e, -e.sum(-1, keepdims=True)], -1) for e in (r, c))
    return Effects(rows_, columns_, coefficients[..., 0], np.sqrt(np.square(rest).mean(-1)))


def grid_of(work: Work) -> tuple[dict[Cell, str], list[str]]:
    """Generator, objective -> method, of the methods that make one image per layout, the first of each cell; and the
    methods of a smaller grid that shares no generator and no objective with this one."""
    grid: dict[Cell, str] = {}
    for method in work.measurements.methods.values():
        if method.generator and method.objective and method.images_per_layout == 1:
            grid.setdefault((method.generator, method.objective), method.name)
    if not (cells := _crossed(list(grid))):
        return {}, []
    connected = np.array([[a[0] == b[0] or a[1] == b[1] for b in cells] for a in cells])
    part = connected_components(connected)[1]  # effects exist within one part only
    largest = part == np.bincount(part).argmax()
    return ({cell: grid[cell] for cell, kept in zip(cells, largest, strict=True) if kept},
            [grid[cell] for cell, kept in zip(cells, largest, strict=True) if not kept])


def _crossed(cells: list[Cell]) -> list[Cell]:
    """Without generators and objectives that occur once: a lone cell cannot separate them."""
    rows, columns = zip(*cells, strict=True) if cells else ((), ())
    kept = [cell for cell in cells if rows.count(cell[0]) > 1 and columns.count(cell[1]) > 1]
    return kept if len(kept) == len(cells) else _crossed(kept)


def effects_of(statistics: Mapping[Cell, Statistic], quantity: Quantity, kind: ScoreKind, counts: np.ndarray,
               block: int = 1) -> tuple[list[Value], dict[str, Any]]:
    """The effects "generator X", "objective Y" and "not additive (RMS)" on one score, with bootstrap intervals, and the
    grid as a table."""
    cells = list(statistics)
    rows, columns = (list(dict.fromkeys(cell[i] for cell in cells)) for i in (0, 1))
    point = np.array([statistics[cell].value() for cell in cells])
    found = additive_effects(point, cells, rows, columns)
    replicates, fewest = resample_together([statistics[cell] for cell in cells], counts, block)
    resampled = additive_effects(replicates, cells, rows, columns)

    def value(effect: str, number: np.ndarray, spread: np.ndarray) -> Value:
        interval = percentile_interval(spread) if fewest.interval_possible else None
        note = fewest.note or ("" if interval else UNDEFINED)
        return kind.value(replace(quantity, effect=effect), float(number), interval, note)

    values = [value("mean of the grid", found.mean, resampled.mean)]
    values += [value(f"generator {name}", found.rows[i], resampled.rows[:, i]) for i, name in enumerate(rows)]
    values += [value(f"objective {name}", found.columns[i], resampled.columns[:, i]) for i, name in enumerate(columns)]
    rest = replace(kind, higher_is_better=False)
    values.append(rest.value(replace(quantity, effect="not additive (RMS)"), float(found.rest), None,
                             "a measure of fit"))
    grid = {row: {column: statistics[row, column].value() if (row, column) in statistics else None
                  for column in columns} for row in rows}
    return values, {"grid": grid}


class EffectsMetric(ComparisonMetric):
    """scores/effects/<score name>.json for every score that all methods of the run's grid have; nothing where the
    methods form no grid."""

    name, title = "effects", "Effects of generator and objective"

    def _grid(self, work: Work) -> tuple[dict[Cell, str], list[str]]:
        return work.once(self.name, lambda: grid_of(work))

    def _table(self, work: Work) -> dict[str, dict[Cell, tuple[Quantity, Statistic]]]:
        """File name -> the score of every cell."""
        return work.once((self.name, "table"), lambda: self._make_table(work))

    def _make_table(self, work: Work) -> dict[str, dict[Cell, tuple[Quantity, Statistic]]]:
        table = {cell: self.all_statistics(work, method) for cell, method in self._grid(work)[0].items()}
        quantities = [quantity for quantity in next(iter(table.values()))
                      if all(quantity in s and np.isfinite(s[quantity].value()) for s in table.values())]
        return {file_name(quantity.name): {cell: (quantity, s[quantity]) for cell, s in table.items()}
                for quantity in quantities}

    def applies(self, work: Work) -> bool:
        grid, _ = self._grid(work)
        return all(len({cell[i] for cell in grid}) > 1 for i in (0, 1))

    def rows(self, work: Work) -> list[str]:
        return list(self._table(work))

    def inputs(self, work: Work, row: str) -> list[Any]:
        grid, apart = self._grid(work)
        return [*super().inputs(work, row), sorted(grid.items()), apart]

    def provenance(self, work: Work) -> dict[str, Any]:
        grid, apart = self._grid(work)
        found = {"model": "additive, least squares, effects sum to zero",
                 "methods": {f"{row} x {column}": method for (row, column), method in grid.items()}}
        if apart:
            found["left out"] = (f"{', '.join(apart)}: a grid apart, tied to this one by no generator and no "
                                 "objective")
        return found

    def measure(self, work: Work, row: str) -> Measured:
        cells = self._table(work)[row]
        quantity = next(iter(cells.values()))[0]
        kind = self.kind(work, quantity)
        values, details = effects_of({cell: statistic for cell, (_, statistic) in cells.items()}, quantity, kind,
                                     work.counts, work.block)
        return Measured(values, {"score": quantity.name}, details=details, subject=quantity.text(kind.title))


def file_name(score: str) -> str:
    """A score's name as a file name: "mIoU, void counted" -> "mIoU-void-counted"."""
    return "-".join("".join(c if c.isalnum() or c in "-_." else " " for c in score).split())


METRIC = EffectsMetric()
