"""Compare a run with reference results, in words and as a table.

    python -m reports.compare RUN [NAME or FOLDER of a reference]

Without a second argument the reference is the one on the same pictures. Two values differ if their 95 % intervals do
not overlap; the interval of a reference with several training seeds covers those of all seeds, because a repetition
has another seed too. Values from another judge or other features are listed as not compared; a run on other layouts,
photographs or sizes is an error.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError, one_line_errors
from data.files import atomic_path
from evaluation.run_directory import RunDirectory, Score, Value
from reports.reference import PATHS, Reference, flat, load_reference, matching_reference, pictures_key, reference_names
from reports.tables.scores import REFERENCE_ROWS
from writing.numbers import NumberFormat, number_format

OWN = ("inputs", "images", "versions", "interval", "merged from", "scored on", "dataset", "leaks")  # of one run
INDEPENDENT = ("seed", "methods", "checkpoint_seconds", "log_every", "samples_every", "workers", "compile",
               "cache_photo_features_gb", "group_timeout", "activation_checkpointing", "label")


@dataclass(frozen=True)
class ComparedValue:
    """One value of one method in both. low, high: of the reference, over its seeds; None without an interval."""

    metric: str
    method: str
    title: str
    own: Value
    reference: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """"within", "higher", "lower", or "no interval" where one of the two has none."""
        if self.own.interval is None or self.low is None or self.high is None:
            return "no interval"
        if self.own.interval[0] > self.high:
            return "higher"
        return "lower" if self.own.interval[1] < self.low else "within"

    @property
    def better(self) -> str:
        """Whether a difference beyond the intervals is "better" or "worse"; empty for a value without an order."""
        if self.own.higher_is_better is None or self.verdict not in ("higher", "lower"):
            return ""
        return "better" if (self.verdict == "higher") == self.own.higher_is_better else "worse"


@dataclass(frozen=True)
class Comparison:
    """left_out: why scores or methods are not in `rows`, one line each. settings: those of training that differ."""

    reference: Reference
    rows: list[ComparedValue]
    left_out: list[str]
    settings: list[str]

    @property
    def beyond(self) -> list[ComparedValue]:
        return [row for row in self.rows if row.better or row.verdict in ("higher", "lower")]


def compare(run: RunDirectory, reference: Reference) -> Comparison:
    """Raises InputError if the run has other pictures, no scores, or none that can be compared."""
    _refuse_other_pictures(run, reference)
    own = {(s.metric, s.method): s for s in run.scores() if _comparable(s)}
    if not own:
        raise InputError(f"{run.path}: no scores to compare; run the stage score first")
    known = {(s.metric, s.method): s for s in reference.scores if _comparable(s)}
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
            if value.features not in others and (there := known[key].value(value.name)):
                low, high = _interval(there, known[key], reference)
                rows.append(ComparedValue(*key, title, value, there.value, low, high))
    if not rows:
        raise InputError(f"{run.path}: nothing can be compared with the reference {reference.name}: "
                         + "; ".join(left_out[:3]))
    return Comparison(reference, rows, _shortened(left_out), _settings(run, reference))


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


def _interval(value: Value, score: Score, reference: Reference) -> tuple[float | None, float | None]:
    """From the lowest to the highest end of the intervals of all seeds measured alike; a seed without an interval
    counts with its value. None if no seed has one."""
    seeds = [Score.from_json(content) for table in reference.tables for content in table["scores"]
             if (content["metric"], content["method"]) == (score.metric, score.method)]
    alike = [seed for seed in seeds if not _different_protocol(seed, score)
             and value.features not in _other_extractors(seed, score)]
    values = [value, *(there for seed in alike if (there := seed.value(value.name)))]
    if not any(one.interval for one in values):
        return None, None
    reached = [one.interval or (one.value, one.value) for one in values]
    return min(low for low, _ in reached), max(high for _, high in reached)


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


def text(comparison: Comparison) -> str:
    """All of a comparison, for a terminal."""
    reference, rows = comparison.reference, comparison.rows
    seeds = len(reference.about["seeds"])
    lines = [f"reference {reference.name}: {seeds} training seed{'s' if seeds > 1 else ''}, "
             f"{', '.join(reference.about['devices'])}", "", *_table(rows), ""]
    beyond = comparison.beyond
    lines.append(f"{len(beyond)} of {len(rows)} values differ beyond the intervals"
                 + (":" if beyond else "; the run reproduces the reference."))
    lines += [f"  {_sentence(row)}" for row in beyond]
    if comparison.settings:
        lines += ["trained differently:", *(f"  {line}" for line in comparison.settings)]
    if comparison.left_out:
        lines += ["not compared:", *(f"  {line}" for line in comparison.left_out)]
    return "\n".join(lines) + "\n"


def _sentence(row: ComparedValue) -> str:
    form = _format(row)
    sentence = f"{row.title}, {row.own.name}: {form(row.own.value)} {form.interval(row.own.interval)} here, " \
           f"{form(row.reference)} {form.interval((row.low, row.high))} in the reference: {row.verdict}"
    return sentence + (f" ({row.better})" if row.better else "")


def _format(row: ComparedValue) -> NumberFormat:
    """Without SI prefixes, which would be unclear in a table of many kinds of values."""
    values = [row.own.value, row.reference, *(row.own.interval or ()), row.low, row.high]
    form = number_format(values)
    return NumberFormat(1.0, "", 0) if form.prefix else form


def _table(rows: Iterable[ComparedValue]) -> list[str]:
    cells = [("method", "value", "here", "reference", "")]
    for row in rows:
        form = _format(row)
        there = (row.low, row.high) if row.low is not None and row.high is not None else None
        cells.append((row.title, row.own.name, f"{form(row.own.value)} {form.interval(row.own.interval)}".strip(),
                      f"{form(row.reference)} {form.interval(there)}".strip(), row.verdict))
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def write_csv(comparison: Comparison, file: Path) -> None:
    """The rows at full precision."""
    with atomic_path(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["metric", "method", "value", "own", "own low", "own high", "reference", "reference low",
                         "reference high", "verdict", "better"])
        for row in comparison.rows:
            own: tuple[Any, Any] = row.own.interval or (None, None)
            writer.writerow([row.metric, row.method, row.own.name, row.own.value, *own, row.reference, row.low,
                             row.high, row.verdict, row.better])


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m reports.compare", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("run", metavar="RUN", help="run directory")
    usage.add_argument("reference", nargs="?", metavar="REFERENCE", help="default: the one on the same pictures")
    usage.add_argument("--csv", type=Path, metavar="FILE", help="also write the table at full precision")
    args = usage.parse_args(argv)
    with one_line_errors("reports.compare"):
        run = RunDirectory.open(args.run)
        reference = load_reference(args.reference) if args.reference else matching_reference(run)
        if reference is None:
            raise InputError(f"{run.path}: no reference has these layouts and photographs (available: "
                             f"{', '.join(reference_names()) or 'none'}); name one to see what differs")
        comparison = compare(run, reference)
        print(text(comparison), end="")
        if args.csv:
            write_csv(comparison, args.csv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
