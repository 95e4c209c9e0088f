"""The layer norm in Triton against PyTorch's, on a GPU: the same values and gradients, and the time of both.

    python -m benchmarks.fused_norm --out FILE.json

Exit code 1 where they are not the same, or Triton's is not the faster one over all shapes.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from data.files import write_json
from models.fused_norm import norm_act

SHAPES = [(4, 512, 24, 32), (4, 256, 48, 64), (4, 96, 192, 256), (1, 512, 256, 512), (1, 32, 1024, 2048)]
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2}


def plain(x, weight, bias):
    return F.leaky_relu(F.group_norm(x, 1, weight, bias, 1e-12), 0.2)


def fused(x, weight, bias):
    return norm_act(x, weight, bias, 1e-12, 0.2)


def step(function, x, weight, bias, towards) -> list[torch.Tensor]:
    inputs = [value.detach().requires_grad_() for value in (x, weight, bias)]
    with torch.autocast("cuda", torch.bfloat16, enabled=x.dtype == torch.bfloat16):
        y = function(*inputs)
    y.backward(towards.to(y.dtype))
    return [y.detach(), *(value.grad for value in inputs)]


def milliseconds(function, *inputs) -> float:
    """The fastest of some steps, forward and backward."""
    best = float("inf")
    for _ in range(8):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step(function, *inputs)
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def measure(shape: tuple[int, ...], dtype: torch.dtype) -> dict:
    torch.manual_seed(0)
    x = torch.randn(shape, device="cuda", dtype=dtype).contiguous(memory_format=torch.channels_last) * 2 + 0.5
    weight, bias = torch.rand(shape[1], device="cuda") + 0.5, torch.randn(shape[1], device="cuda")
    inputs = x, weight, bias, torch.randn_like(x)
    exact = step(plain, *(value.double() for value in inputs))  # float32 sums of 67 million numbers are off by 1e-3
    differences = [float((a - b.double()).norm() / a.norm())
                   for a, b in zip(exact, step(fused, *inputs), strict=True)]
    return {"shape": list(shape), "dtype": str(dtype).removeprefix("torch."), "difference": max(differences),
            "same": max(differences) <= TOLERANCE[dtype], "torch ms": milliseconds(plain, *inputs),
            "triton ms": milliseconds(fused, *inputs)}


def main(argv: list[str] | None = None) -> int:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.fused_norm", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    args = usage.parse_args(argv)
    found = [measure(shape, dtype) for dtype in TOLERANCE for shape in SHAPES]
    write_json(args.out, {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "shapes": found})
    for row in found:
        print(f"{row['dtype']} {row['shape']}: difference {row['difference']:.1e}, torch {row['torch ms']:.2f} ms, "
              f"Triton {row['triton ms']:.2f} ms")
    faster = sum(row["triton ms"] for row in found) < sum(row["torch ms"] for row in found)
    return 0 if faster and all(row["same"] for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
