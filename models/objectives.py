"""What a generator is trained on. The harness knows this interface, never the names behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from data.errors import InputError
from models import losses
from models.losses import IMAGE, Features, Lambdas
from models.options import Count, Share, StepOrFraction, Weight


@dataclass
class Batch:
    """layout: one-hot float [B, C, H, W]. photo: float [B, 3, H, W] in [-1, 1]. labels: int64 [B, H, W].

    items: positions [B] in the training set, if known.
    """

    layout: Tensor
    photo: Tensor
    labels: Tensor
    items: list[int] | None = None

    def parts(self, count: int) -> list["Batch"]:
        """The batch in `count` parts of equal size, B a multiple of it."""
        if count == 1:
            return [self]
        split = zip(*(tensor.chunk(count) for tensor in (self.layout, self.photo, self.labels)), strict=True)
        size = len(self.photo) // count
        return [Batch(*part, self.items[i * size : (i + 1) * size] if self.items else None)
                for i, part in enumerate(split)]


class Objective(nn.Module):
    """Named loss terms of a generator; owns its adversary if it has one.

    images: K, the images per layout that the generator must give. optimiser: settings that this objective is usually
    trained with, over the preset's (a preset's `overrides` win). networks: frozen networks used inside the loss.
    """

    images: int = 1
    optimiser: dict[str, Any] = {}

    def __init__(self):
        super().__init__()
        self.adversary: nn.Module | None = None

    def networks(self) -> dict[str, nn.Module]:
        return {}

    def synthesize(self, generator: nn.Module, batch: Batch) -> Tensor:
        """What the terms are computed on: images [B, K, 3, H, W]."""
        return generator(batch.layout)

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        """Weighted scalars; their sum is minimised by the generator."""
        raise NotImplementedError

    def adversary_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        """Weighted scalars; their sum is minimised by the adversary. images: detached."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Called after optimiser step number `step` (from 1)."""


@dataclass
class Trainable:
    """What the harness trains. generator: layout [B, C, H, W] -> images [B, K, 3, H, W], or whatever the objective's
    `synthesize` makes of it."""

    generator: nn.Module
    objective: Objective


