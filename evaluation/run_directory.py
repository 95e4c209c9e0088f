"""The run directory: the contract between stages, plain files only. Imports no torch, so that any room can read it.

    run.json                                resolved configuration, versions
    dataset/labels.json                     {"names": [...], "colours": [[r, g, b], ...]}; void last
    dataset/photos/<layout>.png             validation photographs, RGB, evaluation size
    dataset/layouts/<layout>.png            validation layouts, 8-bit greyscale class indices, same size
    dataset/instances/<layout>.png          (scenes rendered in code) 0 = none, i = i-th entry of modes["cars"]
    dataset/modes.json                      (scenes rendered in code) {layout: modes}
    dataset/complete.json                   record of the dataset's files (see data.made), sizes of the splits, version
                                            of the renderer (scenes rendered in code)
    dataset/train.json                      {"photo_sha256": [...]} of the training photographs' pixels
    dataset/train_thumbnails.npy            uint8 [M, 16, 32], the same photographs small and grey
    judges/                                 judge, segmenter and perceptual weights made by the run
    methods/<name>/method.json              see Method
    methods/<name>/images/<layout>.png      one image per layout, RGB, evaluation size
    methods/<name>/variants/<layout>_<u>.png  (k > 1) all k images, u = 1..k; images/ holds u = 1
    methods/<name>/synthesis.json           record of its images
    methods/<name>/log.csv                  step, images, seconds, loss terms
    scores/<metric>/<method>.json           see Score; the method may also be PHOTOS or FLOOR
    scores/methods.json                     {name: Method} of methods that other runs scored (evaluation.merge into)
    scores/protocol.json                    what of a published table's protocol the run keeps (score.protocol)
    scores/metrics.json                     {metric: title} of the metrics that the last scoring was to make
    scores/trainings.json                   scores of several trainings (see evaluation.trainings)
    study/                                  HIT tables, pages, responses, analysis
    report/                                 index.html, tables, figures
    stages/<stage>.json                     record of the files that a stage has written

run.json, method.json, scores and records hold the number of their format (data.made.FORMAT; absent in format 1).
"""

import math
import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from data.configuration import with_new_keys
from data.errors import InputError
from data.files import list_folder, read_image, read_json, read_mapping, write_json
from data.label_file import read_label_file
from data.labels import LabelSpace
from data.made import FORMAT
from writing.words import capitalised

Record = TypeVar("Record")

PHOTOS = "photos"  # the real photographs scored as if synthesized: the oracle row
FLOOR = "photos-vs-photos"  # real against real: two disjoint sets of real photographs
PER_IMAGE = "per image"  # the variant of a score that is taken image by image
# the questions that a comparison answers -> their titles, in the order in which a reader asks them
AXES = {"layout": "Layout", "likeness": "Likeness to photographs", "diversity": "Diversity"}


@dataclass
class Method:
    """One row of every table. `kind` is "trained" (by this suite) or "images" (a folder made by any other system)."""

    name: str
    title: str
    kind: str = "trained"
    generator: str | None = None
    objective: str | None = None
    images_per_layout: int = 1
    images_seen: int | None = None
    parameters: int | None = None
    training_seconds: float | None = None
    precision: str | None = None  # "float32" or "bf16", in which it was trained
    calibrated_at: int | None = None  # images after which the terms of its loss got other weights
    loss_networks: dict[str, str] = field(default_factory=dict)  # name -> SHA-256 of the weights used in its losses
    loss_tensors: dict[str, list[str]] = field(default_factory=dict)  # name -> SHA-256 of each of its weight tensors
    notes: list[str] = field(default_factory=list)  # printed under every table that shows the method


class OutdatedScore(InputError):
    """A score file of an older format: scoring again replaces it."""


def _as_json(entry: Any) -> dict[str, Any]:
    """A dataclass as a mapping, without the entries that are empty."""
    return {key: value for key, value in asdict(entry).items()
            if value is not None and value is not False and value != "" and value != {}}


