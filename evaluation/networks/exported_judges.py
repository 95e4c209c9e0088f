"""Exported networks (TorchScript, torch.export) as judges, each with a YAML that describes it."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, ValidationError
from torch import nn

from data.configuration import Section, first_problem
from data.errors import InputError, nearest
from data.files import read_yaml, sha256
from data.labels import LabelSpace
from evaluation.networks.mapped_judge import MappedJudge
from evaluation.networks.resize import FILTERS
from evaluation.networks.weight_tensors import program_tensors, script_tensors
from presets.schema import JudgeConfig

Above0 = Annotated[float, Field(gt=0)]
RESIZES = tuple(name for name in FILTERS if name != "none")  # a judge without `size` sees images as they are


class ExportedJudgeConfig(Section):
    """The YAML beside the network."""

    labels: dict[Annotated[int, Field(ge=0)], str] = Field(min_length=1)  # the network's class -> the run's class name
    network: str | None = None  # its name, as papers call it; None: the file's
    mean: list[float] = Field([0.0] * 3, min_length=3, max_length=3)  # of RGB divided by `scale`
    std: list[Above0] = Field([1.0] * 3, min_length=3, max_length=3)
    scale: Above0 = 255.0
    # height, width that the network sees; None: images are judged at their own size
    size: list[Annotated[int, Field(gt=0)]] | None = Field(None, min_length=2, max_length=2)
    resize: Literal[RESIZES] = "antialias-bilinear"


def exported_judge(config: JudgeConfig, labels: LabelSpace, device: str = "cpu") -> MappedJudge:
    """A TorchScript file, or a torch.export archive (.pt2), with a YAML beside it or at `description`. Raises
    InputError for a missing file, a description that is not valid, and classes that do not fit."""
    file, about = Path(config.path or ""), read_description(config)
    mapping = _mapping(about.labels, labels, _description_file(config))
    network, weight_tensors = _load_exported(file, device)
    return MappedJudge(network, mapping, about.network or file.name, sha256(file), about.mean, about.std, about.scale,
                       tuple(about.size) if about.size else None, about.resize, device, weight_tensors=weight_tensors,
                       batch=config.at_once)


def read_description(config: JudgeConfig) -> ExportedJudgeConfig:
    """The YAML that describes an exported network. Raises InputError when a file is missing or is not valid."""
    if config.path is None or not Path(config.path).is_file():
        raise InputError(f"judge.source torchscript needs judge.path, an exported network; got {config.path}")
    file = _description_file(config)
    try:
        return ExportedJudgeConfig.model_validate(read_yaml(file, "the YAML that describes the judge"))
    except ValidationError as error:
        raise InputError(f"{file}: {first_problem(error, ExportedJudgeConfig)}") from None


def _description_file(config: JudgeConfig) -> Path:
    return Path(config.description) if config.description else Path(config.path).with_suffix(".yaml")


def _mapping(given: Mapping[int, str], labels: LabelSpace, file: Path) -> dict[int, int]:
    classes = labels.names[:-1]
    if unknown := [name for name in given.values() if name not in classes]:
        raise InputError(f"{file}: labels: unknown class '{unknown[0]}': {nearest(unknown[0], classes)}")
    if missing := [name for name in classes if name not in given.values()]:
        raise InputError(f"{file}: labels: no class of the network for {', '.join(missing)}")
    return {number: classes.index(name) for number, name in given.items()}


def _load_exported(file: Path, device: str) -> tuple[Callable[[torch.Tensor], torch.Tensor],
                                                     Callable[[], Iterable[torch.Tensor]]]:
    """The network, giving logits (also from a dict like torchvision's, {"out": logits}), and its weights."""
    try:
        if file.suffix == ".pt2":
            program = torch.export.load(file)
            network: nn.Module = program.module().to(device)
            weight_tensors = partial(program_tensors, program)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # deprecated, but the files people have are TorchScript
                network = torch.jit.load(file, map_location=device).eval()
            weight_tensors = partial(script_tensors, network)
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
    return logits, weight_tensors
