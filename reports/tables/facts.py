"""Facts about a run and what is missing from it, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.errors import InputError
from evaluation.cache.images import check_complete
from evaluation.run_directory import PHOTOS, Method, RunDirectory, Score
from reports.tables.commands import without_images
from reports.tables.names import dataset_title
from reports.tables.scores import JUDGED, ScoreTable, missing, stale_scores
from writing.numbers import MISSING
from writing.words import counted, listed


def facts(run: RunDirectory, record: Mapping, methods: Sequence[Method],
          scores: Sequence[Score]) -> list[tuple[str, str]]:
    """What was run, as (label, text)."""
    config, data = record["config"], record["config"]["data"]
    height, width = data["size"]
    budgets = sorted({m.images_seen for m in methods if m.images_seen is not None})
    devices = sorted({str(score.provenance["device"]) for score in scores if "device" in score.provenance})
    found = [
        ("Run", run.path.resolve().name),
        ("Preset", str(record.get("preset") or MISSING)),
        ("Dataset", dataset_title(data["dataset"])
         + (f", {counted(data['train'], 'training pair')}" if data.get("train") else "")),
        ("Scored", f"{counted(len(run.layouts()), 'validation layout')}, {height}×{width} pixels"),
        ("Budget", " / ".join(f"{n:,}" for n in budgets) + " images seen per method" if budgets else MISSING),
        ("Seed", str(config.get("seed", MISSING))),
        ("Trained in", ", ".join(sorted(trained_in(methods))) or MISSING),
        ("Device", ", ".join(devices) or MISSING),
    ]
    return [(label, text) for label, text in found if text != MISSING]


def problems(run: RunDirectory, rows: Sequence[Method], scores: Sequence[Score], table: ScoreTable) -> list[str]:
    """What is missing from this run, one line each."""
    methods = run.methods()
    lines = [f"no images: {name} is configured but has not been synthesized" for name in without_images(run)]
    for method in methods:
        try:
            check_complete(run, method)
        except InputError as error:
            lines.append(f"images of {method.title} do not fit the layouts: {error}")
    if not table.columns:
        lines.append("not scored: this run has no scores yet")
    elif PHOTOS not in {score.method for score in scores} and JUDGED in {score.metric for score in scores}:
        lines.append("not scored: the photographs (oracle row) are missing, so the judge itself is not checked")
    return [*lines, *_unscored(run, scores), *missing(methods, scores), *stale_scores(rows, scores)]


def _unscored(run: RunDirectory, scores: Sequence[Score]) -> list[str]:
    """Metrics that the last scoring should have computed and that have no file. Agreement is not
    expected of fewer than three methods."""
    there = {score.metric for score in scores} | ({"agreement"} if len(run.methods()) < 3 else set())
    return [f"not scored: {title} ({name} in score.metrics)" for name, title in run.expected_metrics().items()
            if name not in there]


def interval_notes(scores: Sequence[Score]) -> dict[str, list[str]]:
    """Metric -> lines on missing intervals and on those with a note: which values, and why."""
    found: dict[str, dict[tuple[bool, str], list[str]]] = {}
    for score in scores:
        for value in score.values:
            if (value.interval is None or value.note) and not value.draws:
                key = value.interval is not None, value.note or "not given"
                names = found.setdefault(score.metric, {}).setdefault(key, [])
                names += [] if value.label in names else [value.label]
    return {metric: [f"{'Interval of' if there else 'Without interval:'} {listed(names, 6)} ({note})"
                     for (there, note), names in notes.items()] for metric, notes in found.items()}


def independent_layouts(scores: Sequence[Score]) -> float | None:
    """The number of independent layouts that the run's layouts are worth, the lowest of all values."""
    return min((value.independent_layouts for score in scores for value in score.values
                if value.independent_layouts is not None), default=None)


def expectations(scores: Sequence[Score]) -> list[str]:
    """Scores of independent draws, for comparison with the methods, one line per score."""
    found: dict[str, dict[int, str]] = {}
    for score in scores:
        for value in score.values:
            if value.draws:
                found.setdefault(replace(value, draws=None).label, {})[value.draws] = f"{value.value:.3f}"
    return [f"{title}: {listed((f'{text} with {k}' for k, text in sorted(draws.items())), 9)}"
            for title, draws in found.items()]


def oracle_notes(scores: Sequence[Score]) -> dict[str, str]:
    """Metric -> description of the photographs' row, if it is not the photographs themselves."""
    return {s.metric: f"The row of the photographs is {s.provenance['photographs']}, scored like a method’s images"
            for s in scores if s.method == PHOTOS and "photographs" in s.provenance}


def trained_in(methods: Sequence[Method]) -> dict[str, list[str]]:
    """Precision -> titles of the methods that were trained in it."""
    found: dict[str, list[str]] = {}
    for method in methods:
        if method.precision:
            found.setdefault(method.precision, []).append(method.title)
    return found


def legend(run: RunDirectory) -> list[tuple[str, str]]:
    """(class name, colour as #rrggbb)."""
    labels = run.labels()
    return [(name, "#{:02x}{:02x}{:02x}".format(*colour))
            for name, colour in zip(labels.names, labels.colours, strict=True)]
