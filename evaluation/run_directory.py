"""The run directory: the contract between stages, plain files only. Imports no torch, so that any room can read it.

    run.json                                resolved configuration, versions
    dataset/labels.json                     {"names": [...], "colours": [[r, g, b], ...]}; void last
    dataset/photos/<layout>.png             validation photographs, RGB, evaluation size
    dataset/layouts/<layout>.png            validation layouts, 8-bit greyscale class indices, same size
    dataset/instances/<layout>.png          (scenes rendered in code) 0 = none, i = i-th entry of modes["cars"]
    dataset/modes.json                      (scenes rendered in code) {layout: modes}
    dataset/complete.json                   sizes of the splits, version of the renderer (scenes rendered in code)
    dataset/train.json                      {"photo_sha256": [...]} of the training photographs' pixels
    dataset/train_thumbnails.npy            uint8 [M, 16, 32], the same photographs small and grey
    judges/                                 judge, segmenter and perceptual weights made by the run
    methods/<name>/method.json              see Method
    methods/<name>/images/<layout>.png      one image per layout, RGB, evaluation size
    methods/<name>/variants/<layout>_<u>.png  (k > 1) all k images, u = 1..k; images/ holds u = 1
    methods/<name>/log.csv                  step, images, seconds, loss terms
    scores/<metric>/<method>.json           see Score; the method may also be PHOTOS or FLOOR
    scores/methods.json                     {name: Method} of methods that other runs scored (evaluation.merge into)
    scores/protocol.json                    what of a published table's protocol the run keeps (score.protocol)
    scores/trust.json                       which distances call a photograph nearer than a blur
    scores/seeds.json                       spread over training seeds (evaluation.merge seeds)
    study/                                  HIT tables, pages, responses, analysis
    report/                                 index.html, tables, figures
"""

import shlex
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from data.configuration import with_new_keys
from data.errors import InputError
from data.files import list_folder, read_image, read_json, read_mapping, write_json
from data.labels import LabelSpace
from data.made import FORMAT

Record = TypeVar("Record")

PHOTOS = "photos"  # the real photographs scored as if synthesized: the oracle row
FLOOR = "photos-vs-photos"  # real against real: two disjoint sets of real photographs
COMPARED = ("differences", "agreement", "effects")  # made of other scores of one run; they do not travel


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


@dataclass
class Value:
    """One number with its interval. `interval`: 95 %, or None where `interval_note` says why there is none; a note
    beside an interval says what a reader has to know of it."""

    name: str  # e.g. "mIoU", "FD-judge"
    value: float
    interval: tuple[float, float] | None = None
    interval_note: str = ""
    higher_is_better: bool | None = None  # None: no order (e.g. FLOPs of a method)
    unit: str = ""


@dataclass
class Score:
    """What one metric says of one method: scores/<metric>/<method>.json.

    per_image: value name -> one number (or null) per layout, in the order of RunDirectory.layouts().
    details: anything else, e.g. {"IoU per class": {...}, "confusion": [[...]]}.
    protocol: everything needed to repeat the number (judge or extractor and SHA-256, resize, size, N, dtype, void rule,
    seed, versions).
    """

    metric: str
    method: str
    values: list[Value]
    protocol: dict[str, Any]
    per_image: dict[str, list[float | None]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Value | None:
        return next((value for value in self.values if value.name == name), None)

    @classmethod
    def read(cls, file: Path) -> "Score":
        """Raises InputError for a file that is no score."""
        again = "delete it, and score or merge again"
        try:
            score = cls.from_json(read_json(file))
            if not isinstance(score.protocol, dict):
                raise TypeError("its protocol is not a mapping")
        except InputError as error:
            raise InputError(f"{error}; {again}") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file}: not a score file ({error!r}); {again}") from None
        return score

    @classmethod
    def from_json(cls, content: dict) -> "Score":
        values = [Value(**{**v, "interval": tuple(v["interval"]) if v.get("interval") else None})
                  for v in content["values"]]
        return cls(**{**content, "values": values})


def checked(kind: type[Record], content: dict[str, Any], problem: str) -> Record:
    """An instance of a dataclass from the content of a file. Raises InputError with `problem` and the key that is
    unknown, missing or of a wrong type."""
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
        """Written last: its presence says that all other files of the dataset are there."""
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
        methods = config.get("methods")
        if not isinstance(methods, list) or not all(isinstance(name, str) for name in methods):
            raise InputError(f"{file}: config.methods: a list of names is expected, got {methods!r}")
        return record | {"config": with_new_keys(config)}

    def labels(self) -> LabelSpace:
        file = self.dataset / "labels.json"
        try:
            return LabelSpace.from_json(read_json(file))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file}: not the labels of a run ({error!r})") from None

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
    def merged_file(self) -> Path:
        return self.path / "scores" / "methods.json"

    def merged_methods(self) -> list[Method]:
        """Methods that have scores from other runs and no images here, by name: rows of tables, nothing else."""
        found = read_mapping(self.merged_file) if self.merged_file.exists() else {}
        own = set(self.method_names())
        return [Method(**about) for name, about in sorted(found.items()) if name not in own]

    def write_method(self, method: Method) -> None:
        """Write method.json, unless it says the same already."""
        file = self.method_folder(method.name) / "method.json"
        content = {"format": FORMAT, **asdict(method)}
        if not file.exists() or read_json(file) != content:
            write_json(file, content)

    def score_file(self, metric: str, method: str) -> Path:
        return self.path / "scores" / metric / f"{method}.json"

    def write_score(self, score: Score) -> None:
        write_json(self.score_file(score.metric, score.method), asdict(score))

    def scores(self, metric: str | None = None) -> list[Score]:
        """All scores, or those of one metric, sorted by metric and method."""
        pattern = f"{metric or '*'}/*.json"
        return [Score.read(file) for file in list_folder(self.path / "scores", pattern)]
