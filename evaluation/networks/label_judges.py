"""Judges from outside: a Hugging Face segmentation model, or an exported network (TorchScript, torch.export).

Each has `protocol` and `predict` like the suite's own judge. Their classes are mapped to the run's by name; classes of
the model that mean nothing here are left out before the argmax, so a judge never answers void.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

from data.errors import InputError, nearest
from data.files import read_yaml, sha256
from data.labels import LabelSpace
from evaluation.networks.held_weights import module_tensors, program_tensors, safetensors_tensors, script_tensors
from evaluation.networks.resize import FILTERS, resize
from evaluation.networks.transformers_models import load_pretrained, model_hash, preprocessing, require_transformers
from presets.schema import LabelJudgeConfig

KEYS = ("mean", "std", "scale", "size", "resize", "labels")
RESIZES = [name for name in FILTERS if name != "none"]  # a judge without `size` sees images as they are
OPTIONS = {"trained": (), "huggingface": ("path", "description", "size"), "torchscript": ("path", "description"),
           "none": ()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(values: Any, length: int) -> bool:
    return isinstance(values, list) and len(values) == length and all(_is_number(value) for value in values)


VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "mean": ("3 numbers", lambda given: _are_numbers(given, 3)),
    "std": ("3 numbers above 0", lambda given: _are_numbers(given, 3) and min(given) > 0),
    "scale": ("a number above 0", lambda given: _is_number(given) and given > 0),
    "size": ("2 whole numbers above 0, height and width",
             lambda given: _are_numbers(given, 2) and all(isinstance(edge, int) and edge > 0 for edge in given)),
    "resize": (f"one of {', '.join(RESIZES)}", lambda given: given in RESIZES),
}


class MappedJudge:
    """A network with its preprocessing and its classes mapped to the run's.

    network: float32 [N, 3, h, w] -> logits [N, M, h', w']. mapping: class of the network -> class index of the run.
    mean, std: of RGB divided by `scale`. size: (height, width) the network sees; None: as the images are.
    held: gives the weight tensors of the network and of its file, for the check of leaks.
    """

    def __init__(self, network: Callable[[torch.Tensor], torch.Tensor], mapping: Mapping[int, int], name: str,
                 digest: str, mean: Sequence[float], std: Sequence[float], scale: float = 255.0,
                 size: tuple[int, int] | None = None, filter_name: str = "antialias-bilinear", device: str = "cpu",
                 *, held: Callable[[], Iterable[torch.Tensor]]):
        self.network, self.device, self.size, self.held = network, device, size, held
        self.mean, self.std, self.scale = mean, std, scale
        self.resize = filter_name if size else "none"
        self.columns = torch.tensor(sorted(mapping), device=device)
        self.classes = torch.tensor([mapping[i] for i in sorted(mapping)], dtype=torch.uint8, device=device)
        self.protocol = {"name": name, "sha256": digest, "input size": list(size) if size else "as the images",
                         "resize": self.resize, "mean": list(mean), "std": list(std), "scale": scale,
                         "logits": "bilinear to the size of the layout, then argmax",
                         "label mapping": {str(i): int(mapping[i]) for i in sorted(mapping)}}

    @torch.inference_mode()
    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [N, 3, H, W] -> uint8 [N, H, W] class indices of the run."""
        x = resize(images.to(self.device), self.resize, self.size) / self.scale
        x = (x - x.new_tensor(self.mean).view(1, 3, 1, 1)) / x.new_tensor(self.std).view(1, 3, 1, 1)
        logits = self.network(x)
        if logits.ndim != 4 or logits.shape[1] <= int(self.columns.max()):
            raise InputError(f"judge {self.protocol['name']}: gave {list(logits.shape)}, expected logits [N, classes, "
                             f"h, w] with more than {int(self.columns.max())} classes")
        full = functional.interpolate(logits[:, self.columns].float(), images.shape[-2:], mode="bilinear",
                                      align_corners=False)
        return self.classes[full.argmax(dim=1)].cpu()


def check_judge(config: LabelJudgeConfig) -> None:
    """Raises InputError for an option that the kind would not look at."""
    for key in sorted(config.model_fields_set - {"kind", *OPTIONS[config.kind]}):
        if getattr(config, key) is not None:
            raise InputError(f"score.judge {config.kind}: has no option '{key}'")


def check_judge_files(config: LabelJudgeConfig) -> None:
    """Raises InputError when a file of the judge is missing, or describes nothing that could be loaded."""
    if config.kind == "huggingface":
        require_transformers("score.judge huggingface")
        preprocessing(_model_folder(config.path), config.size)
    if config.kind == "torchscript":
        _description(_description_file(config))
    if config.description is not None:
        read_yaml(Path(config.description), "what describes the judge")


