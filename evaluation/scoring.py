"""Scoring a run with the metrics of evaluation.metrics."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from data.errors import InputError, nearest
from data.files import fingerprint, list_folder, read_mapping, sha256, write_json
from evaluation import leaks
from evaluation.cache.measurements import Consumer
from evaluation.metrics import NAMES
from evaluation.metrics.base import Metric
from evaluation.metrics.distances import check_number as check_distances
from evaluation.metrics.perceptual_distance import lpips_trunk, perceptual_consumers
from evaluation.metrics.work import SCORING, Context, Work, check_block
from evaluation.networks.extractors import check_extractor, check_weights
from evaluation.networks.judges import check_judge, check_judge_files
from evaluation.protocols import write_named_protocol
from evaluation.run_directory import OutdatedScore, RunDirectory, Score
from evaluation.statistics.preferences import preference_files
from presets.schema import Preset, ScoreConfig

METRICS: dict[str, Metric] = {name: import_module(f"evaluation.metrics.{name}").METRIC for name in NAMES}
RENAMED = {"reference": "similarity"}


def check_options(preset: Preset) -> None:
    """Raises InputError for unknown names, and for options that nothing would read."""
    check_metrics(preset.score.metrics or ())
    check_judge(preset.judge)
    for config in preset.score.extractors:
        check_extractor(config)


def check_files(preset: Preset) -> None:
    """Raises InputError when a file that scoring needs is missing, before any work is done."""
    options = available(preset)
    check_judge_files(preset.judge)
    for config in options.extractors:
        check_weights(config)
    if options.lpips:
        lpips_trunk(Path(options.lpips))
    if options.preferences and not Path(options.preferences).is_file():
        raise InputError(f"score.preferences: {options.preferences}: no such file")


def requested(options: ScoreConfig) -> list[str]:
    """Names of the metrics in score.metrics; all of them where it names none."""
    return list(METRICS) if options.metrics is None else list(dict.fromkeys(options.metrics))


JUDGE_FEATURES = "distances on the judge's features"


def left_out(preset: Preset) -> dict[str, str]:
    """Requested metrics that are not available -> why, and what to do."""
    options, judge, found = preset.score, preset.judge.source, {}
    if judge == "none" and "segmentation" in requested(options):
        found["segmentation"] = "there is no judge: choose one with judge.source"
    if not preset.judge.is_own and _reads_judge(options):
        found[JUDGE_FEATURES] = (f"judge.source {judge} gives none: name another extractor in score.extractors, "
                                 "[{kind: inception}] for FID")
    elif not options.extractors and "distances" in requested(options):
        found["distances"] = "there is no extractor: name one in score.extractors, [{kind: inception}] for FID"
    return found


def available(preset: Preset) -> ScoreConfig:
    """The score section of the preset without what is left out. Distances stay listed without an extractor, so that
    those of an earlier judge are deleted."""
    missing, options = left_out(preset), preset.score
    extractors = [config for config in options.extractors if config.kind != "judge" or JUDGE_FEATURES not in missing]
    metrics = [name for name in requested(options) if name != "segmentation" or name not in missing]
    return options.model_copy(update={"extractors": extractors, "metrics": metrics})


def needs_judge(options: ScoreConfig) -> bool:
    """Whether one of the metrics looks at images with the judge."""
    return "segmentation" in requested(options) or _reads_judge(options)


def _reads_judge(options: ScoreConfig) -> bool:
    return _on_features(requested(options)) and any(config.kind == "judge" for config in options.extractors)


def check_number(options: ScoreConfig, layouts: int) -> None:
    """Raises InputError when there are too few layouts for the requested metrics."""
    check_block(options.block, layouts)
    if "distances" in requested(options) and options.extractors:
        check_distances(layouts)


def check_metrics(names: Sequence[str]) -> None:
    """Raises InputError for a name that is not in METRICS."""
    for name in names:
        if name in RENAMED:
            raise InputError(f"score.metrics: '{name}' is now called '{RENAMED[name]}'")
        if name not in METRICS:
            raise InputError(f"unknown metric '{name}': {nearest(name, METRICS)}")


def _on_features(metrics: Collection[str]) -> bool:
    return any(METRICS[name].on_features for name in metrics)


def score_run(run: RunDirectory, context: Context, metrics: Sequence[str] = ()) -> list[Path]:
    """Write scores/<metric>/<method>.json for the metrics named (default: those of the options); returns the files.

    Scores whose inputs have not changed are kept, those whose inputs are gone are deleted. All networks see an image in
    one pass. Raises InputError for an unknown metric, missing or unfit images, and for a leak (see leaks.py).
    """
    chosen = list(dict.fromkeys(metrics or requested(context.options)))
    check_metrics(chosen)
    work = Work(run, context, {name: METRICS[name] for name in sorted(chosen, key=lambda n: METRICS[n].comparison)})
    check_leaks(work)
    write_named_protocol(work)
    expected = {name: metric.title for name, metric in work.metrics.items() if metric.applies(work)}
    if run.expected_metrics() != expected:
        write_json(run.metrics_file, expected)
    work.measurements.collect(work.measurements.rows(), _consumers(work))
    for name, metric in work.metrics.items():
        metric.score(work, list(METRICS).index(name))
    return [file for folder in list_folder(run.path / "scores", "*/")
            for file in _delete_outdated(work, folder, folder.name in chosen)]


def _consumers(work: Work) -> list[Consumer]:
    return [consumer for metric in work.metrics.values() for consumer in metric.consumers(work)]


def _delete_outdated(work: Work, folder: Path, scored: bool) -> Iterator[Path]:
    """Yields the files that this call found or made, where the metric was scored, and deletes those that are out of
    date: of a metric that was scored all others, of another metric those of images that have changed. Merged rows
    stay."""
    for file in list_folder(folder, "*.json"):
        try:
            provenance = Score.read(file).provenance
        except OutdatedScore:
            if "merged from" not in read_mapping(file).get("protocol", {}):
                file.unlink()
            continue
        if scored and provenance.get("inputs") in work.current:
            yield file
        elif "merged from" not in provenance and (scored or not _same_images(work, provenance.get("images", {}))):
            file.unlink()


def _same_images(work: Work, made_of: dict[str, str]) -> bool:
    rows = work.measurements.rows()
    return bool(made_of) and all(row in rows and work.measurements.content(row) == digest
                                 for row, digest in made_of.items())


def check_leaks(work: Work) -> None:
    """Refuse to score with networks that a method was trained against, or on photographs that were trained on."""
    extractors = [c.extractor for c in work.extractors] if _on_features(work.metrics) else []
    judges = {f"the extractor '{extractor.label}'": (extractor.provenance, extractor.module)
              for extractor in extractors}
    if "diversity" in work.metrics:
        judges |= {c.quantity.name: (c.provenance, c.module)
                   for c in perceptual_consumers(work) if c.module is not None}
    if (judge := work.context.judge) is not None:
        judges["the judge"] = judge.provenance, judge
    methods = list(work.measurements.methods.values())
    leaks.check_judges(methods, {name: provenance for name, (provenance, _) in judges.items()})
    for name, (_, network) in judges.items():
        if (tensors := leaks.weight_tensors(network)) is not None:
            leaks.check_shared_weights(methods, name, tensors)
    work.leaks = leaks.check_photographs(work.run, work.context.options.alike)


def scored_inputs(run: RunDirectory, context: Context) -> str:
    """One fingerprint of everything that the scores of a run are made from; a stage starts where it has changed."""
    names = requested(context.options)
    work = Work(run, context, {name: METRICS[name] for name in names})
    known = [run.method_folder(method) / "cost.json" for method in work.methods] + [run.train_file]
    known += preference_files(run, context.options.preferences).values()
    return fingerprint(SCORING, names, [work.measurements.content(row) for row in work.measurements.rows()],
                       [asdict(method) for method in work.measurements.methods.values()],
                       [sha256(file) for file in known if file.exists()], context.options.model_dump(),
                       context.bootstrap, context.seed, context.baseline,
                       [consumer.key for consumer in _consumers(work)])
