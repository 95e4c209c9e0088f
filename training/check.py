"""Checks before training: every method of a preset is built on shapes alone, and refused if it cannot be trained."""

from collections.abc import Sequence

import torch
from torch import nn

from baselines.methods import MethodSpec, build_method, needed_networks
from models.objectives import plan_calibration
from models.perceptual import PerceptualNet
from models.segmentation import DilatedNet
from models.vgg_files import convention_of
from presets.schema import Preset
from training.harness import steps_of
from training.start import freeze_all_but_last, read_source, source_file


def random_networks(preset: Preset, spec: MethodSpec, classes: int) -> dict[str, nn.Module]:
    """Random networks in place of those in a method's loss, when only their shapes and conventions matter."""
    config = preset.perceptual
    width = config.width if config.source in ("auto", "fixed", "trained") else 1.0
    convention = convention_of(config.source, config.convention)
    make = {"perceptual": lambda: PerceptualNet.at_width(width, convention, network=config.network).freeze(),
            "segmenter": lambda: DilatedNet(classes, preset.segmenter.width).requires_grad_(False)}
    return {role: make[role]() for role in needed_networks(spec)}


def check_methods(preset: Preset, methods: Sequence[MethodSpec], classes: int = 2) -> None:
    """Raises InputError if the preset's size, options, budget or start weights do not suit one of its methods.

    Needs no memory and reads no data; the number of classes does not matter.
    """
    training = preset.training
    for spec in methods:
        with torch.device("meta"):
            networks = random_networks(preset, spec, classes)
            method = build_method(spec, classes, tuple(preset.data.size), **networks)
        plan_calibration(method.objective, steps_of(training), f"objectives.{spec.objective}")
        freeze_all_but_last(method.generator, training.trainable, spec.title)
        if training.start_from:
            read_source(source_file(training.start_from, spec.name))
