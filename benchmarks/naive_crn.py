"""CRN's training step as a direct port of 2017 code would write it: what benchmarks/train_step.py compares with.

Float32, contiguous memory, layer norm and leaky ReLU out of plain tensor operations, Adam parameter by parameter,
gradients set to zero instead of dropped. Weights have the names and values of models.crn.CRN's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers import LEAKY_SLOPE, ConvNormAct


class NaiveLayerNorm(nn.Module):
    """Mean and variance over C, H, W by hand; shares the parameters of the layer that it replaces."""

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean((1, 2, 3), keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.eps)
        return x * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class NaiveLeakyReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(LEAKY_SLOPE * x, x)


def naive_layers(network: nn.Module) -> None:
    """Replace every norm and activation of a network of ConvNormAct blocks, in place."""
    for block in network.modules():
        if isinstance(block, ConvNormAct):
            block[1], block[2] = NaiveLayerNorm(block[1]), NaiveLeakyReLU()


def naive_upsample(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
