"""The fused layer norm against PyTorch's group norm, in Triton's interpreter; on the GPU itself where there is one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
SHAPES = [(2, 12, 8, 16), (1, 96, 3, 4), (3, 5, 7, 9), (2, 130, 10, 6)]


def difference(shape, dtype, device, slope=0.2, format=torch.channels_last):
    """Largest difference of output and of each gradient, relative to the largest value."""
    from models.fused_norm import norm_act
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(shape, generator=generator) * 3 + 1).to(device, dtype).contiguous(memory_format=format)
    weight = (torch.randn(shape[1], generator=generator) + 1).to(device)
    bias, towards = torch.randn(shape[1], generator=generator).to(device), torch.randn(shape, generator=generator)
    results = []
    for function in (lambda x, w, b: F.leaky_relu(F.group_norm(x.float(), 1, w, b, 1e-12), slope),
                     lambda x, w, b: norm_act(x, w, b, 1e-12, slope)):
        inputs = [value.detach().clone(memory_format=torch.preserve_format).requires_grad_()
                  for value in (x, weight, bias)]
        y = function(*inputs)
        (y.float() * towards.to(device)).sum().backward()
        results.append([y.detach().float(), *(value.grad.float() for value in inputs)])
    return [float((a - b).abs().max() / a.abs().max()) for a, b in zip(*results, strict=True)]


def check(device):
    for shape in SHAPES:
        assert max(difference(shape, torch.float32, device)) < 1e-4, shape
    assert max(difference(SHAPES[0], torch.float32, device, slope=1.0, format=torch.contiguous_format)) < 1e-4
    assert max(difference(SHAPES[3], torch.bfloat16, device)) < 2e-2


def test_output_and_gradients_in_the_interpreter():
    if importlib.util.find_spec("triton") is None:
        pytest.skip("needs triton, which torch brings on Linux")
    ran = subprocess.run([sys.executable, __file__], env=dict(os.environ, TRITON_INTERPRET="1", PYTHONPATH=str(ROOT)),
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_output_and_gradients_on_the_gpu():
    check("cuda")


if __name__ == "__main__":
    check("cpu")
