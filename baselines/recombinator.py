"""Recombinator network (Honari et al. 2016): coarse-to-fine branches, concatenated on the way up.

Named by a published summary of the paper as one of its encoder-decoder architectures.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.crn import halvings
from models.layers import ConvNormAct, ToImages, upsample, xavier_init
from models.options import Count


class Recombinator(nn.Module):
    """Layout [B, C, H, W] -> images [B, K, 3, H, W].

    A trunk of one 3x3 convolution per resolution with 2x2 max pooling between; from every trunk level a branch. A
    branch concatenates the trunk's features with the upsampled output of the next coarser branch and learns how to
    combine them in `convolutions` layers (a U-Net merges two halves of one path instead). width: maps at full
    resolution, doubled per level up to `max_width`. depth: poolings; None: down to CRN's coarsest grid.
    """

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, width: Count = 64,
                 max_width: Count = 1024, depth: Count | None = None, convolutions: Count = 3):
        super().__init__()
        depth = halvings(size, depth, "generators.recombinator.depth")
        widths = [min(width << level, max_width) for level in range(depth + 1)]
        self.trunk = nn.ModuleList(ConvNormAct(a, b) for a, b in zip([classes, *widths], widths, strict=False))
        coarser = [*widths[1:], 0]
        self.branches = nn.ModuleList(
            nn.Sequential(ConvNormAct(own + below, own), *(ConvNormAct(own, own) for _ in range(convolutions - 1)))
            for own, below in zip(widths, coarser, strict=True))
        self.to_images = ToImages(widths[0], images)
        xavier_init(self)

    def forward(self, layout: Tensor) -> Tensor:
        trunk = []
        x = layout
        for level, block in enumerate(self.trunk):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            trunk.append(x)
        x = self.branches[-1](trunk[-1])
        for branch, features in zip(reversed(self.branches[:-1]), reversed(trunk[:-1]), strict=True):
            x = branch(torch.cat([features, upsample(x)], 1))
        return self.to_images(x)
