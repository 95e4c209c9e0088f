"""Compare a run with reference results, in words and as a table.

    python -m reports.compare RUN [NAME or FOLDER of a reference] [--table]

Without a second argument the reference is the one on the same pictures. A value differs if it is beyond the 95 %
prediction interval for one more training, from the reference's seeds at the run's budget: one in twenty is by chance. A
difference is reported where it is beyond chance, corrected (Holm) over families of scores: one metric of one method.
Photographs have no seed, and their values must be equal to 1e-3. Values from another judge or other features are listed
as not compared; a run on other layouts, photographs or sizes is an error.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import InputError, one_line_errors
from data.files import atomic_path
from evaluation.run_directory import PHOTOS, RunDirectory, Score, Value
from evaluation.statistics.intervals import LEVEL, holm
from evaluation.statistics.over_seeds import over_seeds
from evaluation.trainings import Trainings
from reports.reference import (
    OF_A_BUDGET,
    PATHS,
    Reference,
    flat,
    load_reference,
    matching_reference,
    pictures_key,
    reference_names,
)
from reports.tables.scores import REFERENCE_ROWS
from writing.numbers import NumberFormat, number_format
from writing.words import counted

SAME = 1e-3  # relative: the same photographs through the same network on another processor
OWN = ("inputs", "images", "versions", "interval", "merged from", "scored on", "dataset", "leaks")  # of one run
INDEPENDENT = ("seed", "methods", "checkpoint_seconds", "log_every", "samples_every", "workers", "compile",
               "cache_photo_features_gb", "group_timeout", "activation_checkpointing", "label")


@dataclass(frozen=True)
class ComparedValue:
    """One value of one method in both. reference: mean over the reference's trainings. low, high: where one more
    training falls, for photographs what counts as equal; None with one training. p: of a value so far from the others;
    None for photographs, for a score that no training changes, and with one training."""

    metric: str
    method: str
    title: str
    own: Value
    reference: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def verdict(self) -> str:
        """"within", "higher", "lower", or "one training" where the reference has no spread."""
        if self.low is None or self.high is None:
            return "one training"
        return "higher" if self.own.value > self.high else "lower" if self.own.value < self.low else "within"

    @property
    def better(self) -> str:
        """Whether a value beyond the interval is "better" or "worse"; empty for a value without an order."""
        if self.own.higher_is_better is None or self.verdict not in ("higher", "lower"):
            return ""
        return "better" if (self.verdict == "higher") == self.own.higher_is_better else "worse"


@dataclass(frozen=True)
class Comparison:
    """trainings: those of the reference that the run was compared with. left_out: why scores or methods are not in
    `rows`, one line each. settings: those of training that differ."""

    reference: Reference
    trainings: Trainings
    rows: list[ComparedValue]
    left_out: list[str]
    settings: list[str]

    @property
    def predicted(self) -> list[ComparedValue]:
        """Rows of methods with a prediction interval."""
        return [row for row in self.rows if row.p is not None]

    @property
    def beyond(self) -> list[ComparedValue]:
        return [row for row in self.predicted if row.verdict != "within"]

    @property
    def beyond_chance(self) -> list[ComparedValue]:
        """The value furthest out of each family of scores that differs, with 95 % confidence in all families."""
        families: dict[tuple[str, str], list[ComparedValue]] = {}
        for row in self.predicted:
            families.setdefault((row.metric, row.method), []).append(row)
        furthest = [min(family, key=lambda row: row.p) for family in families.values()]
        adjusted = holm([min(1.0, row.p * len(families[row.metric, row.method])) for row in furthest])
        return [row for row, p in zip(furthest, adjusted, strict=True) if p < 1 - LEVEL]

    @property
    def other_photographs(self) -> list[ComparedValue]:
        """Values of photographs that are not equal."""
        return [row for row in self.rows if row.method == PHOTOS and row.verdict in ("higher", "lower")]


def compare(run: RunDirectory, reference: Reference) -> Comparison:
    """Raises InputError if the run has other pictures, no scores, or none that can be compared."""
    _refuse_other_pictures(run, reference)
    own = {(s.metric, s.method): s for s in run.scores() if _comparable(s)}
    if not own:
        raise InputError(f"{run.path}: no scores to compare; run the stage score first")
    known = {(s.metric, s.method): s for s in reference.scores if _comparable(s)}
    trainings = reference.trainings.at(run.config()["config"]["training"]["images_seen"]) or reference.same_budget
    titles = {m.name: m.title for m in [*reference.methods, *run.methods()]} | REFERENCE_ROWS
    rows, left_out = [], _missing(own, known, titles)
    for key in (key for key in known if key in own):
        title = titles.get(key[1], key[1])
        if different := _different_protocol(own[key], known[key]):
            left_out.append(f"{key[0]} of {title}: {different}")
            continue
        others = _other_extractors(own[key], known[key])
        if others:
            left_out.append(f"{key[0]} of {title}: other features ({', '.join(others)})")
        for value in own[key].values:
            if value.features not in others and (numbers := _numbers(value, own[key], known[key], trainings)):
                rows.append(_compared(key, title, value, numbers))
    if not rows:
        raise InputError(f"{run.path}: nothing can be compared with the reference {reference.name}: "
                         + "; ".join(left_out[:3]))
    return Comparison(reference, trainings, rows, _shortened(left_out), _settings(run, reference))


def _comparable(score: Score) -> bool:
    return not score.comparison and score.metric != "cost"  # cost is a machine's own


def _refuse_other_pictures(run: RunDirectory, reference: Reference) -> None:
    mine, theirs = pictures_key(run), reference.about["pictures"]
    words = {"N": "number of layouts", "size": "size"}
    for key in ("size", "N", "layouts", "photographs"):
        if mine[key] != theirs[key]:
            values = f" ({mine[key]} here, {theirs[key]} there)" if key in words else ""
            raise InputError(f"{run.path}: cannot be compared with the reference {reference.name}: other "
                             f"{words.get(key, key)}{values}")


def _different_protocol(own: Score, known: Score) -> str:
    """How the measurement of two scores differed; empty if it did not."""
    a, b = own.provenance, known.provenance
    keys = [key for key in {**b, **a} if key not in (*OWN, "extractors") and a.get(key) != b.get(key)]
    if not keys:
        return ""
    if "judge" in keys:
        return "another judge (runs that train a judge each have their own)"
    return f"measured differently ({', '.join(keys)})"


def _other_extractors(own: Score, known: Score) -> list[str]:
    """Labels of the extractors that are not the same network with the same input in both."""
    a, b = (score.provenance.get("extractors", {}) for score in (own, known))
    return [label for label in {**b, **a} if a.get(label) != b.get(label)]


def _missing(own: dict, known: dict, titles: dict[str, str]) -> list[str]:
    ours, theirs = ({method for _, method in scores} for scores in (own, known))
    lines = [f"{titles.get(name, name)}: not in the reference" for name in sorted(ours - theirs)]
    return lines + [f"{titles.get(name, name)}: not in this run" for name in sorted(theirs - ours)]


def _numbers(value: Value, own: Score, known: Score, trainings: Trainings) -> list[float]:
    """The value in each training whose score was measured in the same way."""
    same = [score for training in trainings for score in training.scores
            if (score.metric, score.method) == (known.metric, known.method) and not _different_protocol(score, known)
            and value.features not in _other_extractors(own, score)]
    return [there.value for score in same if (there := score.value(value.name))]


def _compared(key: tuple[str, str], title: str, own: Value, values: list[float]) -> ComparedValue:
    mean, low, high, p = float(np.mean(values)), None, None, None
    if key[1] == PHOTOS:
        tolerance = SAME * max(abs(mean), SAME)
        low, high = mean - tolerance, mean + tolerance
    elif len(values) > 1:
        found = over_seeds(values)
        low, high = found.prediction
        p = found.p_of(own.value) if found.spread > 0 or own.value != mean else None
    return ComparedValue(*key, title, own, mean, low, high, p)


def _shortened(lines: list[str]) -> list[str]:
    """Lines with the same reason merged into one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        what, _, reason = line.partition(": ")
        metric, of, method = what.partition(" of ")
        groups.setdefault((metric if of else "", reason), []).append(method or what)
    return [f"{metric + ' of ' if metric else ''}{', '.join(names)}: {reason}"
            for (metric, reason), names in groups.items()]


