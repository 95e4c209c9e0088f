"""Reference results: results of the suite, small enough to commit, with which other runs are compared.

    python -m reports.reference RUN [RUN ...] --out reports/reference/NAME

The runs are of one preset with one training seed each. NAME gets reference.json (pictures, settings, versions),
methods.json, scores/ of the first run, seeds/ (every run's scores as evaluation.merge exports them), seeds.json (mean
and spread, from two runs on), tables/ and figures/ of the first run's report, cost.json, and previews/: synthesized
images as small JPEG, never a photograph or a layout.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.errors import InputError, nearest, one_line_errors
from data.files import atomic_path, list_folder, read_image, read_json, write_json, write_text
from evaluation.merge import export_table, summarise_seeds
from evaluation.run_directory import Method, RunDirectory, Score
from reports.tables.pictures import evenly_spaced, image_size

FOLDER = Path(__file__).parent / "reference"
FORMAT = "semantic-image-synthesis reference 2"
PREVIEWS = 6  # layouts for which the image of every method is kept
QUALITY = 88
LIMIT = 10_000_000  # bytes in total, because it is committed
PATHS = ("data.path", "perceptual.path")  # specific to a machine


@dataclass(frozen=True)
class Reference:
    """A reference read from its folder. about: reference.json. seeds: see evaluation.merge.summarise_seeds."""

    folder: Path
    about: dict[str, Any]
    methods: list[Method]
    scores: list[Score]  # of the first seed
    tables: list[dict[str, Any]]  # of every seed
    seeds: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.folder.name

    def previews(self, method: str) -> dict[str, Path]:
        """Layout -> file of the synthesized image."""
        return {file.stem: file for file in list_folder(self.folder / "previews" / method, "*.jpg")}


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
    seeds = folder / "seeds.json"
    scores = [Score.read(file) for file in list_folder(folder, "scores/*/*.json")]
    return Reference(folder, about, [Method(**m) for m in read_json(folder / "methods.json").values()], scores,
                     [read_json(file) for file in list_folder(folder, "seeds/*.json")],
                     read_json(seeds) if seeds.exists() else [])


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
    """Write a reference from runs that differ only in their training seed; replaces an existing one.

    Raises InputError if the runs have no scores, their pictures or settings differ, or the reference would be larger
    than LIMIT.
    """
    keys, configs = [pictures_key(run) for run in runs], [_settings(run) for run in runs]
    for run, key, config in zip(runs, keys, configs, strict=True):
        if key != keys[0]:
            raise InputError(f"{run.path}: other layouts or photographs than {runs[0].path}")
        if different := sorted(k for k in {**config, **configs[0]} if config.get(k) != configs[0].get(k)):
            raise InputError(f"{run.path}: {', '.join(different)} differs from {runs[0].path}; only the seed "
                             "may differ")
    tables = [export_table(run) for run in runs]
    shutil.rmtree(folder, ignore_errors=True)
    first = runs[0]
    for content in tables[0]["scores"]:
        write_json(folder / "scores" / content["metric"] / f"{content['method']}.json", content)
    for score in (score for metric in ("differences", "agreement") for score in first.scores(metric)):
        write_json(folder / "scores" / score.metric / f"{score.method}.json", score.to_json())
    seeds = [_seed(run) for run in runs]
    for seed, table in zip(seeds, tables, strict=True):
        line = json.dumps(table, separators=(",", ":"), ensure_ascii=False)  # line breaks would double the size
        write_text(folder / "seeds" / f"{seed}.json", line + "\n")
    if len(tables) > 1:
        write_json(folder / "seeds.json", summarise_seeds(tables))
    write_json(folder / "methods.json", tables[0]["methods"])
    write_json(folder / "cost.json", _cost(runs))
    _copy(first.report / "tables", folder / "tables", "*")
    _copy(first.report / "figures", folder / "figures", "*.svg")
    _previews(first, folder / "previews")
    config = first.config()
    write_json(folder / "reference.json", {
        "format": FORMAT, "pictures": keys[0], "preset": config.get("preset"), "seeds": seeds,
        "settings": configs[0], "versions": config.get("versions", {}),
        "devices": sorted({score["provenance"]["scored on"] for table in tables for score in table["scores"]
                           if "scored on" in score["provenance"]})})
    size = sum(file.stat().st_size for file in list_folder(folder, "**/*") if file.is_file())
    if size > LIMIT:
        raise InputError(f"{folder}: {size / 1e6:.1f} MB; the limit for a reference is {LIMIT / 1e6:.0f} MB")
    return folder


def _seed(run: RunDirectory) -> int:
    return run.config()["config"]["seed"]


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


def _cost(runs: Sequence[RunDirectory]) -> dict[str, Any]:
    """Per method: size, images seen, and seconds of training for each seed."""
    found: dict[str, Any] = {}
    for run in runs:
        for method in run.methods():
            row = found.setdefault(method.name, {"parameters": method.parameters, "images seen": method.images_seen,
                                                 "training seconds": {}})
            row["training seconds"][str(_seed(run))] = method.training_seconds
    return found


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
    usage.add_argument("runs", nargs="+", metavar="RUN", help="run directories, one for each training seed")
    usage.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = usage.parse_args(argv)
    with one_line_errors("reports.reference"):
        print(write_reference([RunDirectory.open(run) for run in args.runs], args.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
