"""The table of feature extractors. A new one is a builder, an entry in EXTRACTORS and a line in the preset's
EXTRACTOR_KINDS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data.errors import InputError, nearest
from evaluation.networks import imagenet, transformers_models
from evaluation.networks.features import FEATURES, Extractor, weights_file
from evaluation.networks.resize import FILTERS
from presets.schema import ExtractorConfig


@dataclass(frozen=True)
class ExtractorKind:
    """build: configuration, the run's judge, device -> extractor. options: what it reads of its configuration, beside
    the label. file: its weights; raises InputError where they are missing."""

    build: Callable[[ExtractorConfig, Any, str], Extractor]
    options: Sequence[str] = ("path", "resize", "size", "sha256")
    file: Callable[[ExtractorConfig], Path] | None = None


def judge_features(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
    """The judge's own features, at the images' size. Raises InputError when the judge gives none."""
    if judge is None or not hasattr(judge, "features"):
        raise InputError("extractor 'judge': this run's judge gives no features; choose another extractor in "
                         f"score.extractors (known: {', '.join(sorted(EXTRACTORS))})")

    def network(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {FEATURES: judge.features(images.to(torch.uint8))}

    module = judge if isinstance(judge, nn.Module) else None
    maps = getattr(judge, "maps", None)
    return Extractor(config.label or "judge", network, {"judge": judge.provenance}, device=device, module=module,
                     maps=None if maps is None else lambda images: maps(images.to(torch.uint8)),
                     judge=judge if hasattr(judge, "predict_with_features") else None)


OF_LAYERS = ("path", "resize", "size", "sha256", "layer", "convention")
EXTRACTORS: dict[str, ExtractorKind] = {
    "judge": ExtractorKind(judge_features, ()),
    "inception": ExtractorKind(imagenet.build_inception, file=imagenet.inception_file),
    "vgg16": ExtractorKind(imagenet.build_vgg16, file=imagenet.vgg16_file),
    "vgg19": ExtractorKind(imagenet.build_vgg19, OF_LAYERS, weights_file),
    "squeezenet": ExtractorKind(imagenet.build_squeezenet, OF_LAYERS, weights_file),
    "transformers": ExtractorKind(transformers_models.build_extractor, file=transformers_models.extractor_folder),
}


def check_extractor(config: ExtractorConfig) -> None:
    """Raises InputError for an unknown kind or resize filter, and for an option that the kind does not read."""
    if config.kind not in EXTRACTORS:
        raise InputError(f"unknown feature extractor '{config.kind}': {nearest(config.kind, EXTRACTORS)}")
    if config.resize not in (None, *FILTERS):
        raise InputError(f"extractor {config.kind}: unknown resize filter '{config.resize}': "
                         f"{nearest(config.resize, FILTERS)}")
    known = ("kind", "label", *EXTRACTORS[config.kind].options)
    for key in sorted(config.model_fields_set):
        if key not in known and getattr(config, key) is not None:
            raise InputError(f"extractor {config.kind}: has no option '{key}': {nearest(key, known)}")


def check_weights(config: ExtractorConfig) -> None:
    """Raises InputError when the files of an extractor are missing."""
    if find := EXTRACTORS[config.kind].file:
        find(config)


def build_extractors(configs: Sequence[ExtractorConfig], judge: Any, device: str) -> list[Extractor]:
    """Extractors of a configuration. Raises InputError as check_extractor does, for missing weights, and for a label
    that two of them have."""
    for config in configs:
        check_extractor(config)
    extractors = [EXTRACTORS[config.kind].build(config, judge, device) for config in configs]
    labels = [extractor.label for extractor in extractors]
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f"score.extractors: '{repeated[0]}' appears twice; give one of them another label")
    return extractors
