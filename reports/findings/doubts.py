"""Reasons to doubt the results: a weak judge, single classes, scores that do not separate methods, tests without power.

Each is a sentence built from numbers of the run; a run whose numbers give no reason has none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.run_directory import FLOOR, PHOTOS, Method, Score
from reports.tables.classes import ClassTable
from reports.tables.facts import trained_in
from reports.tables.scores import SIGNIFICANT, ScoreTable
from writing.words import capitalised, counted, listed

SEEN = 0.1  # IoU of a class on photographs below which the judge does not recognise it
ABOVE = 0.02  # by how much IoU of a class must exceed the photographs' to be mentioned


def judge(table: ScoreTable) -> list[str]:
    """Methods that score like the photographs or better: the judge does not separate them, or has been fooled."""
    found = table.above_oracle()[:1]  # the others depend on the first value
    return [f"Judge in doubt: {listed(titles)} {'is' if len(titles) == 1 else 'are'} at or above the {column.label} of "
            f"the photographs ({column.format(oracle.value)}); a score that does not rank photographs first proves "
            "little"
            for column, oracle, titles in found]


def floor(table: ScoreTable) -> list[str]:
    """Distances in which a method is nearer to the photographs than other photographs are."""
    row = next((row for row in table.rows if row.name == FLOOR), None)
    lines = []
    for column in table.columns if row else ():
        value = table.cell(row, column)
        if value and column.higher_is_better is False:
            nearer = [r.title for r in table.rows if not r.reference and (cell := table.cell(r, column))
                      and cell.value < value.value]
            lines += [f"{listed(nearer)} {'is' if len(nearer) == 1 else 'are'} nearer to the photographs than other "
                      f"photographs are, by {column.label} ({column.format(value.value)}): a distance that images can "
                      "beat like this does not measure realism"] if nearer else []
    return lines


def unseen_classes(tables: Mapping[str, ClassTable]) -> list[str]:
    """Classes that the judge does not recognise even on photographs: no method can score on them."""
    table = tables.get("IoU per class")
    if table is None or PHOTOS not in table.values.index:
        return []
    oracle = table.values.loc[PHOTOS]
    unseen = [name for name in table.values.columns if np.isfinite(oracle[name]) and oracle[name] < SEEN]
    if not unseen:
        return []
    which, count = ("this class", "it counts") if len(unseen) == 1 else ("these classes", "they count")
    return [f"The judge does not recognise {listed(unseen, 6)} even on photographs (IoU below {SEEN:g}): no method can "
            f"score on {which}, yet {count} in mIoU"]


def classes_above_photographs(tables: Mapping[str, ClassTable]) -> list[str]:
    """Methods above the photographs on a class: the judge recognises it more easily than in photographs."""
    table = tables.get("IoU per class")
    if table is None or PHOTOS not in table.values.index:
        return []
    oracle, titles = table.values.loc[PHOTOS], {row.name: row.title for row in table.rows}
    found = {name: [titles[row] for row in table.values.index
                    if row != PHOTOS and table.values.loc[row, name] > oracle[name] + ABOVE]
             for name in table.values.columns}
    above = [f"{name} ({listed(names, 3)})" for name, names in found.items() if names]
    if not above:
        return []
    return [f"Above the photographs on {counted(len(above), 'class', 'classes')}: {listed(above, 5)}. The judge "
            "recognises these more easily in the images than in photographs, which is not a sign of realism"]


def constant_scores(table: ScoreTable) -> list[str]:
    """Scores with one value for all methods."""
    same = [f"{column.label} ({column.text(next(iter(table.values(column).values())).value)})"
            for column in table.shown().constant() if column.higher_is_better is not None]
    return [f"The same for every method, so of no use to compare them: {listed(same, 6)}"] if same else []


def smallest_p(record: Mapping[str, Any], differences: ScoreTable) -> list[str]:
    """Whether there are too few resamples for a corrected p-value below SIGNIFICANT, or no p-value is below it."""
    p = differences.extras.get("p", {})
    if not p:
        return []
    resamples, methods = record["config"].get("score", {}).get("bootstrap"), len(differences.rows)
    least = 2 / (resamples + 1) * methods if resamples else 0
    if least >= SIGNIFICANT:
        return [f"With {resamples} resamples and {methods} methods no corrected p-value can fall below {least:.3f}: "
                "no difference can be significant, whatever the images; use more resamples (score.bootstrap)"]
    if min(p.values()) >= SIGNIFICANT:
        return [f"No difference is significant: all {len(p)} corrected p-values are {SIGNIFICANT} or more"]
    return []


def mixed_precisions(methods: Sequence[Method]) -> list[str]:
    """Which methods were trained in which precision, if they differ."""
    found = trained_in(methods)
    who = [f"{listed(titles)} in {precision}" for precision, titles in sorted(found.items())]
    return [f"Methods were trained in different precisions: {'; '.join(who)}"] if len(found) > 1 else []


def warnings(scores: Sequence[Score]) -> dict[str, list[str]]:
    """Metric -> warnings in the provenance of its scores, without repetitions."""
    found: dict[str, list[str]] = {}
    for score in scores:
        text = score.provenance.get("warning")
        if isinstance(text, str) and capitalised(text) not in found.setdefault(score.metric, []):
            found[score.metric].append(capitalised(text))
    return {metric: lines for metric, lines in found.items() if lines}
