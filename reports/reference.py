"""Reference results: results of the suite, small enough to commit, with which other runs are compared.

    python -m reports.reference RUN [RUN ...] --out reports/reference/NAME

The runs are of one preset with one training each: a seed at a budget. NAME gets reference.json (pictures, settings,
versions), methods.json, scores/ of the first run, trainings.json (scores of every run), tables/ and figures/ of the
first run's report, and previews/<budget>/: images synthesized by the first run at each budget as small JPEG, never a
photograph or a layout.
"""

import argparse
import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.errors import InputError, nearest, one_line_errors
from data.files import atomic_path, list_folder, read_image, read_json, write_json
from evaluation.merge import export_table
from evaluation.run_directory import Method, RunDirectory, Score
from evaluation.trainings import Trainings, read_trainings, training_of, write_trainings
from reports.tables.pictures import evenly_spaced, image_size

FOLDER = Path(__file__).parent / "reference"
FORMAT = "semantic-image-synthesis reference 3"
PREVIEWS = 6  # layouts for which the image of every method is kept
QUALITY = 88
LIMIT = 10_000_000  # bytes in total, because it is committed
PATHS = ("data.path", "perceptual.path")  # specific to a machine
BUDGET = "training.images_seen"
OF_A_BUDGET = (BUDGET, "data.train", "overrides.", "objectives.")  # may be chosen anew for each budget


@dataclass(frozen=True)
class Reference:
    """A reference read from its folder. about: reference.json."""

    folder: Path
    about: dict[str, Any]
    methods: list[Method]
    scores: list[Score]  # of the first training
    trainings: Trainings

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def same_budget(self) -> Trainings:
        """The trainings at the budget of `scores`."""
        return self.trainings.at(self.about["settings"][BUDGET])

    def previews(self, method: str, budget: int | None = None) -> dict[str, Path]:
        """Layout -> file of the image synthesized at a budget, by default that of `scores`."""
        folder = self.folder / "previews" / str(budget or self.about["settings"][BUDGET]) / method
        return {file.stem: file for file in list_folder(folder, "*.jpg")}


def reference_names() -> list[str]:
    """Names of the references that ship with the suite."""
    return sorted(file.parent.name for file in list_folder(FOLDER, "*/reference.json"))


def load_reference(name: str | Path) -> Reference:
    """By the name of one that ships with the suite, or by its folder. Raises InputError if it does not exist."""
    folder = FOLDER / name if str(name) in reference_names() else Path(name)
    file = folder / "reference.json"
    if not file.exists():
        names = reference_names()
        known = nearest(str(name), names) if names else "none ships with the suite"
        raise InputError(f"{name}: no reference ({known}) and not a folder with reference.json")
    about = read_json(file)
    if about.get("format") != FORMAT:
        raise InputError(f"{file}: format {about.get('format')!r}, expected {FORMAT!r}")
    scores = [Score.read(file) for file in list_folder(folder, "scores/*/*.json")]
    return Reference(folder, about, [Method(**m) for m in read_json(folder / "methods.json").values()], scores,
                     read_trainings(folder / "trainings.json"))


def matching_reference(run: RunDirectory) -> Reference | None:
    """The reference shipped with the suite that has exactly the pictures of this run, or None."""
    if not run.layouts() or not (names := reference_names()):
        return None
    mine = pictures_key(run)
    found = (load_reference(name) for name in names if read_json(FOLDER / name / "reference.json")["pictures"] == mine)
    return next(found, None)


def pictures_key(run: RunDirectory) -> dict[str, Any]:
    """What two comparable runs have in common: number, size, and hashes of layouts and photographs.

    The hashes are of pixels, because files with the same pixels differ between versions of Pillow.
    """
    names, keys = run.layouts(), {"layouts": hashlib.sha256(), "photographs": hashlib.sha256()}
    for name in names:
        keys["layouts"].update(name.encode() + np.ascontiguousarray(run.layout(name)).tobytes())
        keys["photographs"].update(name.encode() + read_image(run.photo_file(name)).tobytes())
    return {"N": len(names), "size": list(image_size(run)), **{key: found.hexdigest() for key, found in keys.items()}}


