"""One training loop for the fixed networks: steps or minutes, a rising and falling rate, averaged weights."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tools.fixed_networks.scenes import Scenes

WARMUP = .03  # share of the budget
EMA = .998  # decay of the average, less over the first steps


@dataclass(frozen=True)
class Budget:
    """steps: at most. minutes: wall-clock limit of the training, None for none; the rate falls to 0 by whichever ends
    first, so a limit in minutes makes the result depend on the machine."""

    steps: int
    minutes: float | None
    batch: int
    lr: float


class Pool:
    """Scenes on the device, from which batches are gathered there."""

    def __init__(self, scenes: Scenes, device: str):
        self.photos = torch.from_numpy(scenes.photos).to(device)
        self.layouts = torch.from_numpy(scenes.layouts).to(device)

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """photos [B, D, 3, H, W] in [-1, 1] and labels int64 [B, H, W] of random layouts, each mirrored or not."""
        picks = torch.randint(len(self.layouts), (count,)).to(self.layouts.device)
        photos, labels = self.photos[picks].float() / 127.5 - 1, self.layouts[picks].long()
        mirrored = torch.rand(count, device=labels.device) < .5
        photos = torch.where(mirrored.view(-1, 1, 1, 1, 1), photos.flip(-1), photos)
        return photos, torch.where(mirrored.view(-1, 1, 1), labels.flip(-1), labels)


def learn(network: nn.Module, loss: Callable[[int], dict[str, Tensor]], budget: Budget, device: str,
          bf16: bool, report: Callable[[str], None]) -> tuple[nn.Module, dict[str, float]]:
    """Minimise the sum of loss(step); gives the averaged network and what the training took.

    loss: step -> named scalars, computed on `network`. bf16: autocast.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=budget.lr, weight_decay=1e-3)
    averaged = AveragedModel(network, multi_avg_fn=_average, use_buffers=True)
    started = reported = time.perf_counter()
    step, progress = 0, 0.
    while progress < 1:
        optimiser.param_groups[0]["lr"] = budget.lr * _rate(progress)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
            terms = loss(step)
        optimiser.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.)
        optimiser.step()
        averaged.update_parameters(network)
        step += 1
        elapsed = time.perf_counter() - started
        progress = max(step / budget.steps, elapsed / 60 / budget.minutes if budget.minutes else 0)
        if elapsed + started - reported > 10 or progress >= 1:
            reported = elapsed + started
            report(f"step {step} {elapsed:5.0f} s  " + _line(terms))
    return averaged.module, {"steps": step, "seconds": round(time.perf_counter() - started, 1)}


def _average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
    get_ema_multi_avg_fn(min(EMA, (1 + int(count)) / (10 + int(count))))(averaged, current, count)


def _rate(progress: float) -> float:
    return min(1., (progress + 1e-4) / WARMUP) * .5 * (1 + math.cos(math.pi * min(1., progress)))


def _line(terms: Mapping[str, Tensor]) -> str:
    return "  ".join(f"{name} {value.item():.3f}" for name, value in terms.items())
