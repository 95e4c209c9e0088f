"""Layers that several networks share."""

import torch
import torch.nn.functional as F

from models.layers import plain_layer_norm


def test_plain_layer_norm_is_group_norm_with_one_group():
    torch.manual_seed(0)
    x = (torch.randn(2, 5, 6, 7, dtype=torch.float64) * 3 + 1).requires_grad_()
    weight, bias = torch.rand(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    mine, theirs = plain_layer_norm(x, weight, bias, 1e-12), F.group_norm(x, 1, weight, bias, 1e-12)
    assert torch.allclose(mine, theirs)
    towards = torch.randn_like(x)
    assert torch.allclose(*(torch.autograd.grad(y, x, towards)[0] for y in (mine, theirs)))
    assert plain_layer_norm(x.detach().bfloat16(), weight.float(), bias.float(), 1e-12).dtype == torch.float32
