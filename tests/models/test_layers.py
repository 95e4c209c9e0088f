"""Layers that several networks share."""

import torch
import torch.nn.functional as F

from models.layers import ConvNormAct, plain_layer_norm


def test_plain_layer_norm_is_group_norm_with_one_group():
    torch.manual_seed(0)
    x = (torch.randn(2, 5, 6, 7, dtype=torch.float64) * 3 + 1).requires_grad_()
    weight, bias = torch.rand(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    mine, theirs = plain_layer_norm(x, weight, bias, 1e-12), F.group_norm(x, 1, weight, bias, 1e-12)
    assert torch.allclose(mine, theirs)
    towards = torch.randn_like(x)
    assert torch.allclose(*(torch.autograd.grad(y, x, towards)[0] for y in (mine, theirs)))
    assert plain_layer_norm(x.detach().bfloat16(), weight.float(), bias.float(), 1e-12).dtype == torch.float32


def test_channels_of_zeros_change_nothing():
    """They align the input of a convolution on a GPU."""
    layer, x = ConvNormAct(5, 7), torch.randn(2, 5, 6, 8)
    torch.testing.assert_close(layer(torch.cat([x, torch.zeros(2, 3, 6, 8)], 1)), layer(x))
