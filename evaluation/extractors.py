"""The table of feature extractors: a new one is one builder and one line here."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from data.errors import InputError, nearest
from evaluation import imagenet, transformers_models
from evaluation.features import FEATURES, Extractor
from presets.schema import ExtractorConfig


def build_judge(config: ExtractorConfig, judge: Any, device: str) -> Extractor:
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
    "judge": build_judge,
    "inception": imagenet.build_inception,
    "vgg16": imagenet.build_vgg16,
    "vgg19": imagenet.build_vgg19,
    "squeezenet": imagenet.build_squeezenet,
    "transformers": transformers_models.build_extractor,
}


def build_extractors(configs: Sequence[ExtractorConfig], judge: Any, device: str) -> list[Extractor]:
    """Extractors of a configuration. Raises InputError for an unknown kind, missing weights, or a label used twice."""
    extractors = []
    for config in configs:
        if config.kind not in EXTRACTORS:
            raise InputError(f"unknown feature extractor '{config.kind}': {nearest(config.kind, EXTRACTORS)}")
        extractors.append(EXTRACTORS[config.kind](config, judge, device))
    labels = [extractor.label for extractor in extractors]
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f"score.extractors: '{repeated[0]}' appears twice; give one of them another label")
    return extractors
