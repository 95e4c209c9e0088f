"""Layers that several networks share."""

import importlib.util
import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.2
# FUSED_NORM=0 in the environment: PyTorch's own layer norm on GPUs too, if Triton does not work.
FUSED_NORM = os.environ.get("FUSED_NORM", "1") != "0" and importlib.util.find_spec("triton") is not None
ALIGNED = 8  # bf16 numbers that a GPU's matrix units take at once: other numbers of channels are slower


class LayerNorm(nn.GroupNorm):
    """Layer norm of the paper: mean and variance over C, H, W together per sample, affine per channel.

    That is a group norm with one group; nn.LayerNorm([C, H, W]) would learn an affine map per pixel. eps as in the
    authors' code.
    """

    def __init__(self, channels: int):
        super().__init__(1, channels, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        return plain_layer_norm(x, self.weight, self.bias, self.eps) if x.is_cuda else super().forward(x)


def plain_layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Layer norm of [N, C, H, W] over all but N, affine per channel, in plain operations, float32 at least.

    PyTorch's own gives every group one block of threads: with one group of 67 million numbers 56 ms on an H100, where
    plain operations make the whole training step of CRN 2.6 times as fast.
    """
    variance, mean = torch.var_mean(x.to(torch.promote_types(x.dtype, torch.float32)), (1, 2, 3), correction=0,
                                    keepdim=True)
    return (x - mean) * torch.rsqrt(variance + eps) * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)


class DilatedConv2d(nn.Conv2d):
    """3x3 convolution, zero padding as wide as its dilation, no bias: [B, in, H, W] -> [B, out, H, W].

    In bf16 on a CPU it computes on contiguous memory: with channels last, dilation 2 and more, and over 16 input maps
    that are no multiple of 16, the weights' gradient of torch 2.14.1 on AVX512 reads past its buffer. That ends
    the process, or gives NaN.
    """

    def __init__(self, channels_in: int, channels_out: int, dilation: int = 1):
        super().__init__(channels_in, channels_out, 3, padding=dilation, dilation=dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if x.device.type == "cpu" and self.dilation != (1, 1) and torch.is_autocast_enabled("cpu"):
            x, weight = x.contiguous(), weight.contiguous()
        return self._conv_forward(x, weight, None)


class ConvNormAct(nn.Sequential):
    """3x3 convolution (zero padding, no bias), layer norm, leaky ReLU 0.2: [B, in, H, W] -> [B, out, H, W]."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int = 1):
        conv = DilatedConv2d(channels_in, channels_out, dilation)
        super().__init__(conv, LayerNorm(channels_out), nn.LeakyReLU(LEAKY_SLOPE, inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """x may have more channels than the convolution takes, see `alignment`."""
        conv, norm, act = self
        if (more := x.shape[1] - conv.in_channels) > 0:
            y = F.conv2d(x, F.pad(conv.weight, (0, 0, 0, 0, 0, more)), None, conv.stride, conv.padding, conv.dilation)
        else:
            y = conv(x)
        # torch.compile fuses norm and ReLU by itself
        if isinstance(norm, LayerNorm) and y.is_cuda and FUSED_NORM and not torch.compiler.is_compiling():
            from models.fused_norm import norm_act  # Triton, which not every machine has

            return norm_act(y, norm.weight, norm.bias, norm.eps, act.negative_slope)
        return act(norm(y))


def alignment(channels: int, like: Tensor) -> list[Tensor]:
    """Channels of zeros [B, n, H, W] that round `channels` up to a multiple of ALIGNED on a GPU; an empty list if none
    are needed. They do not change the result of a convolution."""
    missing = -channels % ALIGNED if like.is_cuda else 0
    batch, _, height, width = like.shape
    return [like.new_zeros(batch, missing, height, width)] if missing else []


class ToImages(nn.Conv2d):
    """1x1 convolution with bias to K images: [B, d, H, W] -> [B, K, 3, H, W], no activation.

    The value -1 means black and 1 white; values outside are clipped when an image is saved, not in training.
    """

    def __init__(self, channels: int, images: int):
        super().__init__(channels, 3 * images, 1)
        self.images = images

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).unflatten(1, (self.images, 3))


def xavier_init(network: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every convolution, as in the authors' code."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def smooth_start(network: nn.Module) -> None:
    """Make every 4x4 transposed convolution of stride 2 start as bilinear doubling and a random 1x1 convolution.

    After Long et al. 2015. With independent weights per tap, each of the four output phases starts as another random
    map: checks that a short training must first unlearn. The variance of the outputs stays what it was. Call it after
    the weights are drawn.
    """
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25]) * 2**0.5
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            module.weight.copy_(module.weight[:, :, :1, :1] * torch.outer(ramp, ramp))


def upsample(features: Tensor) -> Tensor:
    """Double height and width, bilinear with aligned corners (the paper uses no up-convolutions: checkerboards)."""
    height, width = features.shape[-2:]
    doubled = F.interpolate(features, size=(2 * height, 2 * width), mode="bilinear", align_corners=True)
    if doubled.requires_grad:
        doubled.register_hook(_packed)
    return doubled


def _packed(gradient: Tensor) -> Tensor:
    """The gradient of a concatenation is a slice, on which bilinear's backward is ten times slower than when packed."""
    layout = torch.channels_last if gradient.stride(1) == 1 else torch.contiguous_format
    return gradient.contiguous(memory_format=layout)


def layout_pyramid(layout: Tensor, levels: int) -> list[Tensor]:
    """Layouts from coarse to fine: [B, C, H, W] one-hot -> `levels` tensors, the last one `layout` itself.

    Each is the exact 2x2 box average of the next finer one, so low-resolution layouts are soft.
    """
    pyramid = [layout]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid[::-1]


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Class indices uint8 [B, H, W] -> one-hot [B, C, H, W], channels last in memory."""
    index = torch.arange(classes, device=labels.device, dtype=labels.dtype)
    return (labels.unsqueeze(-1) == index).to(dtype).permute(0, 3, 1, 2)
