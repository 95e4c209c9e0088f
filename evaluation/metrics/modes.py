"""The metric "modes": how many of the appearances that a layout leaves open do the k images of a method cover?

On scenes rendered in code they are known: the paint of each car (8 colours, drawn independently and uniformly) and the
time of day (2, or 4 in the harder variant). A method that makes one image can show one colour per car; k independent
draws of the renderer show 8 (1 - (7/8)^k) of them on average. Paint looks different in different light, and a
synthesized image chooses its own: its light is taken from the photograph whose mean colours, class by class, are
nearest. A car whose colour is further from every paint than nearly all cars of the photographs are (averaged to grey,
or noise) shows none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from data import rendered
from data.configuration import DataConfig
from data.files import fingerprint, read_image
from data.street import CAR_COLOURS, MIN_CAR_PIXELS, SHADES, TIMES_OF_DAY, Street, distances_to_paints
from evaluation.cache.images import read_images
from evaluation.cache.measurements import ImageBatch
from evaluation.metrics.base import Measured, Metric, ScoreKind
from evaluation.metrics.work import Work
from evaluation.run_directory import PHOTOS, Quantity, RunDirectory
from evaluation.statistics.intervals import Statistic, ratio_of_sums

REDRAWN_LAYOUTS = 40  # layouts drawn again by the renderer for the photographs' row
CHUNK = 64
COLOURS, PAINTED, TIMES = "car colours covered", "cars in a known colour", "times of day covered"
NOT_REDRAWN = "no: the renderer of this version does not give the run's first photograph"
TOLERATED = 0.97  # share of the photographs' own cars that is near enough to a paint; on street scenes some 20 of 255


def expected_coverage(modes: int, k: int) -> float:
    """Share of equally likely modes that k independent draws show on average."""
    return 1 - (1 - 1 / modes) ** k


def class_means(images: np.ndarray, layouts: np.ndarray, classes: int) -> np.ndarray:
    """Mean RGB of each class: images uint8 [N, 3, H, W], layouts uint8 [N, H, W] -> float64 [N, classes, 3], NaN where
    a layout lacks the class."""
    n = len(images)
    cell = (layouts.astype(np.int64) + np.arange(n).reshape(-1, 1, 1) * classes).ravel()
    counts = np.bincount(cell, minlength=n * classes)
    sums = [np.bincount(cell, images[:, c].ravel(), minlength=n * classes) for c in range(3)]
    with np.errstate(invalid="ignore"):
        return (np.stack(sums, axis=-1) / counts[:, None]).reshape(n, classes, 3)


def nearest_by_class(means: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each [N, C, 3] the index of the nearest of known [M, C, 3], by RMS distance over the classes both have."""
    gap = np.square(means[:, None] - known[None]).sum(axis=-1)
    shared = np.isfinite(gap)
    distance = np.where(shared, gap, 0).sum(axis=-1) / np.maximum(shared.sum(axis=-1), 1)
    return np.where(shared.any(axis=-1), distance, np.inf).argmin(axis=1)


