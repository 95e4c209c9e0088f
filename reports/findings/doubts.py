"""What a reader should doubt, where it matters: the judge, single classes, scores that tell nothing, tests that cannot.

Every doubt is a sentence made from numbers of the run; none is said where the numbers do not call for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.run_directory import FLOOR, PHOTOS, Method, Score
from reports.tables.classes import ClassTable
from reports.tables.facts import trained_in
from reports.tables.scores import SIGNIFICANT, ScoreTable
from writing.words import capitalised, counted, listed

SEEN = 0.1  # IoU of a class on photographs below which the judge cannot be said to see it
ABOVE = 0.02  # by how much a class must exceed the photographs' to be worth a word


def judge(table: ScoreTable) -> list[str]:
    """Where methods score like the photographs or better: such a judge separates nothing, or has been fooled."""
    found = table.above_oracle()[:1]  # the first value says it; the others follow it
    return [f"Judge in doubt: {listed(titles)} {'is' if len(titles) == 1 else 'are'} at or above the {column.label} of "
            f"the photographs ({column.format(oracle.value)}); a score that does not put photographs first says little"
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
            lines += [f"{listed(nearer)} {'is' if len(nearer) == 1 else 'are'} nearer to the photographs by "
                      f"{column.label} than other photographs are ({column.format(value.value)}): a distance that can "
                      "be beaten so does not measure realism"] if nearer else []
    return lines


def unseen_classes(tables: Mapping[str, ClassTable]) -> list[str]:
    """Classes that the judge does not find even on photographs: no method can score on them."""
    table = tables.get("IoU per class")
    if table is None or PHOTOS not in table.values.index:
        return []
    oracle = table.values.loc[PHOTOS]
    unseen = [name for name in table.values.columns if np.isfinite(oracle[name]) and oracle[name] < SEEN]
    if not unseen:
        return []
    return [f"The judge cannot see {listed(unseen, 6)} even on photographs (IoU below {SEEN:g}): on "
            f"{'this class' if len(unseen) == 1 else 'these classes'} no method can score, and mIoU averages over "
            f"{'it' if len(unseen) == 1 else 'them'}"]


def classes_above_photographs(tables: Mapping[str, ClassTable]) -> list[str]:
    """Methods above the photographs on a class: painted so that this judge finds it more easily than in reality."""
    table = tables.get("IoU per class")
    if table is None or PHOTOS not in table.values.index:
        return []
    oracle, titles = table.values.loc[PHOTOS], {row.name: row.title for row in table.rows}
    found = {name: [titles[row] for row in table.values.index
                    if row != PHOTOS and table.values.loc[row, name] > oracle[name] + ABOVE]
             for name in table.values.columns}
    told = [f"{name} ({listed(names, 3)})" for name, names in found.items() if names]
    if not told:
        return []
    return [f"Above the photographs on {counted(len(told), 'class', 'classes')}: {listed(told, 5)}. The judge finds "
            "these more easily in the images than in reality, which is no sign of realism"]


def constant_scores(table: ScoreTable) -> list[str]:
    """Scores with one value for all methods."""
    told = [f"{column.label} ({column.text(next(iter(table.values(column).values())).value)})"
            for column in table.shown().constant() if column.higher_is_better is not None]
    return [f"The same for every method, so {'it tells' if len(told) == 1 else 'they tell'} none from another: "
            f"{listed(told, 6)}"] if told else []


def smallest_p(record: Mapping[str, Any], differences: ScoreTable) -> list[str]:
    """Where the resamples are too few for any corrected p-value to fall below SIGNIFICANT, or none does."""
    p = differences.extras.get("p", {})
    if not p:
        return []
    resamples, methods = record["config"].get("score", {}).get("bootstrap"), len(differences.rows)
    least = 2 / (resamples + 1) * methods if resamples else 0
    if least >= SIGNIFICANT:
        return [f"With {resamples} resamples and {methods} methods no corrected p-value can fall below {least:.3f}: "
                "nothing here can be significant, whatever the images; more resamples (score.bootstrap) would change "
                "that"]
    if min(p.values()) >= SIGNIFICANT:
        return [f"No difference is significant: all {len(p)} corrected p-values are {SIGNIFICANT} or more"]
    return []


def mixed_precisions(methods: Sequence[Method]) -> list[str]:
    """Who was trained in what, where that is not the same for all."""
    found = trained_in(methods)
    who = [f"{listed(titles)} in {precision}" for precision, titles in sorted(found.items())]
    return [f"Methods were trained in different precisions: {'; '.join(who)}"] if len(found) > 1 else []


def warnings(scores: Sequence[Score]) -> dict[str, list[str]]:
    """What the provenances of the scores warn of, each once, by metric."""
    found: dict[str, list[str]] = {}
    for score in scores:
        text = score.provenance.get("warning")
        if isinstance(text, str) and capitalised(text) not in found.setdefault(score.metric, []):
            found[score.metric].append(capitalised(text))
    return {metric: lines for metric, lines in found.items() if lines}