class LayerWeights(nn.Module):
    """The lambdas of Eq. 1: the authors' constants, or calibrated at a stated step so that every term weighs the same.

    lambdas: "calibrated", or a key of losses.CODE_LAMBDAS. calibrate_at: optimiser step after which the lambdas are
    set from the mean of each term over the last tenth of the steps before it, at least 20 (0: from the first batch,
    before its loss is used), or that step as a fraction of the budget, see `plan`; until then they are 1 on
    mean-reduced terms, the paper's 1/numel. total: see losses.equalising_lambdas.
    """

    def __init__(self, layers: list[str], lambdas: Lambdas, calibrate_at: StepOrFraction, total: float | None = None):
        super().__init__()
        self.layers, self.calibrate_at, self.total = layers, calibrate_at, total
        self.calibrated = lambdas == "calibrated"
        constants = None if self.calibrated else losses.CODE_LAMBDAS[lambdas]
        start = torch.ones(len(layers)) if constants is None else torch.tensor([constants[layer] for layer in layers])
        self.register_buffer("lambdas", start)
        self.register_buffer("sums", torch.zeros(len(layers)))
        # Steps done, batches (or parts of one) in the sums, lambdas final; numbers, because reading a buffer waits for
        # the device in every step.
        self.seen, self.counted, self.frozen = 0, 0, not self.calibrated
        self.mean_over_ranks: Callable[[Tensor], Tensor] = lambda value: value  # set by the harness in a group

    def plan(self, steps: int, key: str) -> None:
        """Fix the step of the calibration in a budget of `steps`; beyond them is an InputError naming `key`."""
        if isinstance(self.calibrate_at, float):
            self.calibrate_at = max(1, round(self.calibrate_at * steps))
        if self.calibrated and self.calibrate_at >= steps:
            raise InputError(f"{key}={self.calibrate_at}: training has {steps} steps, so the lambdas would never be "
                             "calibrated; set it lower, or to a fraction of the budget such as 0.5")

    def weigh(self, terms: dict[str, Tensor], magnitudes: Tensor) -> dict[str, Tensor]:
        """terms times their lambdas. magnitudes: [L] detached mean of each term, for the calibration."""
        window = max(1, min(self.calibrate_at, max(20, self.calibrate_at // 10)))  # the terms as they are then
        if not self.frozen and self.seen >= self.calibrate_at - window:
            self.sums += magnitudes
            self.counted += 1
            if self.calibrate_at == 0:
                self._freeze()
        return {layer: weight * terms[layer] for layer, weight in zip(self.layers, self.lambdas.unbind(), strict=True)}

    def after_step(self, step: int) -> None:
        self.seen = step
        if not self.frozen and step == self.calibrate_at:
            self._freeze()

    def _freeze(self) -> None:
        self.sums.copy_(self.mean_over_ranks(self.sums))
        means = self.sums / self.counted
        self.lambdas.copy_(losses.equalising_lambdas(means, self.lambdas, self.total))
        self.frozen = True

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.seen, self.counted, int(self.frozen)])

    def set_extra_state(self, state: Tensor) -> None:
        self.seen, self.counted, frozen = state.tolist()
        self.frozen = bool(frozen)


def plan_calibration(objective: Objective, steps: int, where: str) -> None:
    """Fix when the objective's lambdas are calibrated in a budget of `steps`. where: the objective's preset key.

    Raises InputError if they never would be.
    """
    for module in objective.modules():
        if isinstance(module, LayerWeights):
            module.plan(steps, f"{where}.calibrate_at")


def calibration_step(objective: Objective) -> int | None:
    """The planned step after which the lambdas change; None if they do not change in the course of training."""
    return next((module.calibrate_at for module in objective.modules()
                 if isinstance(module, LayerWeights) and module.calibrated and module.calibrate_at > 0), None)


class PerceptualObjective(Objective):
    """Base of content and diversity: features of photo and images from the frozen perceptual network."""

    def __init__(self, perceptual: nn.Module, lambdas: Lambdas, calibrate_at: StepOrFraction,
                 total: float | None = None):
        super().__init__()
        network, convention = perceptual.topology.title, perceptual.convention.name
        if lambdas != "calibrated" and (network, convention) != ("VGG-19", "caffe"):
            raise InputError(f"lambdas={lambdas}: the authors' constants belong to VGG-19 with the Caffe convention "
                             f"(input in 0..255), the perceptual network is {network} with '{convention}'; set "
                             "lambdas=calibrated or perceptual.source=matconvnet")
        self._perceptual = [perceptual]  # in a list: frozen and shared, so neither saved nor moved with this module
        self.weights = LayerWeights([IMAGE, *perceptual.taps], lambdas, calibrate_at, total)
        self.photo_cache: Callable[..., Features] | None = None  # see training.feature_cache

    def networks(self) -> dict[str, nn.Module]:
        return {"perceptual": self._perceptual[0]}

    def features(self, pictures: Tensor) -> Features:
        """[N, 3, H, W] in [-1, 1] -> features with the picture itself, in 0..255, as layer "image"."""
        return {IMAGE: (pictures + 1) * 127.5, **self._perceptual[0](pictures)}

    def photo_features(self, batch: Batch) -> Features:
        with torch.no_grad():
            if self.photo_cache is None or batch.items is None:
                return self.features(batch.photo)
            kept = self.photo_cache(self._perceptual[0], batch.photo, batch.items)
            return {IMAGE: (batch.photo + 1) * 127.5, **kept}

    def after_step(self, step: int) -> None:
        self.weights.after_step(step)


class Content(PerceptualObjective):
    """Plain content loss of one image, Eq. 1: what Table 1 of the paper was made with."""

    def __init__(self, perceptual: nn.Module, lambdas: Lambdas = "calibrated", calibrate_at: StepOrFraction = 0.125,
                 total: Weight | None = None):
        super().__init__(perceptual, lambdas, calibrate_at, total)

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        terms = losses.content_terms(self.photo_features(batch), self.features(images[:, 0]))
        return self.weights.weigh(terms, torch.stack([term.detach() for term in terms.values()]))


class Diversity(PerceptualObjective):
    """Best of k images per class, Eq. 3. With k = 1 it equals the plain loss.

    k: images per layout. mean_weight: see losses.diversity_loss.
    """

    def __init__(self, perceptual: nn.Module, k: Count = 9, lambdas: Lambdas = "calibrated",
                 calibrate_at: StepOrFraction = 0.125, mean_weight: Share = 0.001):
        super().__init__(perceptual, lambdas, calibrate_at)
        self.images = k
        self.mean_weight = mean_weight
        self.register_buffer("wins", torch.zeros(k))  # moving share of the layout's area where image u is the best

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        fakes = self.features(images.flatten(0, 1))
        tables = losses.diversity_tables(self.photo_features(batch), fakes, batch.layout)
        magnitudes = torch.stack([losses.diversity_loss(table.detach()) for table in tables.values()])
        table = sum(self.weights.weigh(tables, magnitudes).values())
        shares = losses.winning_shares(table.detach(), batch.layout)
        self.wins.lerp_(shares.to(self.wins.dtype), 0.01)  # autocast gives them in bf16
        return {"diversity": losses.diversity_loss(table, self.mean_weight)}