@dataclass
class ModesConsumer:
    """Measures {"distances": float32 [B, K, cars, 8], "times": int16 [B, K]}: how far a car's colour is from each paint
    of CAR_COLOURS as that light shows it (0..442), NaN for a car that the layout does not have or shows too small to
    read; index into TIMES_OF_DAY."""

    run: RunDirectory
    dataset: str  # hash, because lights are looked up in the photographs
    name: str = "modes"
    modes: dict = field(init=False)

    def __post_init__(self):
        self.modes = self.run.modes()

    @property
    def key(self) -> str:
        return fingerprint("distances to paints", self.dataset, MIN_CAR_PIXELS, SHADES, list(CAR_COLOURS.items()))

    @cached_property
    def _known(self) -> tuple[list[dict], np.ndarray]:
        """The light of every photograph, and its mean colours per class."""
        names, means = self.run.layouts(), []
        size = self.run.layout(names[0]).shape
        for i in range(0, len(names), CHUNK):
            chunk = names[i : i + CHUNK]
            photos = read_images([self.run.photo_file(name) for name in chunk], size)
            means.append(self._means(photos, np.stack([self.run.layout(name) for name in chunk])))
        return [self.modes[name] for name in names], np.concatenate(means)

    def _means(self, images: np.ndarray, layouts: np.ndarray) -> np.ndarray:
        """Per class, without cars and void, whose colours are not those of the light."""
        labels = self.run.labels()
        means = class_means(images, layouts, len(labels))
        means[:, [labels.void, *(i for i, name in enumerate(labels.names) if name == "car")]] = np.nan
        return means

    def __call__(self, batch: ImageBatch) -> dict[str, np.ndarray]:
        known, known_means = self._known
        b, k = batch.images.shape[:2]
        most_cars = max((len(modes["cars"]) for modes in self.modes.values()), default=0)
        distances = np.full((b, k, most_cars, len(CAR_COLOURS)), np.nan, np.float32)
        times = np.empty((b, k), np.int16)
        instances = [read_image(self.run.dataset / "instances" / f"{name}.png", "L") for name in batch.names]
        for u in range(k):
            images = batch.images[:, u].numpy()
            lights = nearest_by_class(self._means(images, batch.layouts), known_means)
            for i, name in enumerate(batch.names):
                light = known[lights[i]]
                times[i, u] = TIMES_OF_DAY.index(light["time_of_day"])
                for car, about in enumerate(self.modes[name]["cars"]):
                    if about["pixels"] >= MIN_CAR_PIXELS:
                        seen = np.median(images[i][:, instances[i] == car + 1], axis=1)
                        distances[i, u, car] = distances_to_paints(seen, light["light"], about["distance"])
        return {"distances": distances, "times": times}


def distinct(values: np.ndarray) -> np.ndarray:
    """Number of different values along the K of [N, K, ...] -> [N, ...]."""
    ordered = np.sort(values, axis=1)
    return 1 + (np.diff(ordered, axis=1) != 0).sum(axis=1)


def tolerance(distances: np.ndarray) -> float:
    """How far from its nearest paint a car may be, from the photographs' own distances [N, 1, cars, 8]."""
    nearest = distances.min(axis=-1)
    return float(np.quantile(nearest[np.isfinite(nearest)], TOLERATED)) if np.isfinite(nearest).any() else 0.0


def statistics(distances: np.ndarray, times: np.ndarray, tolerated: float, drawn: int) -> dict[str, Statistic]:
    """Coverage and the share of cars in a known colour, each in 0..1, from the arrays of ModesConsumer.

    drawn: number of times of day that the renderer draws from."""
    there = np.isfinite(distances[:, 0, :, 0])
    shown = (distances == distances.min(axis=-1, keepdims=True)) & (distances <= tolerated)  # [N, K, cars, 8]
    covered, painted = shown.any(axis=1).mean(axis=-1), shown.any(axis=-1).mean(axis=1)

    def of_cars(shares: np.ndarray) -> Statistic:
        sums = np.stack([np.where(there, shares, 0).sum(axis=-1), there.sum(axis=-1)], axis=-1)
        return Statistic(sums.astype(np.float64), ratio_of_sums)  # cars count one by one

    return {COLOURS: of_cars(covered), PAINTED: of_cars(painted),
            TIMES: Statistic.mean(distinct(times) / drawn)}


def _consumer(work: Work) -> ModesConsumer:
    return work.once("modes consumer", lambda: ModesConsumer(work.run, work.measurements.dataset_hash))


def known_modes(work: Work) -> bool:
    """Whether the run's scenes were rendered in code, so that their modes are known."""
    modes = _consumer(work).modes
    return (bool(modes) and all("light" in m for m in modes.values()) and (work.run.dataset / "instances").is_dir()
            and _scenes(work.run) is not None)


