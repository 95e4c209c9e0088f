"""What every metric is given: the run, the judge, the options, shared measurements; and how a score is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, Protocol

import numpy as np
import torch

from data.errors import InputError
from data.files import fingerprint
from evaluation.cache.consumers import FeatureConsumer
from evaluation.cache.measurements import Measurements
from evaluation.networks.extractors import build_extractors
from evaluation.run_directory import COMPARED, PHOTOS, RunDirectory, Score, Value
from evaluation.statistics.dependence import LEAST_FOR_INTERVAL, LEAST_FOR_TEST
from evaluation.statistics.intervals import Resampled, Statistic, resample, resample_counts
from presets.schema import ScoreConfig

SCORING = 3  # raise when a formula changes, so that stored scores are made again


class LabelJudge(Protocol):
    """A network that labels images. `features` (float [N, D]) exists where its features serve a distance, and
    `predict_with_features` (both results) where one pass can give both."""

    protocol: dict[str, Any]  # name, sha256 of its weights, input size, resize, ...

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [N, 3, H, W] -> uint8 [N, H, W] class indices, never void."""
        ...


@dataclass
class Context:
    """judge: None where no metric needs one. train_photos: indices -> uint8 [n, 3, H, W], for the train-val floor.

    reference: the method that every other one is compared with.
    """

    judge: LabelJudge | None = None
    device: str = "cpu"
    bootstrap: int = 2000
    seed: int = 0
    options: ScoreConfig = field(default_factory=ScoreConfig)
    train_photos: Callable[[Sequence[int]], np.ndarray] | None = None
    reference: str = "crn"


class Work:
    """One scoring of one run: measurements and statistics are made at most once and shared by the metrics."""

    def __init__(self, run: RunDirectory, context: Context):
        self.run, self.context = run, context
        self.measurements = Measurements(run, context.device)
        self.named: dict[str, str] = {}  # value -> the published protocol that it keeps
        self.leaks: dict[str, Any] = {}  # what a protocol says of the check for leaks
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
        block = self.context.options.block
        check_block(block, self.n)
        return resample_counts(self.n, self.context.bootstrap, self.context.seed, block)

    @property
    def resampling(self) -> str:
        """How layouts are drawn for intervals, for protocols."""
        block = self.context.options.block
        drawn = "one by one" if block == 1 else f"in circular blocks of {block} in the order of their names"
        return f"{self.context.bootstrap} resamples of the layouts, drawn {drawn}, seed {self.context.seed}"

    @property
    def dependence(self) -> str:
        """How many independent layouts there are, for protocols."""
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

    def statistics(self, metric: str, method: str, make: Callable[[], dict[str, Statistic]]) -> dict[str, Statistic]:
        """What `make` gives, made once for each metric and method."""
        return self.once((metric, method), make)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for this scoring."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def inputs(self, metric: str, method: str, keys: Sequence[Any]) -> str:
        """Fingerprint of everything that a score of `method` is made from; `keys`: what is special to the metric."""
        content = self.measurements.content(method) if method in self.measurements.rows() else None
        named = [self.named] if self.named else []
        inputs = fingerprint(SCORING, metric, method, content, self.resampling, list(keys), *named)
        self.current.add(inputs)
        return inputs

    def images_of(self, metric: str, method: str) -> dict[str, str]:
        """What a score was made of: a hash of its method's images, of everybody's for one that compares methods."""
        rows = self.measurements.rows()
        own = [method] if method in rows else [PHOTOS]
        return {row: self.measurements.content(row) for row in (rows if metric in COMPARED else own)}

    def stored(self, metric: str, method: str, inputs: str) -> bool:
        """Whether this very score stands in the run directory already."""
        file = self.run.score_file(metric, method)
        return file.exists() and Score.read(file).protocol.get("inputs") == inputs

    @property
    def block(self) -> int:
        return self.context.options.block

    def resample(self, statistic: Statistic) -> Resampled:
        return resample(statistic, self.counts, self.block)

    def values(self, statistics: Mapping[str, Statistic]) -> list[Value]:
        """Values with their bootstrap intervals; numbers that are not defined for this run are left out."""
        values = []
        for name, statistic in statistics.items():
            value = statistic.value()
            if np.isfinite(value):
                found = self.resample(statistic)
                values.append(Value(name, value, found.interval, found.note, statistic.higher_is_better))
        return values

    def write(self, metric: str, method: str, inputs: str, values: list[Value], protocol: dict[str, Any],
              per_image: Mapping[str, np.ndarray] | None = None, details: dict[str, Any] | None = None) -> None:
        images = {name: as_json(numbers) for name, numbers in (per_image or {}).items()}
        made_of = {"images": self.images_of(metric, method), "inputs": inputs}
        self.run.write_score(Score(metric, method, values, self.protocol() | protocol | made_of, images, details or {}))

    def protocol(self) -> dict[str, Any]:
        """What holds for all scores of the run."""
        scenes = self.run.scenes()
        known = {"N": self.n, "image size": list(self.measurements.size), "dtype of the metric": "float64",
                 "interval": f"95 %, percentile bootstrap, {self.resampling}",
                 "independent layouts": self.dependence,
                 "dataset": self.measurements.dataset_hash(), "leaks": self.leaks,
                 "scored on": device_name(self.context.device), "versions": versions()}
        known |= {"scenes": scenes} if scenes else {}
        return known | ({"published protocol": self.named} if self.named else {})


def as_json(numbers: np.ndarray) -> list[float | None]:
    """Numbers with None for NaN, which JSON does not have."""
    return [float(number) if np.isfinite(number) else None for number in np.ravel(numbers)]


def check_block(block: int, layouts: int) -> None:
    """Raises InputError when a block is more than half of the layouts: the resamples would hardly differ."""
    if block > max(1, layouts // 2):
        raise InputError(f"score.block: intervals cannot be had from blocks of {block} of {layouts} layouts; choose "
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


def scored_rows(work: Work) -> list[str]:
    """The photographs (oracle row) and every method."""
    return [PHOTOS, *work.methods]
