"""The metric "cost": parameters, floating-point operations, and seconds for one image."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from data.files import read_mapping, write_json
from evaluation.metrics.base import Measured, Metric, ScoreKind
from evaluation.metrics.work import Work
from evaluation.run_directory import Quantity, RunDirectory


@dataclass(frozen=True)
class Cost:
    """parameters of the generator; flops of one layout (a multiply-add counts as two, as torch counts convolutions and
    matrix products); seconds for one layout; `device` and `threads` on which they were taken."""

    parameters: int
    flops: int
    seconds: float
    device: str
    threads: int
    precision: str = "float32"


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def flops(call: Callable[[], Any]) -> int:
    """Operations of one call, counted and not estimated; element-wise operations are not counted."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode(False), torch.no_grad():
        call()
    return int(counter.get_total_flops())


def seconds(call: Callable[[], Any], device: str = "cpu", repeats: int = 5) -> float:
    """Median wall-clock time of a call after one warm-up call."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure(generator: nn.Module, layout: torch.Tensor, repeats: int = 5, precision: str = "float32") -> Cost:
    """Cost of a generator on one layout, float [1, C, H, W] on the generator's device."""
    generator.eval()

    @torch.no_grad()
    def call() -> Any:
        return generator(layout)

    device = str(layout.device)
    return Cost(parameters(generator), flops(call), seconds(call, device, repeats), device, torch.get_num_threads(),
                precision)


def write_cost(run: RunDirectory, method: str, cost: Cost) -> None:
    """Keep what was measured while synthesizing as methods/<name>/cost.json, for the metric `cost`."""
    write_json(run.method_folder(method) / "cost.json", asdict(cost))


class CostMetric(Metric):
    """The cost of every method from cost.json; methods that are only images have none, and an empty score."""

    name, title = "cost", "Cost"
    scores = {"parameters": ScoreKind("parameters", None), "FLOPs per image": ScoreKind("FLOPs per image", None),
              "seconds per image": ScoreKind("seconds per image", None, "s"),
              "training seconds": ScoreKind("training seconds", None, "s")}

    def provenance(self, work: Work) -> dict[str, Any]:
        return {"FLOPs": "torch.utils.flop_counter: convolutions and matrix products, multiply-add = 2",
                "seconds per image": "median of repeated calls with one layout",
                "training seconds": "of the steps: without reading pairs, sample pictures and checkpoints", "N": 1}

    def _cost(self, work: Work, method: str) -> dict[str, Any]:
        file = work.run.method_folder(method) / "cost.json"
        return read_mapping(file) if file.exists() else {}

    def inputs(self, work: Work, row: str) -> list[Any]:
        method = work.measurements.methods[row]
        return [self._cost(work, row), method.parameters, method.training_seconds]

    def measure(self, work: Work, row: str) -> Measured:
        cost, method = self._cost(work, row), work.measurements.methods[row]
        exact, once = "exact count", "one measurement on one machine"
        found = [("parameters", cost.get("parameters", method.parameters), exact),
                 ("FLOPs per image", cost.get("flops"), exact), ("seconds per image", cost.get("seconds"), once),
                 ("training seconds", method.training_seconds, once)]
        values = [self.scores[name].value(Quantity(name), number, None, note) for name, number, note in found
                  if number is not None]
        return Measured(values, {key: cost[key] for key in ("device", "threads", "precision") if key in cost})


METRIC = CostMetric()
