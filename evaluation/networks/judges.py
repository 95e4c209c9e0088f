"""The judges that a preset can choose (`judge.source`), and exported networks (TorchScript, torch.export) as judges."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.errors import InputError, nearest
from data.files import read_yaml, sha256
from data.labels import LabelSpace
from evaluation.networks.held_weights import program_tensors, script_tensors
from evaluation.networks.huggingface_judges import huggingface_judge, is_universal, model_folder
from evaluation.networks.judge import TrainedJudge
from evaluation.networks.mapped_judge import MappedJudge
from evaluation.networks.resize import FILTERS
from evaluation.networks.transformers_models import preprocessing, require_transformers
from presets.schema import JudgeConfig

KEYS = ("network", "mean", "std", "scale", "size", "resize", "labels")
RESIZES = [name for name in FILTERS if name != "none"]  # a judge without `size` sees images as they are
# value of judge.source -> what it is, and which options of the section only judges from outside have it reads
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "auto": ("the one that ships with the dataset, or one trained by the run", ()),
    "fixed": ("the one that ships with the dataset", ()),
    "trained": ("a residual U-Net that the run trains on the real train split", ()),
    "huggingface": ("a model for semantic or universal segmentation, in a folder or the local cache",
                    ("path", "description", "size", "match", "at_once")),
    "torchscript": ("an exported network (TorchScript, torch.export) with a YAML beside it",
                    ("path", "description", "at_once")),
    "none": ("no judge: segmentation scores and distances on its features are left out", ()),
}
OUTSIDE = ("path", "description", "size", "match", "at_once")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(values: Any, length: int) -> bool:
    return isinstance(values, list) and len(values) == length and all(_is_number(value) for value in values)


VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "network": ("a name", lambda given: isinstance(given, str)),
    "mean": ("3 numbers", lambda given: _are_numbers(given, 3)),
    "std": ("3 numbers above 0", lambda given: _are_numbers(given, 3) and min(given) > 0),
    "scale": ("a number above 0", lambda given: _is_number(given) and given > 0),
    "size": ("2 whole numbers above 0, height and width",
             lambda given: _are_numbers(given, 2) and all(isinstance(edge, int) and edge > 0 for edge in given)),
    "resize": (f"one of {', '.join(RESIZES)}", lambda given: given in RESIZES),
}


def check_judge(config: JudgeConfig) -> None:
    """Raises InputError for an option that judges of this source do not read."""
    for key in OUTSIDE:
        if getattr(config, key) is not None and key not in SOURCES[config.source][1]:
            takes = [source for source, (_, options) in SOURCES.items() if key in options]
            raise InputError(f"judge.{key} needs judge.source={'|'.join(takes)}; it is {config.source}")


def check_judge_files(config: JudgeConfig) -> None:
    """Raises InputError when a file of the judge is missing, or describes nothing that could be loaded."""
    if config.source == "huggingface":
        transformers = require_transformers("judge.source huggingface")
        folder = model_folder(config.path)
        preprocessing(folder, config.size, pads=is_universal(transformers, folder))
    if config.source == "torchscript":
        _description(_description_file(config))
    if config.description is not None:
        read_yaml(Path(config.description), "what describes the judge")


def build_judge(config: JudgeConfig, labels: LabelSpace, device: str = "cpu",
                own: Callable[[], TrainedJudge] | None = None) -> TrainedJudge | MappedJudge | None:
    """The judge that a preset chooses; None for source `none`. own: gives the one that ships with the dataset or
    that the run trains. Raises InputError for missing files and labels that do not fit."""
    check_judge(config)
    if config.source == "huggingface":
        return huggingface_judge(config, labels, device)
    if config.source == "torchscript":
        return exported_judge(config, labels, device)
    return own() if config.is_own else None


def exported_judge(config: JudgeConfig, labels: LabelSpace, device: str = "cpu") -> MappedJudge:
    """A TorchScript file, or a torch.export archive (.pt2), with a YAML beside it or at `description`:

        mean: [0.485, 0.456, 0.406]   std: [0.229, 0.224, 0.225]   scale: 255
        size: [512, 1024]             # height, width; leave out to judge images at their own size
        resize: antialias-bilinear    # a filter of evaluation.networks.resize
        network: DRN-D-105            # its name, as papers call it
        labels: {0: road, 1: building, 13: car}   # the network's class -> the run's class name
    """
    description = _description_file(config)
    values, file = _description(description), Path(config.path)
    mapping = _mapping(values["labels"], labels, description)
    network, held = _load_exported(file, device)
    size = tuple(values["size"]) if values.get("size") else None
    name = values.get("network", file.name)
    return MappedJudge(network, mapping, name, sha256(file), values.get("mean", (0.0, 0.0, 0.0)),
                       values.get("std", (1.0, 1.0, 1.0)), float(values.get("scale", 255)), size,
                       values.get("resize", "antialias-bilinear"), device, held=held, batch=config.at_once)


def _description_file(config: JudgeConfig) -> Path:
    if config.path is None or not Path(config.path).is_file():
        raise InputError(f"judge.source torchscript needs judge.path, an exported network; got {config.path}")
    return Path(config.description) if config.description else Path(config.path).with_suffix(".yaml")


def _description(file: Path) -> dict[str, Any]:
    values = read_yaml(file, "the YAML that describes the judge")
    for key in values:
        if key not in KEYS:
            raise InputError(f"{file}: unknown key '{key}': {nearest(str(key), KEYS)}")
    if not isinstance(values.get("labels"), dict) or not values["labels"]:
        raise InputError(f"{file}: `labels` is missing: a mapping of the network's class numbers to class names")
    for key, (what, fits) in VALUES.items():
        if (given := values.get(key)) is not None and not fits(given):
            raise InputError(f"{file}: `{key}` must be {what}, got {given!r}")
    return values


def _mapping(given: Mapping[Any, Any], labels: LabelSpace, file: Path) -> dict[int, int]:
    mapping = {}
    for number, name in given.items():
        if not isinstance(number, int) or number < 0:
            raise InputError(f"{file}: labels: '{number}' is no class number of the network")
        if name not in labels.names[:-1]:
            raise InputError(f"{file}: labels: {nearest(str(name), labels.names[:-1])}; got '{name}'")
        mapping[number] = labels.names.index(name)
    if missing := [name for i, name in enumerate(labels.names[:-1]) if i not in mapping.values()]:
        raise InputError(f"{file}: labels: no class of the network for {', '.join(missing)}")
    return mapping


def _load_exported(file: Path, device: str) -> tuple[Callable[[torch.Tensor], torch.Tensor],
                                                     Callable[[], Iterable[torch.Tensor]]]:
    """The network, giving logits (a dict answer like torchvision's, {"out": logits}, is opened), and its weights."""
    try:
        if file.suffix == ".pt2":
            program = torch.export.load(file)
            network: nn.Module = program.module().to(device)
            held = partial(program_tensors, program)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # deprecated, but the files people have are TorchScript
                network = torch.jit.load(file, map_location=device).eval()
            held = partial(script_tensors, network)
    except Exception as error:  # the loaders raise many kinds
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{file}: neither TorchScript nor a torch.export archive ({reason})") from None

    def logits(x: torch.Tensor) -> torch.Tensor:
        try:
            answer = network(x)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError) as error:  # what was fixed at export fails in many ways
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{file}: cannot take images of shape {list(x.shape)} ({reason}); export with a dynamic "
                             "batch dimension, and height and width that are dynamic or `size`") from None
        return answer["out"] if isinstance(answer, dict) else answer
    return logits, held
