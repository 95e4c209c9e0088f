"""Segmentation networks of the suite: pictures [N, 3, H, W] in [-1, 1] -> logits [N, C, H, W].

Two families that share no weights: `DilatedNet` sits inside a loss (GAN + segmentation), `ResidualUNet` judges.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.layers import DilatedConv2d


class DilatedNet(nn.Module):
    """Strided stem, then 3x3 convolutions of growing dilation (after Yu & Koltun 2016): logits [N, C, H, W]."""

    def __init__(self, classes: int, width: int = 24):
        super().__init__()
        layers = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(inplace=True)]
        for dilation in (1, 2, 4, 8, 16, 1):
            layers += [DilatedConv2d(width, width, dilation), nn.GroupNorm(1, width), nn.ReLU(inplace=True)]
        self.net = nn.Sequential(*layers, nn.Conv2d(width, classes, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return F.interpolate(self.net(pictures), size=pictures.shape[-2:], mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm beside a shortcut; the shortcut is 1x1 where the channels change."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        same = channels_in == channels_out
        self.short = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True)))
        return F.relu(y + self.short(x), inplace=True)


class ResidualUNet(nn.Module):
    """Residual encoder and decoder joined at every scale (He et al. 2016, Ronneberger et al. 2015): [N, C, H, W].

    The first level has the picture's own resolution: poles and lamps are one pixel wide at 64x128, and a strided stem
    loses them. Channels double per level up to `max_width`. `features` gives the pooled vectors that distances between
    image sets are measured on.
    """

    def __init__(self, classes: int, width: int = 24, max_width: int = 256, levels: int = 5):
        super().__init__()
        widths = [min(width << level, max_width) for level in range(levels)]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
                                  nn.ReLU(inplace=True))
        self.down = nn.ModuleList(ResidualBlock(a, b) for a, b in zip([width, *widths], widths, strict=False))
        pairs = list(zip(widths, widths[1:], strict=False))
        self.lateral = nn.ModuleList(nn.Conv2d(deeper, wide, 1, bias=False) for wide, deeper in pairs)
        self.up = nn.ModuleList(nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide),
                                              nn.ReLU(inplace=True)) for wide in widths[:-1])
        self.classify = nn.Conv2d(width, classes, 1)
        self.feature_dimensions = sum(widths[-2:])

    def _levels(self, pictures: Tensor) -> list[Tensor]:
        x = self.stem(pictures)
        levels = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2, ceil_mode=True) if i else x)
            levels.append(x)
        return levels

    def forward(self, pictures: Tensor) -> Tensor:
        return self._decode(self._levels(pictures))

    def _decode(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        for lateral, up, level in zip(reversed(self.lateral), reversed(self.up), reversed(levels[:-1]), strict=True):
            deeper = F.interpolate(lateral(x), size=level.shape[-2:], mode="bilinear", align_corners=False)
            x = up(level + deeper)
        return self.classify(x)

    def features(self, pictures: Tensor) -> Tensor:
        """[N, 3, H, W] in [-1, 1] -> [N, feature_dimensions], the two deepest levels averaged over the picture."""
        return self._pool(self._levels(pictures))

    def with_features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` and `features` give, in one pass."""
        levels = self._levels(pictures)
        return self._decode(levels), self._pool(levels)

    @staticmethod
    def _pool(levels: list[Tensor]) -> Tensor:
        return torch.cat([level.mean((2, 3)) for level in levels[-2:]], 1)


def folded(network: ResidualUNet) -> ResidualUNet:
    """A copy for inference, its batch norms folded into the convolutions before them: the same function up to rounding,
    in four fifths of the time."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    blocks = [(block, conv, norm) for block in network.down for conv, norm in (("conv1", "norm1"), ("conv2", "norm2"))]
    for owner, conv, norm in [(network.stem, "0", "1"), *blocks, *((up, "0", "1") for up in network.up)]:
        setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return network.to(memory_format=torch.channels_last)