def build_judge(config: LabelJudgeConfig, labels: LabelSpace, device: str = "cpu") -> MappedJudge:
    """A judge from outside. Raises InputError for kind `trained` (the run's own judge), missing files, labels that do
    not fit."""
    check_judge(config)
    if config.kind == "huggingface":
        return huggingface_judge(config, labels, device)
    if config.kind == "torchscript":
        return exported_judge(config, labels, device)
    raise InputError("score.judge: kind 'trained' is the judge that the run trains itself, there is nothing to load")


def huggingface_judge(config: LabelJudgeConfig, labels: LabelSpace, device: str = "cpu") -> MappedJudge:
    """Any model of AutoModelForSemanticSegmentation in a local folder (or, by name, in Hugging Face's local cache).

    Its classes are matched with the run's by name; `description` may be a YAML of {model class name: run class name}.
    """
    transformers = require_transformers("score.judge huggingface")
    folder = _model_folder(config.path)
    model = load_pretrained(transformers.AutoModelForSemanticSegmentation, folder).to(device)
    names = {int(i): name for i, name in model.config.id2label.items()}
    renamed = read_yaml(Path(config.description), "names of the classes") if config.description else {}
    mapping = map_names(names, labels, renamed, str(folder))
    mean, std, size = astuple(preprocessing(folder, config.size))
    return MappedJudge(lambda x: model(pixel_values=x).logits, mapping, model.config.model_type, model_hash(folder),
                       mean, std, 255.0, size, device=device,
                       held=lambda: [*module_tensors(model), *safetensors_tensors(folder)])


def _model_folder(path: str | None) -> Path:
    if path is None:
        raise InputError("score.judge: huggingface needs `path`, the folder or the name of a model")
    if Path(path).is_dir():
        return Path(path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    try:
        return Path(snapshot_download(path, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        raise InputError(f"score.judge: {path} is neither a folder nor a model in Hugging Face's local cache; fetch it "
                         f"first (hf download {path}), nothing is downloaded here") from None


def map_names(names: Mapping[int, str], labels: LabelSpace, renamed: Mapping[str, str], where: str) -> dict[int, int]:
    """Class of the model -> class index of the run, by name (case, spaces, - and _ do not matter).

    Raises InputError for a renaming to an unknown class, and when a class of the run has no counterpart at all in a
    model that shares no name.
    """
    index = {_plain(name): i for i, name in enumerate(labels.names) if i != labels.void}
    for target in renamed.values():
        if _plain(str(target)) not in index:
            raise InputError(f"{where}: '{target}' is no class of this run: {nearest(str(target), labels.names[:-1])}")
    renames = {_plain(str(old)): _plain(str(new)) for old, new in renamed.items()}
    mapping = {}
    for i, name in names.items():
        plain = _plain(name)
        if (found := index.get(renames.get(plain, plain))) is not None:
            mapping[i] = found
    if missing := [labels.names[i] for i in index.values() if i not in mapping.values()]:
        raise InputError(f"{where}: no class for {', '.join(missing)}; the model knows {', '.join(names.values())}; "
                         "name counterparts in score.judge.description")
    return mapping


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def exported_judge(config: LabelJudgeConfig, labels: LabelSpace, device: str = "cpu") -> MappedJudge:
    """A TorchScript file, or a torch.export archive (.pt2), with a YAML beside it or at `description`:

        mean: [0.485, 0.456, 0.406]   std: [0.229, 0.224, 0.225]   scale: 255
        size: [512, 1024]             # height, width; leave out to judge images at their own size
        resize: antialias-bilinear    # a filter of evaluation.networks.resize
        labels: {0: road, 1: building, 13: car}   # the network's class -> the run's class name
    """
    description = _description_file(config)
    values, file = _description(description), Path(config.path)
    mapping = _mapping(values["labels"], labels, description)
    network, held = _load_exported(file, device)
    size = tuple(values["size"]) if values.get("size") else None
    return MappedJudge(network, mapping, file.name, sha256(file), values.get("mean", (0.0, 0.0, 0.0)),
                       values.get("std", (1.0, 1.0, 1.0)), float(values.get("scale", 255)), size,
                       values.get("resize", "antialias-bilinear"), device, held=held)


def _description_file(config: LabelJudgeConfig) -> Path:
    if config.path is None or not Path(config.path).is_file():
        raise InputError(f"score.judge: torchscript needs `path`, an exported network; got {config.path}")
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
