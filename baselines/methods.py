"""The table of all methods: a generator, an objective, and their options, under one name.

A new baseline is one file with its network or objective and one line in a table below.
"""

import inspect
import typing
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import nn

from baselines.content_gan import ContentGAN
from baselines.encoder_decoder import UNet
from baselines.full_resolution import FullResolution
from baselines.gan_segmentation import DCGANGenerator, GANSegmentation
from baselines.image_space import ImageSpace
from baselines.named import METHODS
from baselines.pix2pix import GANL1, Pix2PixGenerator
from baselines.recombinator import Recombinator
from data.errors import InputError, nearest
from models.crn import CRN
from models.objectives import Content, Diversity, Objective, Trainable
from presets.schema import Preset

GENERATORS: dict[str, type[nn.Module]] = {
    "crn": CRN,
    "unet": UNet,
    "recombinator": Recombinator,
    "full_resolution": FullResolution,
    "pix2pix": Pix2PixGenerator,
    "dcgan": DCGANGenerator,
}

OBJECTIVES: dict[str, type[Objective]] = {
    "content": Content,
    "diversity": Diversity,
    "image_space": ImageSpace,
    "gan": GANL1,
    "gan_segmentation": GANSegmentation,
    "content_gan": ContentGAN,
}


@dataclass(frozen=True)
class MethodSpec:
    """What a checkpoint stores so that its generator can be built again, with no flags to remember."""

    name: str
    title: str
    generator: str
    objective: str
    generator_options: dict[str, Any] = field(default_factory=dict)
    objective_options: dict[str, Any] = field(default_factory=dict)


def method_spec(name: str, preset: Preset) -> MethodSpec:
    """Resolve a name of METHODS or a pair `generator+objective`, with the preset's options checked.

    Raises InputError for an unknown name (with the nearest known one), an unknown option or one of a wrong type.
    """
    if name in METHODS:
        title, generator, objective = METHODS[name]
    else:
        generator, plus, objective = name.partition("+")
        if not plus:
            raise InputError(f"unknown method '{name}': {nearest(name, METHODS)}; or any pair generator+objective")
        if generator not in GENERATORS:
            raise InputError(f"method '{name}': unknown generator '{generator}': {nearest(generator, GENERATORS)}")
        if objective not in OBJECTIVES:
            raise InputError(f"method '{name}': unknown objective '{objective}': {nearest(objective, OBJECTIVES)}")
        title = f"{generator} + {objective}"
    generator_options = preset.generators.get(generator, {})
    objective_options = preset.objectives.get(objective, {})
    check_options(GENERATORS[generator], generator_options, f"generators.{generator}")
    check_options(OBJECTIVES[objective], objective_options, f"objectives.{objective}")
    return MethodSpec(name, title, generator, objective, generator_options, objective_options)


def check_preset_options(preset: Preset) -> None:
    """Options of generators and objectives in a preset, whether a method uses them or not."""
    for section, table in (("generators", GENERATORS), ("objectives", OBJECTIVES)):
        for name, options in getattr(preset, section).items():
            if name not in table:
                raise InputError(f"unknown key '{section}.{name}': {nearest(name, table)}")
            check_options(table[name], options, f"{section}.{name}")


CONTEXT = ("classes", "size", "images", "perceptual", "segmenter")  # given by the run, not by the user


def check_options(cls: type, options: dict[str, Any], where: str) -> None:
    """Options are the constructor's keyword arguments, of the annotated types and within the bounds stated there."""
    parameters = inspect.signature(cls).parameters
    known = [key for key in parameters if key not in CONTEXT]
    hints = typing.get_type_hints(cls.__init__, include_extras=True)
    for key, value in options.items():
        if key not in known:
            hint = nearest(key, known) if known else "it has none"
            raise InputError(f"unknown key '{where}.{key}': {hint}")
        try:
            TypeAdapter(hints.get(key, Any)).validate_python(value, strict=True)
        except ValidationError as error:
            raise InputError(f"key '{where}.{key}': {error.errors()[0]['msg']}, got {value!r}") from None


def _construct(cls: type, options: dict[str, Any], **context: Any) -> Any:
    wanted = inspect.signature(cls).parameters
    return cls(**{key: value for key, value in context.items() if key in wanted}, **options)


def needed_networks(spec: MethodSpec) -> set[str]:
    """Which of the run's networks the objective takes: a subset of {"perceptual", "segmenter"}."""
    return {"perceptual", "segmenter"} & set(inspect.signature(OBJECTIVES[spec.objective]).parameters)


def build_generator(spec: MethodSpec, classes: int, size: tuple[int, int], images: int = 1) -> nn.Module:
    """Freshly initialised generator, layout [B, C, H, W] -> images [B, K, 3, H, W]."""
    return _construct(GENERATORS[spec.generator], spec.generator_options, classes=classes, size=size, images=images)


def build_method(spec: MethodSpec, classes: int, size: tuple[int, int], perceptual: nn.Module | None = None,
                 segmenter: nn.Module | None = None) -> Trainable:
    """Generator and objective, freshly initialised from torch's current random state."""
    objective = _construct(OBJECTIVES[spec.objective], spec.objective_options, classes=classes, size=size,
                           perceptual=perceptual, segmenter=segmenter)
    return Trainable(build_generator(spec, classes, size, objective.images), objective)
