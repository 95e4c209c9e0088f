"""pix2pix (Isola et al. 2017): conditional GAN with U-Net generator, PatchGAN discriminator and L1.

Normalisation is per sample (instance norm): the published training uses batch norm at batch size 1 and takes the
statistics of the image itself at test time, which is the same thing and does not depend on the batch here.
"""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from data.errors import InputError
from models.crn import cannot_be_halved
from models.layers import LEAKY_SLOPE, smooth_start
from models.losses import image_space_loss
from models.objectives import Batch, Objective
from models.options import Count, Weight


def gaussian_init(network: nn.Module) -> None:
    """Normal weights of standard deviation 0.02, as DCGAN and pix2pix start."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def real_or_fake(scores: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of discriminator logits against one target for all of them: scalar."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


def _down(channels_in: int, channels_out: int, norm: bool) -> nn.Sequential:
    layers = [nn.LeakyReLU(LEAKY_SLOPE), nn.Conv2d(channels_in, channels_out, 4, 2, 1, bias=not norm)]
    return nn.Sequential(*layers, *([nn.InstanceNorm2d(channels_out, affine=True)] if norm else []))


Doubling = Literal["transposed", "nearest"]


def _double(channels_in: int, channels_out: int, how: Doubling, bias: bool) -> nn.Module:
    if how == "transposed":
        return nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1, bias=bias)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias))


def _up(channels_in: int, channels_out: int, how: Doubling) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), _double(channels_in, channels_out, how, bias=False),
                         nn.InstanceNorm2d(channels_out, affine=True))


class Pix2PixGenerator(nn.Module):
    """Layout [B, C, H, W] -> images [B, K, 3, H, W] in (-1, 1): U-Net-256 of pix2pix for any size.

    4x4 convolutions of stride 2 while both sides are even (at most `depth`); maps width, 2, 4, 8, 8, ... times; noise
    is dropout 0.5 in the three coarsest decoder layers, in training and in use, so an image depends on the random seed.
    doubling: 4x4 transposed convolutions, as published, or nearest upsampling and 3x3 convolutions, which leave no
    checkerboards in a short training (Odena et al. 2016).
    """

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, width: Count = 64, depth: Count = 8,
                 dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5, doubling: Doubling = "transposed"):
        super().__init__()
        height, breadth = size
        halvings = 0
        while halvings < depth and height % 2 == 0 and breadth % 2 == 0:
            height, breadth, halvings = height // 2, breadth // 2, halvings + 1
        if halvings == 0:
            raise cannot_be_halved(size)
        widths = [width * min(1 << level, 8) for level in range(halvings)]
        # The innermost grid may be a single cell, whose statistics would erase it: no norm there, nor at the input.
        self.down = nn.ModuleList([nn.Conv2d(classes, widths[0], 4, 2, 1)])
        self.down.extend(_down(a, b, norm=i < halvings - 2) for i, (a, b) in
                         enumerate(zip(widths, widths[1:], strict=False)))
        below = [0, *reversed(widths[1:])]  # maps that arrive by skip beside those from below
        self.up = nn.ModuleList(_up(b + (b if skip else 0), a, doubling) for skip, b, a in
                                zip(below, reversed(widths[1:]), reversed(widths[:-1]), strict=False))
        self.dropout = dropout
        skip = widths[0] if halvings > 1 else 0
        self.to_images = _double(widths[0] + skip, 3 * images, doubling, bias=True)
        self.images = images
        gaussian_init(self)
        smooth_start(self)

    def forward(self, layout: Tensor) -> Tensor:
        skips = []
        x = layout
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()
        for level, up in enumerate(self.up):
            x = up(x if level == 0 else torch.cat([x, skips.pop()], 1))
            if level < 3:
                x = F.dropout(x, self.dropout, training=True)
        x = F.relu(torch.cat([x, skips.pop()], 1) if skips else x)
        return torch.tanh(self.to_images(x)).unflatten(1, (self.images, 3))


class PatchGAN(nn.Module):
    """Layout [B, C, H, W] and picture [B, 3, H, W] -> logits [B, 1, h, w], one per overlapping patch.

    layers: stride-2 convolutions; 3 gives the 70x70 patches of pix2pix, 2 gives 34x34, 1 gives 16x16.
    """

    def __init__(self, classes: int, layers: int = 3, width: int = 64):
        super().__init__()
        widths = [width * min(1 << level, 8) for level in range(layers + 1)]
        blocks = [nn.Conv2d(classes + 3, widths[0], 4, 2, 1), nn.LeakyReLU(LEAKY_SLOPE)]
        for level, (a, b) in enumerate(zip(widths, widths[1:], strict=False), start=1):
            stride = 2 if level < layers else 1
            blocks += [nn.Conv2d(a, b, 4, stride, 1, bias=False), nn.InstanceNorm2d(b, affine=True),
                       nn.LeakyReLU(LEAKY_SLOPE)]
        self.net = nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        gaussian_init(self)

    def forward(self, layout: Tensor, picture: Tensor) -> Tensor:
        return self.net(torch.cat([layout, picture], 1))


class ConditionalGAN(Objective):
    """Terms of a PatchGAN that sees the layout, for both sides; the discriminator's are halved, as published."""

    optimiser = {"lr": 2e-4, "betas": [0.5, 0.999]}

    def __init__(self, classes: int, size: tuple[int, int], patch_layers: Count = 3, patch_width: Count = 64):
        super().__init__()
        if min(size) >> patch_layers < 3:  # two more 4x4 convolutions take a row and a column each, one must be left
            raise InputError(f"patch_layers={patch_layers}: patches do not fit data.size={list(size)}; set "
                             "patch_layers lower or the size larger")
        self.adversary = PatchGAN(classes, patch_layers, patch_width)

    def gan_term(self, batch: Batch, images: Tensor) -> Tensor:
        return real_or_fake(self.adversary(batch.layout, images[:, 0]), True)

    def adversary_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        real = real_or_fake(self.adversary(batch.layout, batch.photo), True)
        fake = real_or_fake(self.adversary(batch.layout, images[:, 0]), False)
        return {"real": 0.5 * real, "fake": 0.5 * fake}


class GANL1(ConditionalGAN):
    """GAN + l1 x L1 on pictures in [-1, 1]; 100 is pix2pix's."""

    def __init__(self, classes: int, size: tuple[int, int], patch_layers: Count = 3, patch_width: Count = 64,
                 l1: Weight = 100.0):
        super().__init__(classes, size, patch_layers, patch_width)
        self.l1 = l1

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        return {"gan": self.gan_term(batch, images), "l1": self.l1 * image_space_loss(batch.photo, images[:, 0])}
