"""The table of feature extractors: a new one is one builder and one line here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.errors import InputError, nearest
from evaluation.networks import imagenet, transformers_models
from evaluation.networks.features import FEATURES, Extractor, weights_file
from evaluation.networks.resize import FILTERS
from presets.schema import ExtractorConfig


def judge_features(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """The judge's own features, at the images' size. Raises InputError when the judge gives none."""
    if judge is None or not hasattr(judge, "features"):
        raise InputError("extractor 'judge': this run's judge gives no features; choose another extractor in "
                         f"score.extractors (known: {', '.join(sorted(EXTRACTORS))})")

    def network(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {FEATURES: judge.features(images.to(torch.uint8))}

    module = judge if isinstance(judge, nn.Module) else None
    maps = getattr(judge, "maps", None)
    return Extractor(config.label or "judge", network, {"judge": judge.protocol}, device=device, module=module,
                     maps=None if maps is None else lambda images: maps(images.to(torch.uint8)),
                     judge=judge if hasattr(judge, "predict_with_features") else None)


EXTRACTORS: dict[str, Callable[[ExtractorConfig, Any, str], Extractor]] = {
    "judge": judge_features,
    "inception": imagenet.build_inception,
    "vgg16": imagenet.build_vgg16,
    "vgg19": imagenet.build_vgg19,
    "squeezenet": imagenet.build_squeezenet,
    "transformers": transformers_models.build_extractor,
}


# what each reads of its configuration, beside its label
OPTIONS = {
    "judge": (),
    "inception": ("path", "resize", "size", "sha256"),
    "vgg16": ("path", "resize", "size", "sha256"),
    "vgg19": ("path", "resize", "size", "sha256", "layer", "convention"),
    "squeezenet": ("path", "resize", "size", "sha256", "layer", "convention"),
    "transformers": ("path", "resize", "size", "sha256"),
}
WEIGHTS: dict[str, Callable[[ExtractorConfig], Path]] = {
    "inception": imagenet.inception_file,
    "vgg16": imagenet.vgg16_file,
    "vgg19": weights_file,
    "squeezenet": weights_file,
    "transformers": transformers_models.model_folder,
}


def check_extractor(config: ExtractorConfig) -> None:
    """Raises InputError for an unknown kind or resize filter, and for an option that the kind would not look at."""
    if config.kind not in EXTRACTORS:
        raise InputError(f"unknown feature extractor '{config.kind}': {nearest(config.kind, EXTRACTORS)}")
    if config.resize not in (None, *FILTERS):
        raise InputError(f"extractor {config.kind}: unknown resize filter '{config.resize}': "
                         f"{nearest(config.resize, FILTERS)}")
    known = ("kind", "label", *OPTIONS[config.kind])
    for key in sorted(config.model_fields_set):
        if key not in known and getattr(config, key) is not None:
            raise InputError(f"extractor {config.kind}: has no option '{key}': {nearest(key, known)}")


def check_weights(config: ExtractorConfig) -> None:
    """Raises InputError when the files of an extractor are not there."""
    if config.kind in WEIGHTS:
        WEIGHTS[config.kind](config)


def build_extractors(configs: Sequence[ExtractorConfig], judge: Any, device: str) -> list[Extractor]:
    """Extractors of a configuration. Raises InputError as check_extractor does, for missing weights, or a label used
    twice."""
    extractors = []
    for config in configs:
        check_extractor(config)
        extractors.append(EXTRACTORS[config.kind](config, judge, device))
    labels = [extractor.label for extractor in extractors]
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f"score.extractors: '{repeated[0]}' appears twice; give one of them another label")
    return extractors