def _settings(run: RunDirectory, reference: Reference) -> list[str]:
    """Settings of the trainings that differ, with both values."""
    mine, theirs = flat(run.config()["config"]), reference.about["settings"]
    return [f"{key}: {mine.get(key)!r} here, {theirs[key]!r} in the reference" for key in sorted(theirs)
            if key not in PATHS and key.split(".")[-1] not in INDEPENDENT and mine.get(key) != theirs[key]]


def summary(comparison: Comparison) -> list[str]:
    """What a comparison found: one sentence, then a line for each difference beyond chance."""
    reference, rows = comparison.reference, comparison.predicted
    of = f"the reference results {reference.name} ({counted(len(comparison.trainings), 'training')})"
    if not rows:
        lines = [f"Too few trainings for an interval in {of}: no verdict; --table shows the values side by side."]
    else:
        beyond, chance = len(comparison.beyond), (1 - LEVEL) * len(rows)
        found = comparison.beyond_chance
        verdict = "No difference is beyond chance" if not found else (
            f"{counted(len(found), 'difference')} {'is' if len(found) == 1 else 'are'} beyond chance, corrected over "
            "families of scores")
        lines = [f"{beyond} of {len(rows)} values are beyond the 95 % prediction intervals of {of}; about {chance:.0f} "
                 f"would be by chance. {verdict}.", *map(_sentence, found)]
    return lines + [f"{_sentence(row)}: photographs must be equal" for row in comparison.other_photographs]


