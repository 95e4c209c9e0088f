"""The judges that a preset can choose with `judge.source`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from data.errors import InputError
from data.files import read_yaml
from data.labels import LabelSpace
from evaluation.networks.exported_judges import exported_judge, read_description
from evaluation.networks.huggingface_judges import huggingface_judge, is_universal
from evaluation.networks.judge import TrainedJudge
from evaluation.networks.mapped_judge import MappedJudge
from evaluation.networks.transformers_models import model_folder, preprocessing, require_transformers
from presets.schema import JudgeConfig

OUTSIDE = ("path", "description", "size", "match", "at_once")  # options that only judges from outside read
OPTIONS = {"huggingface": OUTSIDE, "torchscript": ("path", "description", "at_once")}


class LabelJudge(Protocol):
    """A network that labels images. `features` (float [N, D]) exists where its features serve a distance, and
    `predict_with_features` (both results) where one pass can give both."""

    provenance: dict[str, Any]  # name, sha256 of its weights, input size, resize, ...

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 [N, 3, H, W] -> uint8 [N, H, W] class indices, never void."""
        ...


def check_judge(config: JudgeConfig) -> None:
    """Raises InputError for an option that judges of this source do not read."""
    for key in OUTSIDE:
        if getattr(config, key) is not None and key not in OPTIONS.get(config.source, ()):
            takes = [source for source, options in OPTIONS.items() if key in options]
            raise InputError(f"judge.{key} needs judge.source={'|'.join(takes)}; it is {config.source}")


def check_judge_files(config: JudgeConfig) -> None:
    """Raises InputError when a file of the judge is missing or does not fit."""
    if config.source == "huggingface":
        transformers = require_transformers("judge.source huggingface")
        folder = model_folder(config.path, "judge.path")
        preprocessing(folder, config.size, pads=is_universal(transformers, folder))
        if config.description is not None:
            read_yaml(Path(config.description), "names of the classes")
    if config.source == "torchscript":
        read_description(config)


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