class ModesMetric(Metric):
    """The coverage of every method, with what k independent draws would show, and that of the renderer itself; only for
    scenes rendered in code."""

    name, title = "modes", "Coverage of known modes"
    scores = {name: ScoreKind(name) for name in (COLOURS, PAINTED, TIMES)}

    def applies(self, work: Work) -> bool:
        return known_modes(work)

    def consumers(self, work: Work) -> list[ModesConsumer]:
        return [_consumer(work)] if known_modes(work) else []

    def rows(self, work: Work) -> list[str]:
        return [*work.methods, PHOTOS]

    def provenance(self, work: Work) -> dict[str, Any]:
        if not known_modes(work):
            return {}
        return {"modes": f"{len(CAR_COLOURS)} car colours, {len(_scenes(work.run).times)} times of day",
                "cars": f"with at least {MIN_CAR_PIXELS} painted pixels; the nearest paint of their median colour, in "
                        "the light of the photograph with the nearest mean colours per class, "
                        f"{SHADES[0]} to {SHADES[-1]} times as bright",
                "known colour": f"no further from a paint than {TOLERATED:.0%} of the photographs' cars: "
                                f"{_tolerated(work):.1f} of 255 (RGB, Euclidean)"}

    def inputs(self, work: Work, row: str) -> list[Any]:
        return [self.provenance(work), _k(work, row)]

    def statistics(self, work: Work, method: str) -> dict[Quantity, Statistic]:
        if method == PHOTOS or not known_modes(work):
            return {}
        measured = work.measurements.get(method, _consumer(work))
        return {Quantity(name): found for name, found in statistics(
            **measured, tolerated=_tolerated(work), drawn=len(_scenes(work.run).times)).items()}

    def measure(self, work: Work, row: str) -> Measured:
        k = _k(work, row)
        expected = [self.value(Quantity(name, draws=k), expected_coverage(count, k), None, "exact")
                    for name, count in ((COLOURS, len(CAR_COLOURS)), (TIMES, len(_scenes(work.run).times)))]
        found = self._renderer(work, k) if row == PHOTOS else \
            Measured(self.values(work, self.cached_statistics(work, row)))
        return Measured(found.values + expected, {"k": k} | found.provenance)

    def _renderer(self, work: Work, k: int) -> Measured:
        """k independent draws of the renderer, read by the same means as a method's images."""
        street = same_street(work.run)
        if street is None:
            return Measured([], {"drawn again": NOT_REDRAWN})
        chosen = np.unique(np.linspace(0, work.n - 1, min(work.n, REDRAWN_LAYOUTS)).astype(int))
        parts = [_consumer(work)(_redrawn(work, street, index, k)) for index in chosen]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        read = statistics(**found, tolerated=_tolerated(work), drawn=len(street.times))
        note = f"mean over {len(chosen)} layouts"
        values = [self.value(Quantity(name), s.value(), None, note) for name, s in read.items()
                  if np.isfinite(s.value())]
        drawn = f"{k} independent draw{'s' if k > 1 else ''} of the renderer for each layout"
        return Measured(values, {"N": len(chosen), "photographs": drawn})


def _k(work: Work, row: str) -> int:
    """Images of a layout; of the renderer as many as the method that makes most."""
    return max((work.measurements.images_per_layout(method) for method in work.methods), default=1) if row == PHOTOS \
        else work.measurements.images_per_layout(row)


def _tolerated(work: Work) -> float:
    return work.once("tolerated", lambda: tolerance(work.measurements.get(PHOTOS, _consumer(work))["distances"]))


def _scenes(run: RunDirectory) -> type[Street] | None:
    """The renderer of the run's scenes; None where they are photographs."""
    return rendered(run.config()["config"]["data"].get("dataset", DataConfig().dataset))


def same_street(run: RunDirectory) -> Street | None:
    """The renderer behind the run's photographs; None when it does not give the run's first photograph."""
    config = run.config()["config"]
    names = run.layouts()
    street = _scenes(run)("val", run.layout(names[0]).shape, len(names), config.get("data", {}).get("seed", 0))
    first = street[0]
    photo = read_image(run.photo_file(names[0])).transpose(2, 0, 1)
    return street if np.array_equal(first.photo, photo) else None


def _redrawn(work: Work, street: Street, index: int, k: int) -> ImageBatch:
    draws: Sequence = [street.redraw(int(index), u) for u in range(k)]
    images = torch.from_numpy(np.stack([draw.photo for draw in draws])[None])
    return ImageBatch([work.measurements.layouts[index]], draws[0].layout[None], images[:, 0], images)


METRIC = ModesMetric()
