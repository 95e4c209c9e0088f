"""GAN + semantic segmentation (paper section 4): a DCGAN (Radford et al. 2016) whose generator gets the layout.

Beside the adversarial term, the pixelwise cross-entropy of a segmentation network on the synthesized image against the
layout. That network is trained on photographs and is never the judge. Normalisation is per sample, as in pix2pix.py:
batches are of one or two images here.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.pix2pix import gaussian_init, real_or_fake
from models.crn import base_grid
from models.layers import LEAKY_SLOPE
from models.losses import labelled_cross_entropy
from models.objectives import Batch, Objective
from models.options import Count, Weight


def _strided(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 4, 2, 1, bias=False),
                         nn.InstanceNorm2d(channels_out, affine=True), nn.LeakyReLU(LEAKY_SLOPE))


class DCGANGenerator(nn.Module):
    """Layout [B, C, H, W] -> images [B, K, 3, H, W] in (-1, 1).

    Strided convolutions take the layout to CRN's coarsest grid, where noise z joins it; upsampling and convolutions
    with normalisation and ReLU take it back up (instead of DCGAN's fractionally strided ones, whose checkerboards a
    short training does not remove, Odena et al. 2016). At each grid the layout, area-downsampled, joins again: without
    it, a generator of this kind cannot know where thin objects are. width: maps at the finest hidden grid, doubled per
    level up to `max_width`. noise: channels of z.
    """

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, width: Count = 64,
                 max_width: Count = 1024, noise: Count = 16):
        super().__init__()
        self.grid, depth = base_grid(size)
        widths = [min(width << level, max_width) for level in range(depth)]
        self.encoder = nn.Sequential(*(_strided(a, b) for a, b in zip([classes, *widths], widths, strict=False)))
        self.noise, self.images = noise, images
        ups = []
        channels = widths[-1] + noise
        for level in reversed(range(depth)):
            out = widths[level - 1] if level else 3 * images
            ups.append(nn.Conv2d(channels + classes, out, 3, padding=1, bias=level == 0))
            channels = out
        self.ups = nn.ModuleList(ups)
        self.norms = nn.ModuleList(nn.InstanceNorm2d(up.out_channels, affine=True) for up in ups[:-1])
        gaussian_init(self)

    def forward(self, layout: Tensor) -> Tensor:
        pyramid = [layout]
        for _ in self.ups:
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        z = torch.randn(layout.shape[0], self.noise, *self.grid, device=layout.device, dtype=layout.dtype)
        x = torch.cat([self.encoder(layout), z], 1)
        for up, norm, level in zip(self.ups, [*self.norms, None], reversed(pyramid[:-1]), strict=True):
            x = up(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), level], 1))
            x = torch.tanh(x) if norm is None else F.relu(norm(x))
        return x.unflatten(1, (self.images, 3))


class DCGANDiscriminator(nn.Module):
    """Picture [B, 3, H, W] -> one logit [B, 1]: strided convolutions with instance norm down to CRN's coarsest grid."""

    def __init__(self, size: tuple[int, int], width: int = 64, max_width: int = 512):
        super().__init__()
        grid, depth = base_grid(size)
        widths = [min(width << level, max_width) for level in range(depth)]
        first = nn.Sequential(nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(LEAKY_SLOPE))
        rest = (_strided(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.net = nn.Sequential(first, *rest, nn.Conv2d(widths[-1], 1, grid), nn.Flatten())
        gaussian_init(self)

    def forward(self, picture: Tensor) -> Tensor:
        return self.net(picture)


class GANSegmentation(Objective):
    """GAN term + segmentation_weight x cross-entropy of the segmenter on the image against the layout, void ignored."""

    optimiser = {"lr": 2e-4, "betas": [0.5, 0.999]}

    def __init__(self, classes: int, size: tuple[int, int], segmenter: nn.Module, width: Count = 64,
                 segmentation_weight: Weight = 1.0):
        super().__init__()
        self.adversary = DCGANDiscriminator(size, width)
        self._segmenter = [segmenter]  # in a list: frozen and shared, so neither saved nor moved with this module
        self.void = classes - 1
        self.segmentation_weight = segmentation_weight

    def networks(self) -> dict[str, nn.Module]:
        return {"segmenter": self._segmenter[0]}

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        logits = self._segmenter[0](images[:, 0])
        segmentation = labelled_cross_entropy(logits, batch.labels, self.void)
        return {"gan": real_or_fake(self.adversary(images[:, 0]), True),
                "segmentation": self.segmentation_weight * segmentation}

    def adversary_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        return {"real": real_or_fake(self.adversary(batch.photo), True),
                "fake": real_or_fake(self.adversary(images[:, 0]), False)}
