"""Encoder-decoder with skip connections (paper section 4): the U-Net of Ronneberger et al. (2015), trained like CRN."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.crn import halvings
from models.layers import ConvNormAct, ToImages, upsample, xavier_init
from models.options import Count


def double_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(ConvNormAct(channels_in, channels_out), ConvNormAct(channels_out, channels_out))


class UNet(nn.Module):
    """Layout [B, C, H, W] -> images [B, K, 3, H, W].

    Two 3x3 convolutions per resolution, 2x2 max pooling down, upsampling with a 2x2 convolution ("up-convolution") and
    skips up; layer norm and leaky ReLU as in CRN, so that only the architecture differs. A transposed convolution
    instead has weights of its own for every second row and column and leaves a pattern of dots. width: maps at full
    resolution, doubled per level up to `max_width`. depth: poolings; None: down to CRN's coarsest grid.
    """

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, width: Count = 64,
                 max_width: Count = 1024, depth: Count | None = None):
        super().__init__()
        depth = halvings(size, depth, "generators.unet.depth")
        widths = [min(width << level, max_width) for level in range(depth + 1)]
        self.down = nn.ModuleList(double_conv(a, b) for a, b in zip([classes, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 2) for a, b in zip(widths, widths[1:], strict=False))
        self.merge = nn.ModuleList(double_conv(2 * a, a) for a in widths[:-1])
        self.to_images = ToImages(widths[0], images)
        xavier_init(self)

    def forward(self, layout: Tensor) -> Tensor:
        skips = []
        x = layout
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(reversed(self.up), reversed(self.merge), reversed(skips[:-1]), strict=True):
            x = merge(torch.cat([up(F.pad(upsample(x), (0, 1, 0, 1))), skip], 1))
        return self.to_images(x)