def same_settings(run: RunDirectory, reference: Reference) -> bool:
    """Whether a run's trainings differ from the reference's in nothing but seed and budget."""
    return not any(not line.startswith(OF_A_BUDGET) for line in _settings(run, reference))


def text(comparison: Comparison, table: bool = False) -> str:
    """A comparison for a terminal. table: with every value."""
    first, *differences = summary(comparison)
    lines = [first, *(f"  {line}" for line in differences)]
    if table:
        lines += ["", *_table(comparison.rows), ""]
    if comparison.settings:
        lines += ["trained differently:", *(f"  {line}" for line in comparison.settings)]
    if comparison.left_out:
        lines += ["not compared:", *(f"  {line}" for line in comparison.left_out)]
    return "\n".join(lines) + "\n"


def _sentence(row: ComparedValue) -> str:
    form = _format(row)
    sentence = (f"{row.title}, {row.own.label}: {form(row.own.value)} here, {form(row.reference)} "
                f"{form.interval((row.low, row.high))} in the reference")
    return sentence + (f" ({row.better})" if row.better else "")


def _format(row: ComparedValue) -> NumberFormat:
    """Without SI prefixes, which would be unclear in a table of many kinds of values."""
    values = [row.own.value, row.reference, row.low, row.high]
    form = number_format(values)
    return NumberFormat(1.0, "", 0) if form.prefix else form


def _table(rows: Iterable[ComparedValue]) -> list[str]:
    cells = [("method", "value", "here", "reference", "")]
    for row in rows:
        form = _format(row)
        there = (row.low, row.high) if row.low is not None and row.high is not None else None
        cells.append((row.title, row.own.name, form(row.own.value),
                      f"{form(row.reference)} {form.interval(there)}".strip(), row.verdict))
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def write_csv(comparison: Comparison, file: Path) -> None:
    """The rows at full precision."""
    with atomic_path(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["metric", "method", "value", "own", "reference", "reference low", "reference high", "p",
                         "verdict", "better"])
        for row in comparison.rows:
            writer.writerow([row.metric, row.method, row.own.name, row.own.value, row.reference, row.low, row.high,
                             row.p, row.verdict, row.better])


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m reports.compare", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("run", metavar="RUN", help="run directory")
    usage.add_argument("reference", nargs="?", metavar="REFERENCE", help="default: the one on the same pictures")
    usage.add_argument("--table", action="store_true", help="also print every value")
    usage.add_argument("--csv", type=Path, metavar="FILE", help="also write the table at full precision")
    args = usage.parse_args(argv)
    with one_line_errors("reports.compare"):
        run = RunDirectory.open(args.run)
        reference = load_reference(args.reference) if args.reference else matching_reference(run)
        if reference is None:
            raise InputError(f"{run.path}: no reference has these layouts and photographs (available: "
                             f"{', '.join(reference_names()) or 'none'}); name one to see what differs")
        comparison = compare(run, reference)
        print(text(comparison, args.table), end="")
        if args.csv:
            write_csv(comparison, args.csv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
