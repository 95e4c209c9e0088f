"""One optimiser step of any method: the adversary first, on detached images, then the generator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.objectives import Batch, LayerWeights, Objective
from presets.schema import TrainingConfig
from training.fabric import forked_devices

Terms = dict[str, Tensor]


class TrainingStep:
    """Losses, gradients and updates on one batch, given as parts of equal size that go through one after another.

    Gradients and reported terms are means over the parts, so for losses that are means over a batch the number of
    parts changes nothing but memory. An adversary needs the images of all parts before the generator's loss: with
    several parts they are synthesized twice, the first time without gradients.
    """

    def __init__(self, generator: nn.Module, objective: Objective, optimiser: torch.optim.Optimizer,
                 adversary_optimiser: torch.optim.Optimizer | None, config: TrainingConfig, fabric: Fabric):
        self.objective, self.config, self.fabric = objective, config, fabric
        self.generator, self.optimiser = fabric.setup(generator, optimiser)
        self.generator.train()
        self.objective.train()
        self.adversary = self.objective.adversary
        if self.adversary is not None:
            self.adversary_optimiser = fabric.setup_optimizers(adversary_optimiser)
        for module in objective.modules():
            if isinstance(module, LayerWeights):
                module.mean_over_ranks = lambda value: fabric.all_reduce(value, reduce_op="mean")

    def __call__(self, parts: list[Batch], lr_share: float = 1.0) -> Terms:
        """Loss terms as detached scalars: "total", the generator's, and "adversary ...".

        lr_share: of both learning rates, see harness.learning_rate_share.
        """
        _set_learning_rate(self.optimiser, self.config.lr * lr_share)
        if self.adversary is not None:
            _set_learning_rate(self.adversary_optimiser, (self.config.adversary_lr or self.config.lr) * lr_share)
        images = self._synthesize(parts[0]) if len(parts) == 1 else None
        adversary_terms = {}
        if self.adversary is not None:
            fakes = [images.detach()] if images is not None else self._preview(parts)
            adversary_terms = self._adversary_step(parts, fakes)
        return {**self._generator_step(parts, images), **adversary_terms}

    def _synthesize(self, part: Batch) -> Tensor:
        with self.fabric.autocast():
            return self.objective.synthesize(self.generator, part)

    def _preview(self, parts: list[Batch]) -> list[Tensor]:
        """The images that the generator step will make again: same noise, no gradients."""
        with torch.random.fork_rng(devices=forked_devices(self.fabric)), torch.no_grad():
            return [self._synthesize(part) for part in parts]

    def _generator_step(self, parts: list[Batch], images: Tensor | None) -> Terms:
        """images: of the only part; None with several parts."""
        self.optimiser.zero_grad()
        mean = _Mean(len(parts))
        for number, part in enumerate(parts, start=1):
            with self.fabric.no_backward_sync(self.generator, enabled=number < len(parts)):
                shown = self._synthesize(part) if images is None else images
                with self._frozen_adversary(), self.fabric.autocast():
                    terms = self.objective.generator_terms(part, shown)
                total = sum(terms.values())
                self.fabric.backward(mean.share(total))
            mean.add({"total": total, **terms})
        self.optimiser.step()
        return mean.terms

    def _adversary_step(self, parts: list[Batch], fakes: list[Tensor]) -> Terms:
        self.adversary_optimiser.zero_grad()
        mean = _Mean(len(parts))
        for part, fake in zip(parts, fakes, strict=True):
            with self.fabric.autocast():
                terms = self.objective.adversary_terms(part, fake)
            self.fabric.backward(mean.share(sum(terms.values())))
            mean.add({f"adversary {name}": value for name, value in terms.items()})
        if self.fabric.world_size > 1:  # small network, used in two losses: averaged by hand instead of by DDP's hooks
            for parameter in self.adversary.parameters():
                parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")
        self.adversary_optimiser.step()
        return mean.terms

    @contextmanager
    def _frozen_adversary(self) -> Iterator[None]:
        if self.adversary is not None:
            self.adversary.requires_grad_(False)
        yield
        if self.adversary is not None:
            self.adversary.requires_grad_(True)


def _set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr


class _Mean:
    """Mean of loss terms over the parts of a batch."""

    def __init__(self, parts: int):
        self.parts = parts
        self.terms: Terms = {}

    def share(self, loss: Tensor) -> Tensor:
        return loss if self.parts == 1 else loss / self.parts

    def add(self, terms: Terms) -> None:
        for name, value in terms.items():
            share = self.share(value.detach())
            self.terms[name] = self.terms[name] + share if name in self.terms else share