@dataclass(frozen=True)
class Quantity:
    """What a number measures. score: a key of its metric's table of scores. features: label of the extractor or network
    that it was measured on. images: the best of so many images of a layout. draws: not of a method but of so many
    independent draws of the renderer. variant: another way to take the same score. against: the method whose value was
    subtracted. effect: of a generator or an objective on the score, averaged over the others."""

    score: str
    features: str = field(default="", kw_only=True)
    images: int | None = field(default=None, kw_only=True)
    draws: int | None = field(default=None, kw_only=True)
    variant: str = field(default="", kw_only=True)
    against: str = field(default="", kw_only=True)
    effect: str = field(default="", kw_only=True)

    @property
    def name(self) -> str:
        """The key of the number in files, unique within one score file.

        >>> Quantity("FD", features="judge").name, Quantity("distance", features="judge", images=4).name
        ('FD-judge', 'best-of-4 distance-judge')
        """
        return self.effect or "".join((
            f"best-of-{self.images} " if self.images else "", self.score,
            f"-{self.features}" if self.features else "", f", {self.variant}" if self.variant else "",
            f", {_draws(self.draws)}" if self.draws else "", f" minus {self.against}" if self.against else ""))

    def text(self, title: str) -> str:
        """The name for readers; title: that of the score in its metric's table. Does not name the method of `against`.

        >>> Quantity("distance", features="judge", images=4).text("feature distance")
        'Best of 4: feature distance (judge)'
        """
        return capitalised(self.effect or "".join((
            f"best of {self.images}: " if self.images else "", title or self.score,
            f" ({self.features})" if self.features else "", f", {self.variant}" if self.variant else "",
            f", {_draws(self.draws)}" if self.draws else "")))


def _draws(number: int) -> str:
    return f"{number} independent draw{'s' if number > 1 else ''}"


@dataclass(frozen=True)
class Value(Quantity):
    """One number with its interval: 95 %, or None where `note` gives the reason; a note beside an interval is what a
    reader has to know of it. title, higher_is_better (None: no order, such as FLOPs), unit, axis (a key of AXES) and
    leading (1 speaks for its axis first) come from the metric's table of scores. independent_layouts: how many the
    layouts are worth for this number, where they depend on their neighbours."""

    value: float
    interval: tuple[float, float] | None = None
    note: str = ""
    higher_is_better: bool | None = None
    unit: str = ""
    title: str = field(default="", kw_only=True)
    axis: str = field(default="", kw_only=True)
    leading: int | None = field(default=None, kw_only=True)
    independent_layouts: float | None = field(default=None, kw_only=True)

    @property
    def quantity(self) -> Quantity:
        return Quantity(**{entry.name: getattr(self, entry.name) for entry in fields(Quantity)})

    @property
    def label(self) -> str:
        """What readers call it."""
        return self.text(self.title)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, **_as_json(self), "value": self.value, "interval": self.interval,
                "higher_is_better": self.higher_is_better}

    @classmethod
    def from_json(cls, content: dict) -> "Value":
        """Raises TypeError, KeyError or ValueError for what is no value."""
        value = cls(**{key: entry for key, entry in content.items() if key != "name"})
        interval = None if value.interval is None else (_finite(value.interval[0]), _finite(value.interval[1]))
        return replace(value, value=_finite(value.value), interval=interval)


def _finite(number: Any) -> Any:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {number!r}")
    return number


@dataclass
class Score:
    """The values of one metric for one method: scores/<metric>/<method>.json.

    provenance: everything needed to repeat the numbers (judge or extractor and SHA-256, resize, size, N, dtype, void
    rule, seed, versions). per_image: value name -> one number (or null) per layout, in the order of
    RunDirectory.layouts(). details: anything else, e.g. {"IoU per class": {...}, "confusion": [[...]]}.
    title: of the metric. place: of the metric in tables. comparison: made of several methods of one run, so that it
    cannot stand in another run. subject: what a score is about that is not about a method, for readers.
    """

    metric: str
    method: str
    values: list[Value]
    provenance: dict[str, Any]
    per_image: dict[str, list[float | None]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    place: int = 1000
    comparison: bool = False
    subject: str = ""

    def value(self, name: str) -> Value | None:
        return next((value for value in self.values if value.name == name), None)

    @classmethod
    def read(cls, file: Path) -> "Score":
        """Raises InputError for a file that is not a score, OutdatedScore for one of an older format."""
        again = "delete it, and score or merge again"
        try:
            score = cls.from_json(read_json(file))
        except OutdatedScore:
            raise OutdatedScore(f"{file}: written by an older version; score or merge again") from None
        except InputError as error:
            raise InputError(f"{error}; {again}") from None
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise InputError(f"{file}: not a score file ({error!r}); {again}") from None
        return score

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **_as_json(self), "values": [value.to_json() for value in self.values],
                "provenance": self.provenance}

    @classmethod
    def from_json(cls, content: dict) -> "Score":
        """Raises OutdatedScore, and TypeError, KeyError, ValueError or AttributeError for what is not a score."""
        if (found := content.get("format", 1)) != FORMAT:
            raise OutdatedScore(f"a score of format {found}, expected {FORMAT}; score again")
        score = cls(**{key: entry for key, entry in content.items() if key != "format"} | {
            "values": [Value.from_json(value) for value in content["values"]]})
        for name, kind in (("provenance", dict), ("per_image", dict), ("details", dict), ("metric", str),
                           ("method", str), ("place", int)):
            if not isinstance(getattr(score, name), kind):
                raise TypeError(f"{name} is not a {kind.__name__}")
        return score


