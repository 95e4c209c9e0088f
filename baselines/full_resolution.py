"""Full-resolution network (paper section 4): the context aggregation network of Yu & Koltun (2016), inverted."""

import torch
from torch import Tensor, nn

from models.layers import ConvNormAct, ToImages, xavier_init
from models.options import Count


def dilations(height: int, layers: int) -> list[int]:
    """Halved per layer, then 1; the first is the largest power of two not above a quarter of the height.

    dilations(256, 10) = [64, 32, 16, 8, 4, 2, 1, 1, 1, 1]. The paper gives the rule, not the first number; one that
    reaches a quarter of the height lets the last layers see what a 3x3 kernel of the first one sees of the whole image.
    """
    largest = 1 << max(0, height.bit_length() - 3)
    return [max(1, largest >> i) for i in range(layers)]


class FullResolution(nn.Module):
    """Layout [B, C, H, W] -> images [B, K, 3, H, W]: dilated 3x3 convolutions at full resolution, no grid changes.

    layers, width: 10 layers of 256 maps in the paper (5.4M parameters at C = 20, so not matched to CRN's capacity).
    """

    def __init__(self, classes: int, size: tuple[int, int], images: int = 1, layers: Count = 10,
                 width: Count = 256):
        super().__init__()
        channels = [classes] + [width] * layers
        self.layers = nn.Sequential(*(ConvNormAct(before, after, dilation) for before, after, dilation
                                      in zip(channels, channels[1:], dilations(size[0], layers), strict=False)))
        self.to_images = ToImages(width, images)
        xavier_init(self)
        self._start_as_identity()

    @torch.no_grad()
    def _start_as_identity(self) -> None:
        """Yu & Koltun (section 3): a context network starts with layers that pass on their input; from random weights
        it learns badly. Here the other taps start at a tenth of Xavier's, so that maps differ; the first layer changes
        the number of maps, so its middle tap stays random."""
        for number, layer in enumerate(self.layers):
            weight = layer[0].weight
            middle = weight[:, :, 1:2, 1:2].clone() * 3  # alone it has the variance that nine taps had
            weight.mul_(0.1)
            if number:
                weight.add_(nn.init.dirac_(torch.empty_like(weight)))
            else:
                weight[:, :, 1:2, 1:2] = middle

    def forward(self, layout: Tensor) -> Tensor:
        return self.to_images(self.layers(layout))
