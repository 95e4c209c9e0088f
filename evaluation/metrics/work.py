"""One scoring of one run: what metrics are given, and what they have measured and computed so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import torch

from data.errors import InputError
from data.files import fingerprint
from data.made import holds
from evaluation.cache.consumers import FeatureConsumer
from evaluation.cache.measurements import Measurements
from evaluation.networks.extractors import build_extractors
from evaluation.networks.judges import LabelJudge
from evaluation.run_directory import PHOTOS, OutdatedScore, RunDirectory, Score
from evaluation.statistics.dependence import LEAST_FOR_INTERVAL, LEAST_FOR_TEST
from evaluation.statistics.intervals import Resampled, Statistic, resample, resample_counts
from presets.schema import ScoreConfig

SCORING = 4  # raise when a formula changes, so that stored scores are made again


@dataclass
class Context:
    """What scoring is done with. judge: None where no metric needs one. bootstrap: resamples. train_photos: indices ->
    uint8 [n, 3, H, W], for the floor of training against validation photographs. baseline: the method that every other
    one is compared with."""

    judge: LabelJudge | None = None
    device: str = "cpu"
    bootstrap: int = 2000
    seed: int = 0
    options: ScoreConfig = field(default_factory=ScoreConfig)
    train_photos: Callable[[Sequence[int]], np.ndarray] | None = None
    baseline: str = "crn"


class Work:
    """One scoring of one run with some metrics: measurements and statistics are made at most once and shared by all."""

    def __init__(self, run: RunDirectory, context: Context, metrics: Mapping[str, Any] | None = None):
        """metrics: the objects of base.Metric that are scored, by name."""
        self.run, self.context = run, context
        self.metrics = dict(metrics or {})
        self.measurements = Measurements(run, context.device)
        self.named: dict[str, str] = {}  # value -> the published protocol that it keeps
        self.leaks: dict[str, Any] = {}  # result of the check for leaks, for the provenance of all scores
        self.current: set[str] = set()  # inputs of all scores that this run has as it is now
        self._made: dict[Any, Any] = {}

    @property
    def n(self) -> int:
        return len(self.measurements.layouts)

    @cached_property
    def methods(self) -> list[str]:
        return list(self.measurements.methods)

    @cached_property
    def counts(self) -> np.ndarray:
        check_block(self.block, self.n)
        return resample_counts(self.n, self.context.bootstrap, self.context.seed, self.block)

    @property
    def block(self) -> int:
        return self.context.options.block

    @property
    def resampling(self) -> str:
        """How layouts are drawn for intervals, for provenances."""
        drawn = "one by one" if self.block == 1 else f"in circular blocks of {self.block} in the order of their names"
        return f"{self.context.bootstrap} resamples of the layouts, drawn {drawn}, seed {self.context.seed}"

    @property
    def dependence(self) -> str:
        """How many independent layouts there are, for provenances."""
        noticed = "always, for frames of a film" if self.block > 1 else "where the lag-1 autocorrelation is beyond 4 " \
                                                                       "standard errors"
        return (f"effective number from the autocorrelation of the layouts' contributions in the order of their names, "
                f"{noticed}; interval widened to a t interval of as many pieces, none below {LEAST_FOR_INTERVAL}, no "
                f"p-value below {LEAST_FOR_TEST}")

    @cached_property
    def extractors(self) -> list[FeatureConsumer]:
        """The configured feature extractors, ready to measure."""
        return [FeatureConsumer(extractor) for extractor in build_extractors(
            self.context.options.extractors, self.context.judge, self.context.device)]

    def judge(self) -> LabelJudge:
        if self.context.judge is None:
            raise InputError("segmentation scores need a judge; choose one with judge.source")
        return self.context.judge

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for this scoring."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def resample(self, statistic: Statistic) -> Resampled:
        return resample(statistic, self.counts, self.block)

    # --- which scores are stored --------------------------------------------------------------------------------------

    def inputs(self, metric: str, row: str, keys: Sequence[Any]) -> str:
        """Fingerprint of everything that a score is made from; `keys`: what is special to the metric."""
        content = self.measurements.content(row) if row in self.measurements.rows() else None
        named = [self.named] if self.named else []
        inputs = fingerprint(SCORING, metric, row, content, self.resampling, list(keys), *named)
        self.current.add(inputs)
        return inputs

    def images_of(self, row: str, comparison: bool) -> dict[str, str]:
        """Row -> hash of the images that a score was made of: everybody's for one that compares methods."""
        rows = self.measurements.rows()
        own = [row] if row in rows else [PHOTOS]
        return {name: self.measurements.content(name) for name in (rows if comparison else own)}

    def is_stored(self, metric: str, row: str, inputs: str) -> bool:
        """Whether the run directory holds a score made of these inputs."""
        return holds(self.run.score_file(metric, row), inputs, _inputs_of)

    def provenance(self) -> dict[str, Any]:
        """What holds for all scores of the run."""
        known = {"N": self.n, "image size": list(self.measurements.size), "dtype of the metric": "float64",
                 "interval": f"95 %, percentile bootstrap, {self.resampling}",
                 "independent layouts": self.dependence,
                 "dataset": self.measurements.dataset_hash, "leaks": self.leaks,
                 "scored on": device_name(self.context.device), "versions": versions()}
        occasional = {"scenes": self.run.scenes(), "published protocol": self.named}
        return known | {key: value for key, value in occasional.items() if value}


def _inputs_of(file: Path) -> str:
    """The fingerprint that a score file holds; nothing for one of an older format."""
    try:
        return Score.read(file).provenance.get("inputs", "")
    except OutdatedScore:
        return ""


def check_block(block: int, layouts: int) -> None:
    """Raises InputError when a block is more than half of the layouts: the resamples would hardly differ."""
    if block > max(1, layouts // 2):
        raise InputError(f"score.block: blocks of {block} of {layouts} layouts give no intervals; choose "
                         f"1 to {max(1, layouts // 2)}")


def device_name(device: str) -> str:
    """cpu, or the kind of GPU: numbers agree between devices to rounding only."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, as far as they are installed."""
    found = {"python": python_version()}
    for package in ("torch", "torchvision", "torch_fidelity", "numpy", "scipy", "pillow", "transformers", "lpips"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
