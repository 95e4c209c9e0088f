"""What each fixed network is, and on what it is trained: the one table of the three."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from models.fixed import build
from tools.fixed_networks.labelling import Labelling, per_class_iou
from tools.fixed_networks.learning import Budget, Pool
from tools.fixed_networks.perceiving import Perceiver, Perceiving, known_truth
from tools.fixed_networks.scenes import LABELS, Request

SMALL, LARGE = (64, 128), (256, 512)
CLASSES = len(LABELS)
# Validation scenes are those of every run with the default data.seed; training scenes are nobody else's.
VALIDATION_SEED = 0


@dataclass(frozen=True)
class Role:
    """architecture: see models.fixed.build. small, large: training scenes at 64x128 and at 256x512. check: validation
    scenes at both sizes. loss: makes what `learning.learn` minimises. score: (network, pool) ->
    a table for the card."""

    architecture: dict[str, Any]
    small: Request
    large: Request
    check: tuple[Request, Request]
    budget: Budget
    wrap: Callable[[nn.Module], nn.Module]  # the network with what it needs for training only
    core: Callable[[nn.Module], nn.Module]  # its inverse
    loss: Callable[..., Callable[[int], dict[str, torch.Tensor]]]  # of network, pools and batch
    score: Callable[[nn.Module, Pool], dict[str, Any]]

    def scaled(self, share: float) -> "Role":
        """The same with this share of all scenes (at least 2), for a short trial."""
        def fewer(request: Request) -> Request:
            return replace(request, count=max(2, round(request.count * share)))
        return replace(self, small=fewer(self.small), large=fewer(self.large),
                       check=tuple(fewer(request) for request in self.check))

    def network(self) -> nn.Module:
        return build(self.architecture)


def _checks(small: int, large: int, draws: int = 1) -> tuple[Request, Request]:
    return (Request("val", SMALL, small, VALIDATION_SEED, draws), Request("val", LARGE, large, VALIDATION_SEED, draws))


def _labelling(architecture: dict[str, Any], seed: int, small: int, large: int, budget: Budget) -> Role:
    return Role(architecture, Request("train", SMALL, small, seed), Request("train", LARGE, large, seed + 1),
                _checks(500, 60), budget, lambda network: network, lambda trainee: trainee,
                partial(Labelling, void=CLASSES - 1),
                lambda network, pool: per_class_iou(network, pool, list(LABELS.names)))


ROLES: dict[str, Role] = {
    "judge": _labelling({"kind": "ResidualUNet", "classes": CLASSES, "width": 24, "max_width": 208}, 71_001,
                        16_000, 1_600, Budget(12_000, None, 96, 3e-3)),
    "segmenter": _labelling({"kind": "DilatedNet", "classes": CLASSES, "width": 48}, 73_001,
                            6_000, 600, Budget(6_000, None, 96, 3e-3)),
    "perceptual": Role(
        {"kind": "PerceptualNet", "widths": [8, 16, 24, 24, 48, 48, 96, 96, 128, 128], "network": "vgg13"},
        Request("train", SMALL, 4_000, 72_001, 8, True), Request("train", LARGE, 240, 72_002, 8, True),
        _checks(200, 30, 13), Budget(10_000, None, 64, 2e-3), lambda network: Perceiver(network, CLASSES),
        Perceiver.core,
        partial(Perceiving, classes=CLASSES, repainted=[LABELS.names.index(name) for name in ("car", "tree")]),
        known_truth),
}
