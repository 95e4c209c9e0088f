"""The validation pairs of a run as plain files, so that every later stage, and any other program, can read them."""

import numpy as np

from data import rendered
from data.check.balance import SplitBalance, check_balance
from data.errors import InputError
from data.files import atomic_path, fingerprint, write_json, write_png
from data.made import is_made, read_record, report_changes, write_record
from data.pairs import PairDataset, pairs_key
from data.views import Cached
from evaluation.cache.images import pixel_hash
from evaluation.leaks import THUMBNAIL, thumbnail
from evaluation.run_directory import RunDirectory
from presets.schema import DataConfig


def dataset_key(config: DataConfig) -> str:
    return fingerprint(config.model_dump(exclude={"path"}))


def _pairs(train: PairDataset, val: PairDataset) -> str:
    return fingerprint(pairs_key(train), pairs_key(val))


def is_written(run: RunDirectory, config: DataConfig, train: PairDataset, val: PairDataset) -> bool:
    """Whether the run has its validation pairs as files, none of them lost or changed. Raises InputError when they are
    those of other data."""
    record = read_record(run.dataset_marker)
    if record is None or record.inputs != dataset_key(config):
        return False
    if record.facts.get("pairs") != _pairs(train, val):
        raise InputError(f"{run.dataset}: made of other pairs than {config.path or config.dataset} has; give another "
                         "--out, or the data that this run was begun with")
    names = [val.name(index) for index in range(len(val))]
    files = [file for name in names for file in (run.photo_file(name), run.dataset / "layouts" / f"{name}.png")]
    return is_made(run.dataset_marker, record.inputs, files)


def _write_training_photographs(run: RunDirectory, train: PairDataset) -> SplitBalance:
    """Hashes and thumbnails, by which the photographs are recognised, also when they were changed a little."""
    hashes, thumbnails = [], np.empty((len(train), *THUMBNAIL), np.uint8)
    balance = SplitBalance(train.labels)
    for i in range(len(train)):
        pair = train[i]
        balance.add(pair)
        hashes.append(pixel_hash(pair.photo))
        thumbnails[i] = thumbnail(pair.photo)
    with atomic_path(run.train_thumbnails) as temporary, open(temporary, "wb") as file:
        np.save(file, thumbnails)
    write_json(run.train_file, {"photo_sha256": hashes})
    return balance


def write_dataset(run: RunDirectory, config: DataConfig, train: PairDataset, val: PairDataset) -> list[str]:
    """Photos, layouts, and where known instances and modes of the validation pairs; hashes and thumbnails of
    the training photos.

    Returns doubts about the layouts, one line each. Raises InputError where a split is void or one class as a whole.
    """
    report_changes(run.dataset_marker)
    for split in (val, train):
        if isinstance(split, Cached):
            split.fill()
    write_json(run.dataset / "labels.json", val.labels.to_json())
    files = [run.dataset / "labels.json", run.train_file, run.train_thumbnails]
    modes, balance = {}, SplitBalance(val.labels)
    for index in range(len(val)):
        pair = val[index]
        pictures = {"photos": pair.photo.transpose(1, 2, 0).copy(), "layouts": pair.layout}
        if pair.instances is not None:
            pictures["instances"] = pair.instances
        for part, pixels in pictures.items():
            write_png(run.dataset / part / f"{pair.name}.png", pixels)
            files.append(run.dataset / part / f"{pair.name}.png")
        balance.add(pair)
        if pair.modes:
            modes[pair.name] = pair.modes
    if modes:
        write_json(run.dataset / "modes.json", modes)
        files.append(run.dataset / "modes.json")
    doubts = check_balance(balance, "val") + check_balance(_write_training_photographs(run, train), "train")
    renderer = rendered(config.dataset)
    write_record(run.dataset_marker, dataset_key(config), files, pairs=_pairs(train, val), val=len(val),
                 train=len(train), version=renderer.version if renderer else None)
    return doubts
