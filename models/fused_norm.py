"""The paper's layer norm and leaky ReLU in one operation for NVIDIA GPUs, in Triton.

PyTorch's group norm gives each group one block of threads, which with a single group of a million numbers leaves most
of a GPU idle; it also turns channels-last memory around and writes float32. Here every sample is shared by many blocks,
memory stays as the convolution left it, and numbers stay in its type. Sums are float32, combined once per sample.

Pictures [N, C, H, W] in channels-last memory are read as [N, P, C], P = H * W; a sample has M = P * C numbers.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 2048
PROGRAMS = 512  # that share the whole batch: four for each multiprocessor of a large GPU
SPLITS = 256  # at most, of one sample
ROWS, COLUMNS = 32, 64


@triton.jit
def _sums(x, partial, size, per, SPLITS: tl.constexpr, BLOCK: tl.constexpr):
    """partial[n, s]: sum and sum of squares of numbers s * per ... of sample n."""
    n, s = tl.program_id(0).to(tl.int64), tl.program_id(1)
    total, squares = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    for start in range(0, per, BLOCK):
        offset = s * per + start + tl.arange(0, BLOCK)
        value = tl.load(x + n * size + offset, mask=offset < size, other=0.0).to(tl.float32)
        total += value
        squares += value * value
    place = partial + 2 * (n * SPLITS + s)
    tl.store(place, tl.sum(total))
    tl.store(place + 1, tl.sum(squares))


@triton.jit
def _moments(partial, n, size, eps, SPLITS: tl.constexpr):
    """Mean and reciprocal deviation of sample n."""
    place = partial + 2 * (n * SPLITS + tl.arange(0, SPLITS))
    mean = tl.sum(tl.load(place)) / size
    variance = tl.maximum(tl.sum(tl.load(place + 1)) / size - mean * mean, 0.0)
    return mean, 1.0 / tl.sqrt(variance + eps)


@triton.jit
def _normalise(x, weight, bias, partial, y, size, channels, eps, slope, SPLITS: tl.constexpr, BLOCK: tl.constexpr):
    n = tl.program_id(0).to(tl.int64)
    offset = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)  # 32 bits: a remainder of 64 is slow
    inside, channel = offset < size, offset % channels
    mean, scale = _moments(partial, n, size, eps, SPLITS)
    value = tl.load(x + n * size + offset, mask=inside, other=0.0).to(tl.float32)
    z = (value - mean) * scale * tl.load(weight + channel, mask=inside, other=0.0) \
        + tl.load(bias + channel, mask=inside, other=0.0)
    z = tl.where(z > 0, z, slope * z)
    tl.store(y + n * size + offset, z.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _channel_sums(x, gradient, weight, bias, partial, sums, size, pixels, channels, rows, eps, slope,
                  SPLITS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """sums[n, s]: per channel, of g and of g * normalised x over a share of the pixels; g: gradient before the ReLU."""
    n, s = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = tl.program_id(2) * COLUMNS + tl.arange(0, COLUMNS)
    mean, scale = _moments(partial, n, size, eps, SPLITS)
    w = tl.load(weight + channel, mask=channel < channels, other=0.0)
    b = tl.load(bias + channel, mask=channel < channels, other=0.0)
    plain, crossed = tl.zeros([COLUMNS], tl.float32), tl.zeros([COLUMNS], tl.float32)
    for start in range(0, rows, ROWS):
        pixel = s.to(tl.int64) * rows + start + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        place = n * size + pixel[:, None] * channels + channel[None, :]
        normal = (tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - mean) * scale
        g = tl.load(gradient + place, mask=inside, other=0.0).to(tl.float32)
        g = tl.where(normal * w[None, :] + b[None, :] > 0, g, slope * g)
        plain += tl.sum(g, 0)
        crossed += tl.sum(tl.where(inside, g * normal, 0.0), 0)
    place = sums + (n * tl.num_programs(1) + s) * 2 * channels + channel
    tl.store(place, plain, mask=channel < channels)
    tl.store(place + channels, crossed, mask=channel < channels)


@triton.jit
def _input_gradient(x, gradient, weight, bias, partial, means, result, size, channels, eps, slope,
                    SPLITS: tl.constexpr, BLOCK: tl.constexpr):
    """means[n]: of w * g, and of w * g * normalised x."""
    n = tl.program_id(0).to(tl.int64)
    offset = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)  # 32 bits: a remainder of 64 is slow
    inside, channel = offset < size, offset % channels
    mean, scale = _moments(partial, n, size, eps, SPLITS)
    w = tl.load(weight + channel, mask=inside, other=0.0)
    normal = (tl.load(x + n * size + offset, mask=inside, other=0.0).to(tl.float32) - mean) * scale
    g = tl.load(gradient + n * size + offset, mask=inside, other=0.0).to(tl.float32)
    g = tl.where(normal * w + tl.load(bias + channel, mask=inside, other=0.0) > 0, g, slope * g)
    found = scale * (w * g - tl.load(means + 2 * n) - normal * tl.load(means + 2 * n + 1))
    tl.store(result + n * size + offset, found.to(result.dtype.element_ty), mask=inside)


class NormAct(torch.autograd.Function):
    """x [N, C, H, W], weight and bias [C] float32 -> leaky ReLU of the layer norm, like x in type, channels last."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float, slope: float) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        samples, size = len(x), x[0].numel()
        splits = _power(min(PROGRAMS // samples, SPLITS, triton.cdiv(size, BLOCK)))
        per = triton.cdiv(triton.cdiv(size, splits), BLOCK) * BLOCK
        partial = torch.empty(samples, splits, 2, device=x.device, dtype=torch.float32)
        y = torch.empty_like(x)
        _sums[samples, splits](x, partial, size, per, splits, BLOCK)
        _normalise[samples, triton.cdiv(size, BLOCK)](x, weight, bias, partial, y, size, x.shape[1], eps, slope, splits,
                                                      BLOCK)
        ctx.save_for_backward(x, weight, bias, partial)
        ctx.constants = eps, slope, splits
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, partial = ctx.saved_tensors
        eps, slope, splits = ctx.constants
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        (samples, channels), size = x.shape[:2], x[0].numel()
        pixels, across = size // channels, triton.cdiv(channels, COLUMNS)
        shares = _power(min(2 * PROGRAMS // (samples * across), SPLITS, triton.cdiv(pixels, ROWS)))
        rows = triton.cdiv(triton.cdiv(pixels, shares), ROWS) * ROWS
        sums = torch.empty(samples, shares, 2, channels, device=x.device, dtype=torch.float32)
        _channel_sums[samples, shares, across](x, gradient, weight, bias, partial, sums, size, pixels, channels, rows,
                                               eps, slope, splits, ROWS, COLUMNS)
        sums = sums.sum(1)  # [N, 2, C]
        means = (sums @ weight / size).contiguous()  # [N, 2]
        result = torch.empty_like(x)
        _input_gradient[samples, triton.cdiv(size, BLOCK)](x, gradient, weight, bias, partial, means, result, size,
                                                           channels, eps, slope, splits, BLOCK)
        of_bias, of_weight = sums.sum(0).unbind()
        return result, of_weight, of_bias, None, None


def norm_act(x: Tensor, weight: Tensor, bias: Tensor, eps: float, slope: float) -> Tensor:
    """See NormAct. slope 1 is the norm alone."""
    with torch.autocast(x.device.type, enabled=False):  # the sums of the backward pass are float32 too
        return NormAct.apply(x, weight, bias, eps, slope)


def _power(number: int) -> int:
    """The largest power of two that is at most `number`, and at least 2: what is beyond the end counts nothing."""
    return 1 << max(1, number.bit_length() - 1)