def write_reference(runs: Sequence[RunDirectory], folder: Path) -> Path:
    """Write a reference from runs that differ only in their training seed and budget; replaces an existing one. Scores,
    figures and previews are the first run's.

    Raises InputError if the runs have no scores, their pictures or settings differ, or the reference would be larger
    than LIMIT.
    """
    keys = [pictures_key(run) for run in runs]
    if other := next((run for run, key in zip(runs, keys, strict=True) if key != keys[0]), None):
        raise InputError(f"{other.path}: other layouts or photographs than {runs[0].path}")
    settings = [_settings(run) for run in runs]
    _refuse_other_settings(runs, settings)
    trainings = Trainings([training_of(run) for run in runs])
    first, table = runs[0], export_table(runs[0])
    shutil.rmtree(folder, ignore_errors=True)
    for content in table["scores"]:
        write_json(folder / "scores" / content["metric"] / f"{content['method']}.json", content)
    for score in (score for metric in ("differences", "agreement") for score in first.scores(metric)):
        write_json(folder / "scores" / score.metric / f"{score.method}.json", score.to_json())
    write_trainings(trainings, folder / "trainings.json")
    write_json(folder / "methods.json", table["methods"])
    _copy(first.report / "tables", folder / "tables", "*")
    _copy(first.report / "figures", folder / "figures", "*.svg")
    for budget in trainings.budgets:
        run = next(run for run, own in zip(runs, settings, strict=True) if own[BUDGET] == budget)
        _previews(run, folder / "previews" / str(budget))
    config = first.config()
    write_json(folder / "reference.json", {
        "format": FORMAT, "pictures": keys[0], "preset": config.get("preset"), "settings": settings[0],
        "versions": config.get("versions", {}),
        "devices": sorted({score.provenance["scored on"] for training in trainings for score in training.scores
                           if "scored on" in score.provenance})})
    size = sum(file.stat().st_size for file in list_folder(folder, "**/*") if file.is_file())
    if size > LIMIT:
        raise InputError(f"{folder}: {size / 1e6:.1f} MB; the limit for a reference is {LIMIT / 1e6:.0f} MB")
    return folder


def _refuse_other_settings(runs: Sequence[RunDirectory], settings: Sequence[dict[str, Any]]) -> None:
    """Raises InputError where a setting differs within one budget, or one that is not OF_A_BUDGET between two."""
    for run, mine in zip(runs, settings, strict=True):
        same_budget = next(i for i, theirs in enumerate(settings) if theirs[BUDGET] == mine[BUDGET])
        for i, free in ((same_budget, ()), (0, OF_A_BUDGET)):
            if different := sorted(key for key in {**mine, **settings[i]} if not key.startswith(free)
                                   and mine.get(key) != settings[i].get(key)):
                raise InputError(f"{run.path}: {', '.join(different)} differs from {runs[i].path}; only the seed and "
                                 "the budget may differ")


def _settings(run: RunDirectory) -> dict[str, Any]:
    """The settings that affect a training, with dotted keys; without methods, seed and paths."""
    shaping = ("data", "perceptual", "training", "overrides", "generators", "objectives")
    config = {key: value for key, value in run.config()["config"].items() if key in shaping}
    return {key: value for key, value in flat(config).items() if key not in PATHS}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: leaf for name, child in value.items()
            for key, leaf in flat(child, f"{prefix}.{name}" if prefix else str(name)).items()}


def _copy(source: Path, target: Path, pattern: str) -> None:
    for file in list_folder(source, pattern):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / file.name)


def _previews(run: RunDirectory, folder: Path) -> None:
    for method in run.methods():
        for layout in evenly_spaced(run.layouts(), PREVIEWS):
            image = Image.fromarray(read_image(run.image_file(method.name, layout)))
            with atomic_path(folder / method.name / f"{layout}.jpg") as temporary:
                image.save(temporary, format="JPEG", quality=QUALITY)


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m reports.reference", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("runs", nargs="+", metavar="RUN", help="run directories, one for each training")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = usage.parse_args(argv)
    with one_line_errors("reports.reference"):
        print(write_reference([RunDirectory.open(run) for run in args.runs], args.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
