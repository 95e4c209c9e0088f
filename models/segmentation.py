"""Segmentation networks that the suite trains on the train split: pictures [N, 3, H, W] in [-1, 1] -> logits.

Two families that share no weights: `DilatedNet` sits inside a loss (GAN + segmentation), `ResidualNet` judges.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.losses import labelled_cross_entropy
from models.objectives import Batch, Objective


class DilatedNet(nn.Module):
    """Strided stem, then 3x3 convolutions of growing dilation (after Yu & Koltun 2016): logits [N, C, H, W]."""

    def __init__(self, classes: int, width: int = 24):
        super().__init__()
        layers = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(inplace=True)]
        for dilation in (1, 2, 4, 8, 16, 1):
            layers += [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
                       nn.GroupNorm(1, width), nn.ReLU(inplace=True)]
        self.net = nn.Sequential(*layers, nn.Conv2d(width, classes, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return F.interpolate(self.net(pictures), size=pictures.shape[-2:], mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.short = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.short(x))


class ResidualNet(nn.Module):
    """Residual encoder with a feature-pyramid decoder (He et al. 2016, Lin et al. 2017): logits [N, C, H, W].

    `features` gives the pooled vectors that distances between image sets are measured on.
    """

    def __init__(self, classes: int, width: int = 24):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.ModuleList(ResidualBlock(a, b, 1 if i == 0 else 2)
                                    for i, (a, b) in enumerate(zip([width, *widths], widths, strict=False)))
        self.lateral = nn.ModuleList(nn.Conv2d(channels, 2 * width, 1) for channels in widths)
        self.smooth = nn.Sequential(nn.Conv2d(2 * width, 2 * width, 3, 1, 1), nn.ReLU())
        self.classify = nn.Conv2d(2 * width, classes, 1)
        self.feature_dimensions = sum(widths[2:])

    def _levels(self, pictures: Tensor) -> list[Tensor]:
        x = self.stem(pictures)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels

    def forward(self, pictures: Tensor) -> Tensor:
        return self._decode(self._levels(pictures), pictures.shape[-2:])

    def _decode(self, levels: list[Tensor], size: tuple[int, int]) -> Tensor:
        x = self.lateral[-1](levels[-1])
        for lateral, level in zip(reversed(self.lateral[:-1]), reversed(levels[:-1]), strict=True):
            x = lateral(level) + F.interpolate(x, size=level.shape[-2:], mode="nearest")
        logits = self.classify(self.smooth(x))
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)

    def features(self, pictures: Tensor) -> Tensor:
        """[N, 3, H, W] in [-1, 1] -> [N, 12 * width], the two deepest stages averaged over the picture."""
        return self._pool(self._levels(pictures))

    def with_features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` and `features` give, in one pass."""
        levels = self._levels(pictures)
        return self._decode(levels, pictures.shape[-2:]), self._pool(levels)

    @staticmethod
    def _pool(levels: list[Tensor]) -> Tensor:
        return torch.cat([level.mean((2, 3)) for level in levels[2:]], 1)


class CrossEntropy(Objective):
    """Pixelwise cross-entropy of a segmentation network on photographs, void ignored; half of the batches mirrored."""

    def __init__(self, classes: int):
        super().__init__()
        self.void = classes - 1

    def synthesize(self, generator: nn.Module, batch: Batch) -> Tensor:
        self._mirrored = bool(torch.rand(()) < 0.5)
        return generator(batch.photo.flip(-1) if self._mirrored else batch.photo)

    def generator_terms(self, batch: Batch, images: Tensor) -> dict[str, Tensor]:
        labels = batch.labels.flip(-1) if self._mirrored else batch.labels
        return {"cross-entropy": labelled_cross_entropy(images, labels, self.void)}


class PerceptualTrainee(nn.Module):
    """A perceptual pyramid with two linear heads on every tap: for labels and for colours of all pixels.

    Each head sees one cell of its tap and must say the class and the colour of every pixel under it; the heads' answers
    are summed for the classes. So every tap keeps what lies where (labels) and what it looks like (colours, texture):
    features that only labelled would not mind what colour a car is. The heads are dropped afterwards.
    """

    def __init__(self, net: nn.Module, classes: int):
        super().__init__()
        self.net = net
        self.strides = {tap: 1 << (int(tap[4]) - 1) for tap in net.channels}
        self.label_heads = nn.ModuleDict({tap: nn.Conv2d(d, classes, 1) for tap, d in net.channels.items()})
        self.colour_heads = nn.ModuleDict({tap: nn.Conv2d(d, 3 * self.strides[tap] ** 2, 1)
                                           for tap, d in net.channels.items()})

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [N, C, H, W] and per tap the picture as that tap remembers it, [N, 3, H, W]."""
        size = pictures.shape[-2:]
        features = self.net(pictures)
        logits = [F.interpolate(head(features[tap]), size=size, mode="bilinear", align_corners=False)
                  for tap, head in self.label_heads.items()]
        colours = [F.pixel_shuffle(head(features[tap]), self.strides[tap])[..., : size[0], : size[1]]
                   for tap, head in self.colour_heads.items()]
        return torch.stack(logits).sum(0), colours


class Describe(CrossEntropy):
    """What a PerceptualTrainee learns: cross-entropy of the labels, and L1 of the colours, averaged over taps."""

    def generator_terms(self, batch: Batch, images: tuple[Tensor, list[Tensor]]) -> dict[str, Tensor]:
        logits, colours = images
        photo = batch.photo.flip(-1) if self._mirrored else batch.photo
        colour = torch.stack([(photo - picture).abs().mean() for picture in colours]).mean()
        return {**super().generator_terms(batch, logits), "colour": colour}
