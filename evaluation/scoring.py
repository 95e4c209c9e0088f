"""The table of metrics, and scoring a run with them. A new metric is one file and one line in METRICS."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError, nearest
from data.files import fingerprint, list_folder, sha256
from evaluation import leaks
from evaluation.cache.measurements import Consumer
from evaluation.metrics import agreement, cost, differences, diversity, effects, segmentation, trust
from evaluation.metrics import distances as set_distances
from evaluation.metrics import modes as mode_coverage
from evaluation.metrics import similarity as reference
from evaluation.metrics.context import SCORING, Context, Work, check_block
from evaluation.metrics.perceptual_distance import lpips_trunk, perceptual_consumers
from evaluation.networks.extractors import check_extractor, check_weights
from evaluation.networks.judges import check_judge, check_judge_files
from evaluation.protocols import write_named_protocol
from evaluation.run_directory import RunDirectory, Score
from evaluation.statistics.intervals import Statistic
from evaluation.statistics.preferences import preference_files
from presets.schema import Preset, ScoreConfig


@dataclass(frozen=True)
class Metric:
    """score: writes Score files, skipping those that stand already. consumers: what it needs to see the images with.

    statistics: work, method -> score name -> Statistic, for metrics whose methods can be compared.
    """

    score: Callable[[Work], None]
    consumers: Callable[[Work], Sequence[Consumer]] = lambda work: []
    statistics: Callable[[Work, str], dict[str, Statistic]] | None = None
    protocol: Callable[[Work], dict[str, Any]] = lambda work: {}


METRICS: dict[str, Metric] = {
    "segmentation": Metric(segmentation.score, segmentation.consumers, segmentation.method_statistics,
                           segmentation.protocol),
    "distances": Metric(set_distances.score, set_distances.consumers, set_distances.method_statistics,
                        set_distances.protocol),
    "diversity": Metric(diversity.score, diversity.consumers, diversity.method_statistics, diversity.protocol),
    "modes": Metric(mode_coverage.score, mode_coverage.consumers, mode_coverage.method_statistics,
                    mode_coverage.protocol),
    "reference": Metric(reference.score, reference.consumers, reference.method_statistics, reference.protocol),
    "cost": Metric(cost.score),
    "trust": Metric(trust.score),
}
# made of the metrics asked for beside them
COMPARISONS = {"differences": differences.score, "agreement": agreement.score, "effects": effects.score}


def check_options(preset: Preset) -> None:
    """Raises InputError for unknown names, and for options that nothing would read."""
    _check_metrics(preset.score.metrics)
    check_judge(preset.judge)
    for config in preset.score.extractors:
        check_extractor(config)


def check_files(preset: Preset) -> None:
    """Raises InputError when a file that scoring needs is missing, so that nobody waits for it first."""
    options = available(preset)
    check_judge_files(preset.judge)
    for config in options.extractors:
        check_weights(config)
    if options.lpips:
        lpips_trunk(Path(options.lpips))
    if options.preferences and not Path(options.preferences).is_file():
        raise InputError(f"score.preferences: {options.preferences}: no such file")


JUDGE_FEATURES = "distances on the judge's features"


def left_out(preset: Preset) -> dict[str, str]:
    """Requested metrics that are not available -> why, and what to do."""
    options, judge, found = preset.score, preset.judge.source, {}
    if judge == "none" and "segmentation" in options.metrics:
        found["segmentation"] = "there is no judge: choose one with judge.source"
    if not preset.judge.is_own and _reads_judge(options):
        found[JUDGE_FEATURES] = (f"judge.source {judge} gives none: name another extractor in score.extractors, "
                                 "[{kind: inception}] for FID")
    elif not options.extractors and "distances" in options.metrics:
        found["distances"] = "there is no extractor: name one in score.extractors, [{kind: inception}] for FID"
    return found


def available(preset: Preset) -> ScoreConfig:
    """The score section of the preset without what is left out. Distances stay listed without an extractor, so that
    those of an earlier judge are deleted."""
    missing, options = left_out(preset), preset.score
    extractors = [config for config in options.extractors if config.kind != "judge" or JUDGE_FEATURES not in missing]
    metrics = [name for name in options.metrics if name != "segmentation" or name not in missing]
    return options.model_copy(update={"extractors": extractors, "metrics": metrics})


def needs_judge(options: ScoreConfig) -> bool:
    """Whether one of the metrics looks at images with the judge."""
    return "segmentation" in options.metrics or _reads_judge(options)


def _reads_judge(options: ScoreConfig) -> bool:
    return _on_features(options.metrics) and any(config.kind == "judge" for config in options.extractors)


def check_number(options: ScoreConfig, layouts: int) -> None:
    """Raises InputError when there are too few layouts for the requested metrics."""
    check_block(options.block, layouts)
    if "distances" in options.metrics and options.extractors:
        set_distances.check_number(layouts)


def _check_metrics(names: Sequence[str]) -> None:
    for name in names:
        if name not in METRICS and name not in COMPARISONS:
            raise InputError(f"unknown metric '{name}': {nearest(name, [*METRICS, *COMPARISONS])}")


def _on_features(metrics: Collection[str]) -> bool:
    return bool({"distances", "diversity"} & set(metrics))


def score_run(run: RunDirectory, context: Context, metrics: Sequence[str] = ()) -> list[Path]:
    """Write scores/<metric>/<method>.json for the metrics named (default: those of the options); returns the files.

    Scores whose inputs have not changed are kept, those that no longer hold are deleted. All networks see an image in
    one pass. Raises InputError for an unknown metric, missing or unfit images, and for a leak (see leaks.py).
    """
    chosen = list(dict.fromkeys(metrics or context.options.metrics))
    _check_metrics(chosen)
    work = Work(run, context)
    plain = {name: METRICS[name] for name in chosen if name in METRICS}
    check_leaks(work, plain)
    write_named_protocol(work)
    work.measurements.collect(work.measurements.rows(), _consumers(work, plain))
    for metric in plain.values():
        metric.score(work)
    compared = {name: metric.statistics for name, metric in plain.items() if metric.statistics}
    for name in chosen:
        if name in COMPARISONS:
            COMPARISONS[name](work, compared, lambda method: _comparison_inputs(work, plain, method))
    return [file for name in [*METRICS, *COMPARISONS] for file in _standing(work, name, name in chosen)]


def _consumers(work: Work, metrics: dict[str, Metric]) -> list[Consumer]:
    return [consumer for metric in metrics.values() for consumer in metric.consumers(work)]


def _standing(work: Work, metric: str, scored: bool) -> Iterator[Path]:
    """The files that this call found or made, where the metric was scored. Deletes those that no longer hold: of a
    metric that was scored all others, of another metric those of images that have changed. Merged rows stay."""
    for file in list_folder(work.run.path / "scores" / metric, "*.json"):
        protocol = Score.read(file).protocol
        if scored and protocol.get("inputs") in work.current:
            yield file
        elif "merged from" not in protocol and (scored or not _same_images(work, protocol.get("images"))):
            file.unlink()


def _same_images(work: Work, made_of: dict[str, str] | None) -> bool:
    rows = work.measurements.rows()
    return bool(made_of) and all(row in rows and work.measurements.content(row) == digest
                                 for row, digest in made_of.items())


def _comparison_inputs(work: Work, metrics: dict[str, Metric], method: str) -> str:
    protocols = {name: metric.protocol(work) for name, metric in metrics.items()}
    everyone = [work.measurements.content(name) for name in work.methods]
    return work.inputs("comparison", method, [protocols, everyone, work.methods, work.context.reference])


def check_leaks(work: Work, metrics: dict[str, Metric]) -> None:
    """Refuse to score with networks that a method was trained against, or on photographs that were trained on."""
    extractors = [c.extractor for c in work.extractors] if _on_features(metrics) else []
    judges = {f"the extractor '{extractor.label}'": (extractor.full, extractor.module) for extractor in extractors}
    if "diversity" in metrics:
        judges |= {c.label: (c.protocol, c.module) for c in perceptual_consumers(work) if c.module is not None}
    if (judge := work.context.judge) is not None:
        judges["the judge"] = judge.protocol, judge
    methods = list(work.measurements.methods.values())
    leaks.check_judges(methods, {name: protocol for name, (protocol, _) in judges.items()})
    for name, (_, network) in judges.items():
        if (tensors := leaks.held_tensors(network)) is not None:
            leaks.check_shared_weights(methods, name, tensors)
    work.leaks = leaks.check_photographs(work.run, work.context.options.alike)


def scored_inputs(run: RunDirectory, context: Context) -> str:
    """One fingerprint of everything that the scores of a run are made from, for a stage that asks whether to start."""
    work = Work(run, context)
    plain = {name: METRICS[name] for name in context.options.metrics if name in METRICS}
    known = [run.method_folder(method) / "cost.json" for method in work.methods] + [run.dataset / "train.json"]
    known += preference_files(run, context.options.preferences).values()
    return fingerprint(SCORING, [work.measurements.content(row) for row in work.measurements.rows()],
                       [asdict(method) for method in work.measurements.methods.values()],
                       [sha256(file) for file in known if file.exists()], context.options.model_dump(),
                       context.bootstrap, context.seed, context.reference,
                       [consumer.key for consumer in _consumers(work, plain)])
