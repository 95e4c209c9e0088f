"""Several trainings of the same methods: with other seeds, and at other budgets (images seen).

scores/trainings.json of a run and trainings.json of reference results hold the scores of every training as they were
measured, without numbers per layout. Means, spreads and orders are computed from them where they are shown.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import read_json, write_text
from evaluation.run_directory import Method, RunDirectory, Score, Value, checked

FORMAT = "semantic-image-synthesis trainings 1"
COMMON = ("dataset", "N", "image size")  # must be the same for every training


@dataclass(frozen=True)
class Training:
    """Methods trained once and their scores. budget: images seen by each. train: training scenes or photographs, None
    for all that the dataset has."""

    seed: int
    budget: int
    train: int | None
    methods: list[Method]
    scores: list[Score]

    def __str__(self) -> str:
        return f"seed {self.seed} at {self.budget:,} images"

    def values(self) -> dict[tuple[str, str, str], Value]:
        """(metric, method, name of the value) -> value."""
        return {(score.metric, score.method, value.name): value for score in self.scores for value in score.values}


@dataclass(frozen=True)
class Trainings:
    """In the order of budgets, then seeds. Raises InputError for the same training twice, and for scores that differ in
    more than training: in photographs, their number or size."""

    trainings: list[Training]

    def __post_init__(self):
        self.trainings.sort(key=lambda training: (training.budget, training.seed))
        self._refuse_repetitions()
        self._refuse_other_photographs()

    def __iter__(self) -> Iterator[Training]:
        return iter(self.trainings)

    def __len__(self) -> int:
        return len(self.trainings)

    @property
    def budgets(self) -> list[int]:
        return sorted({training.budget for training in self})

    def at(self, budget: int) -> "Trainings":
        """Those of one budget."""
        return Trainings([training for training in self if training.budget == budget])

    def values(self, metric: str, name: str) -> dict[str, list[float]]:
        """Method (also PHOTOS and FLOOR) -> the number in every training that has it, in the order of trainings."""
        found: dict[str, list[float]] = {}
        for training in self:
            for (its_metric, method, its_name), value in training.values().items():
                if (its_metric, its_name) == (metric, name):
                    found.setdefault(method, []).append(value.value)
        return found

    def _refuse_repetitions(self) -> None:
        seen: dict[tuple[int, int], dict] = {}
        for training in self:
            numbers = {key: value.value for key, value in training.values().items()}
            if (training.budget, training.seed) in seen:
                raise InputError(f"{training}: given twice; give each training once")
            if numbers and numbers in seen.values():
                raise InputError(f"{training}: the same values as another seed or budget; give each training once")
            seen[training.budget, training.seed] = numbers

    def _refuse_other_photographs(self) -> None:
        first: dict[tuple[str, str], Score] = {}
        for training in self:
            for score in training.scores:
                known = first.setdefault((score.metric, score.method), score).provenance
                if different := [key for key in COMMON if score.provenance.get(key) != known.get(key)]:
                    raise InputError(f"{score.metric} of '{score.method}', {training}: another {', '.join(different)} "
                                     f"than {self.trainings[0]}; only the training may differ")


def training_of(run: RunDirectory) -> Training:
    """A run's own training and its scores. Raises InputError for a run without scores."""
    config = run.config()["config"]
    scores = [replace(score, per_image={}, details={}) for score in run.scores() if not score.comparison]
    if not scores:
        raise InputError(f"{run.path}: no scores; run the stage score first")
    return Training(config["seed"], config["training"]["images_seen"], config["data"].get("train"),
                    [*run.methods(), *run.merged_methods()], scores)


def read_trainings(file: Path) -> Trainings:
    """Empty where the file does not exist. Raises InputError for a file of another kind."""
    if not file.exists():
        return Trainings([])
    content = read_json(file)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{file}: not made by python -m evaluation.merge trainings")
    try:
        return Trainings([_training(entry, file) for entry in content["trainings"]])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{file}: not made by python -m evaluation.merge trainings ({error!r})") from None


def _training(entry: dict[str, Any], file: Path) -> Training:
    methods = [checked(Method, method, f"{file}: not the record of a method") for method in entry["methods"]]
    return Training(entry["seed"], entry["budget"], entry["train"], methods,
                    [Score.from_json(score) for score in entry["scores"]])


def write_trainings(trainings: Trainings, file: Path) -> None:
    """One line for each training; line breaks within would double the size."""
    lines = [json.dumps({"seed": training.seed, "budget": training.budget, "train": training.train,
                         "methods": [asdict(method) for method in training.methods],
                         "scores": [score.to_json() for score in training.scores]},
                        separators=(",", ":"), ensure_ascii=False) for training in trainings]
    write_text(file, f'{{"format": "{FORMAT}", "trainings": [\n' + ",\n".join(lines) + "\n]}\n")