def checked(kind: type[Record], content: dict[str, Any], problem: str) -> Record:
    """An instance of a dataclass from the content of a file. Raises InputError with `problem` and the key that is
    unknown, missing or of a wrong type."""
    if not isinstance(content, dict):
        raise InputError(f"{problem} (a JSON object is expected)")
    if unknown := content.keys() - {field.name for field in fields(kind)}:
        raise InputError(f"{problem} (unknown key '{min(unknown)}')")
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{problem} ({'.'.join(map(str, first['loc']))}: {first['msg']})") from None


def check_format(record: dict[str, Any], file: Path) -> None:
    """Raises InputError for a file that a newer version of the suite has written."""
    found = record.get("format", 1)
    if not isinstance(found, int) or not 1 <= found <= FORMAT:
        raise InputError(f"{file}: format {found!r}; this version of the suite reads formats 1 to {FORMAT}")


@dataclass(frozen=True)
class RunDirectory:
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """An existing run. Raises InputError when there is none."""
        run = cls(Path(path))
        if not run.path.is_dir():
            raise InputError(f"{path}: no such run directory; make one with "
                             f"python -m evaluation.run --all --out {shlex.quote(str(path))}")
        if not (run.path / "run.json").exists():
            raise InputError(f"{path}: not a run directory (no run.json in it)")
        return run

    @property
    def dataset(self) -> Path:
        return self.path / "dataset"

    @property
    def train_file(self) -> Path:
        return self.dataset / "train.json"

    @property
    def train_thumbnails(self) -> Path:
        return self.dataset / "train_thumbnails.npy"

    @property
    def judges(self) -> Path:
        return self.path / "judges"

    @property
    def study(self) -> Path:
        return self.path / "study"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def dataset_marker(self) -> Path:
        """The record of the dataset, written after all its other files."""
        return self.dataset / "complete.json"

    def scenes(self) -> str | None:
        """Version of the renderer that the photographs were made with; None where they were not rendered in code."""
        return read_json(self.dataset_marker).get("version") if self.dataset_marker.exists() else None

    def method_folder(self, name: str) -> Path:
        return self.path / "methods" / name

    def config(self) -> dict:
        """run.json, keys of older versions under their present names. Raises InputError where it cannot be read or is
        something else."""
        record = read_mapping(file := self.path / "run.json")
        check_format(record, file)
        config = record.get("config")
        if not isinstance(config, dict):
            raise InputError(f"{file}: not the record of a run (no configuration in it)")
        if wrong := [key for key in ("versions", "fixed_networks") if not isinstance(record.get(key, {}), dict)]:
            raise InputError(f"{file}: {wrong[0]}: a JSON object is expected, got {record[wrong[0]]!r}")
        methods = config.get("methods")
        if not isinstance(methods, list) or not all(isinstance(name, str) for name in methods):
            raise InputError(f"{file}: config.methods: a list of names is expected, got {methods!r}")
        return record | {"config": with_new_keys(config)}

    def labels(self) -> LabelSpace:
        """Raises InputError when labels.json cannot be read."""
        return read_label_file(self.dataset / "labels.json").labels

    def layouts(self) -> list[str]:
        """Names of the validation layouts, sorted."""
        return sorted(file.stem for file in list_folder(self.dataset / "layouts", "*.png"))

    def layout(self, name: str) -> np.ndarray:
        """uint8 [H, W] class indices."""
        return read_image(self.dataset / "layouts" / f"{name}.png", "L")

    def photo_file(self, name: str) -> Path:
        return self.dataset / "photos" / f"{name}.png"

    def image_file(self, method: str, layout: str) -> Path:
        """The image of `method` (or the photograph, for PHOTOS)."""
        if method == PHOTOS:
            return self.photo_file(layout)
        return self.method_folder(method) / "images" / f"{layout}.png"

    def variant_file(self, method: str, layout: str, u: int) -> Path:
        """Image u = 1..k of a method that makes several."""
        return self.method_folder(method) / "variants" / f"{layout}_{u}.png"

    def training_photographs(self) -> list[str] | None:
        """SHA-256 of the pixels of each; None where they are not known. Raises InputError for a damaged file."""
        if not self.train_file.exists():
            return None
        if not isinstance(hashes := read_mapping(self.train_file).get("photo_sha256"), list):
            raise InputError(f"{self.train_file}: not the hashes of training photographs")
        return hashes

    def modes(self) -> dict[str, dict]:
        """Known appearance by layout; empty where the dataset has none. Raises InputError for a damaged file."""
        file = self.dataset / "modes.json"
        return read_mapping(file) if file.exists() else {}

    def method_names(self) -> list[str]:
        """Methods of this run that have images, in the order of the configuration, then by name."""
        files = list_folder(self.path / "methods", "*/method.json")
        found = {file.parent.name for file in files if (file.parent / "images").is_dir()}
        configured = [name for name in self.config()["config"]["methods"] if name in found]
        return [*configured, *sorted(found - set(configured))]

    def method(self, name: str) -> Method:
        """Raises InputError when its method.json cannot be read."""
        file = self.method_folder(name) / "method.json"
        content = read_mapping(file)
        check_format(content, file)
        content.pop("format", None)
        return checked(Method, content, f"{file}: not the record of a method")

    def methods(self) -> list[Method]:
        """Those of `method_names`."""
        return [self.method(name) for name in self.method_names()]

    @property
    def trainings_file(self) -> Path:
        return self.path / "scores" / "trainings.json"

    @property
    def merged_file(self) -> Path:
        return self.path / "scores" / "methods.json"

    def merged_methods(self) -> list[Method]:
        """Methods that have scores from other runs and no images here, by name: rows of tables, nothing else."""
        found = read_mapping(self.merged_file) if self.merged_file.exists() else {}
        own = set(self.method_names())
        return [checked(Method, about, f"{self.merged_file}: '{name}' is not the record of a method")
                for name, about in sorted(found.items()) if name not in own]

    def write_method(self, method: Method) -> None:
        """Write method.json, unless it has this content already."""
        file = self.method_folder(method.name) / "method.json"
        content = {"format": FORMAT, **asdict(method)}
        if not file.exists() or read_json(file) != content:
            write_json(file, content)

    def score_file(self, metric: str, method: str) -> Path:
        return self.path / "scores" / metric / f"{method}.json"

    def write_score(self, score: Score) -> None:
        write_json(self.score_file(score.metric, score.method), score.to_json())

    def score_files(self, metric: str | None = None) -> list[Path]:
        """Of all metrics or of one, sorted by metric and method."""
        return list_folder(self.path / "scores", f"{metric or '*'}/*.json")

    def scores(self, metric: str | None = None) -> list[Score]:
        """All scores, or those of one metric, sorted by metric and method; files of an older format are left out (see
        outdated_scores)."""
        found = []
        for file in self.score_files(metric):
            with suppress(OutdatedScore):
                found.append(Score.read(file))
        return found

    def outdated_scores(self) -> list[Path]:
        """Score files of an older format, which the stage score makes again."""
        found = []
        for file in self.score_files():
            try:
                Score.read(file)
            except OutdatedScore:
                found.append(file)
        return found

    @property
    def metrics_file(self) -> Path:
        return self.path / "scores" / "metrics.json"

    def expected_metrics(self) -> dict[str, str]:
        """Metric -> title, of those that the last scoring was to make; empty before the first one."""
        return read_mapping(self.metrics_file) if self.metrics_file.exists() else {}
