"""What a method costs: parameters, floating-point operations, and seconds for one image."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from data.files import read_mapping, write_json
from evaluation.metrics.context import Work
from evaluation.run_directory import RunDirectory, Value

METRIC = "cost"


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


def score(work: Work) -> None:
    """Write the cost of every method from cost.json; methods that are only images have none."""
    for method in work.measurements.methods.values():
        file = work.run.method_folder(method.name) / "cost.json"
        cost = read_mapping(file) if file.exists() else {}
        inputs = work.inputs(METRIC, method.name, [cost, method.parameters, method.training_seconds])
        if not work.stored(METRIC, method.name, inputs):
            work.write(METRIC, method.name, inputs, _values(cost, method), _protocol(cost))


def _values(cost: dict, method: Any) -> list[Value]:
    exact, measured = "exact count", "one measurement on one machine"
    candidates = [Value("parameters", cost.get("parameters", method.parameters), None, exact),
                  Value("FLOPs per image", cost.get("flops"), None, exact),
                  Value("seconds per image", cost.get("seconds"), None, measured, unit="s"),
                  Value("training seconds", method.training_seconds, None, measured, unit="s")]
    return [value for value in candidates if value.value is not None]


def _protocol(cost: dict) -> dict[str, Any]:
    return {"FLOPs": "torch.utils.flop_counter: convolutions and matrix products, multiply-add = 2",
            "seconds per image": "median of repeated calls with one layout",
            "training seconds": "of the steps: without reading pairs, sample pictures and checkpoints", "N": 1} | {
                key: cost[key] for key in ("device", "threads", "precision") if key in cost}
