"""One training step of a method: milliseconds, images per second, TFLOP/s, fraction of the matrix rate, memory.

    python -m benchmarks.train_step --preset street                            CRN, a naive port and the harness
    python -m benchmarks.train_step --preset cityscapes-256p --out FILE.json   the paper's size (wants a GPU)
    python -m benchmarks.train_step --preset street --methods crn,encoder_decoder,full_resolution

The naive port is that of 2017 code: float32, contiguous memory, norm and activation out of plain operations, Adam
parameter by parameter, gradients set to zero. Losses and gradients of CRN's port and of the harness are compared first,
and each row's memory is measured while no other row exists. Then rows take turns, and each keeps its fastest step, so
that a machine shared with others measures all of them alike. A row is credited with the work that it does: cached photo
features are none, and neither are activations computed again.
"""

import argparse
import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import models.crn
import models.layers
from baselines.methods import build_method, method_spec
from benchmarks.runner import Result, run
from data.errors import InputError
from models.layers import LEAKY_SLOPE, ConvNormAct, one_hot
from models.objectives import Batch, Trainable
from presets.schema import Preset, load_preset
from training.check import random_networks
from training.fabric import choose_precision, resolve_device, solo_fabric
from training.feature_cache import PhotoFeatureCache
from training.memory import recompute_activations
from training.start import freeze_all_but_last
from training.step import TrainingStep

CLASSES = 20
FIRST_STEPS = 3  # before memory is measured: Adam's state appears in the first, CUDA graphs are recorded in the second
TOLERANCE = {"float32": 1e-3, "bf16": 5e-2}  # of the gradient's length
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
MB = 2**20


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


def naive_upsample(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)


@dataclass(frozen=True)
class Variant:
    """A row: the naive port, or the harness with these options."""

    name: str
    naive: bool = False
    bf16: bool = False
    cached_photo: bool = False
    compile: str | None = None
    triton_norm: bool = True
    aligned: bool = True


NAIVE = Variant("naive float32 port", naive=True, triton_norm=False, aligned=False)


def variants(device: str, compile_modes: Sequence[str] = ()) -> list[Variant]:
    """Rows of the table. The harness has no cached features by default, and the precision that auto chooses."""
    bf16 = choose_precision("auto", device)[0] == "bf16"
    harness = Variant("harness as it is", bf16=bf16)
    rows = [NAIVE, harness, replace(harness, name="harness, photo features cached", cached_photo=True)]
    rows += [replace(NAIVE, name="naive port, bf16 autocast", bf16=True)] if bf16 else []
    if device == "cuda":
        rows += [replace(harness, name="harness without Triton's norm", triton_norm=False),
                 replace(harness, name="harness without aligned channels", aligned=False)]
    return rows + [replace(harness, name=f"harness, torch.compile {mode}", compile=mode) for mode in compile_modes]


def build(preset: Preset, name: str) -> Trainable:
    """The method with random networks in its loss: only shapes matter here. On torch's current default device."""
    spec, size = method_spec(name, preset), tuple(preset.data.size)
    torch.manual_seed(preset.seed)
    return build_method(spec, CLASSES, size, **random_networks(preset, spec, CLASSES))


class TimedStep:
    """One variant of one method's step, built and ready."""

    def __init__(self, variant: Variant, preset: Preset, method: str, device: str):
        self.variant, self.milliseconds, self.device, config = variant, float("inf"), device, preset.training
        with torch.device(device):
            built = build(preset, method)
        layout = torch.contiguous_format if variant.naive else torch.channels_last
        if variant.naive:
            for block in built.generator.modules():
                if isinstance(block, ConvNormAct):
                    block[1], block[2] = NaiveLayerNorm(block[1]), NaiveLeakyReLU()
        for network in (built.generator, built.objective, *built.objective.networks().values()):
            network.to(device, memory_format=layout)
        freeze_all_but_last(built.generator, config.trainable, method)
        if config.activation_checkpointing:
            recompute_activations(built.generator)
        if variant.compile:
            built.generator.compile(mode=variant.compile)
        how = {"foreach": False} if variant.naive else {"fused": True}
        optimisers = [torch.optim.Adam([p for p in net.parameters() if p.requires_grad], **how)
                      if net is not None else None for net in (built.generator, built.objective.adversary)]
        if variant.naive:
            optimisers[0].zero_grad = lambda: nn.Module.zero_grad(built.generator, set_to_none=False)
        fabric = solo_fabric(device, "bf16" if variant.bf16 else "float32")
        self.step = TrainingStep(built.generator, built.objective, *optimisers, config, fabric)
        self.method = built
        height, width = preset.data.size
        batch = config.batch
        labels = torch.randint(0, CLASSES, (batch, height, width), dtype=torch.uint8, device=device)
        photo = (torch.rand(batch, 3, height, width) * 2 - 1).to(device, memory_format=layout)
        whole = Batch(one_hot(labels, CLASSES).contiguous(memory_format=layout), photo, labels.long(),
                      list(range(batch)))
        self.parts = whole.parts(config.accumulate)
        if variant.cached_photo:
            built.objective.photo_cache = PhotoFeatureCache(gigabytes=1000)

    def __call__(self) -> float:
        """The loss of one step."""
        absent = [(self.variant.naive, models.crn, "upsample", naive_upsample),
                  (not self.variant.triton_norm, models.layers, "FUSED_NORM", False),
                  (not self.variant.aligned, models.layers, "ALIGNED", 1)]
        with contextlib.ExitStack() as stack:
            for applies, module, name, value in absent:
                if applies:
                    stack.enter_context(mock.patch.object(module, name, value))
            return float(self.step(self.parts)["total"])

    def time(self, clock: Callable[[], float]) -> None:
        start = clock()
        self()  # reading the loss waits for the device
        self.milliseconds = min(self.milliseconds, 1e3 * (clock() - start))

    def gradient(self) -> Tensor:
        """float64, all parameters that learn in one vector, after the step just made."""
        return torch.cat([p.grad.flatten().double().cpu() for _, p in sorted(self.method.generator.named_parameters())
                          if p.requires_grad])

    def memory(self) -> dict[str, float]:
        """Megabytes kept for the backward pass, and on a GPU the peak of one step, with whatever else is there."""
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        saved = kept_bytes(self) / MB
        return {"saved MB": saved} | (
            {"peak MB": torch.cuda.max_memory_allocated() / MB} if self.device == "cuda" else {})


def kept_bytes(call: Callable[[], Any], parameters: Sequence[Tensor] = ()) -> int:
    """Bytes of the tensors that a forward pass keeps for its backward pass, `parameters` apart."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call()
    for parameter in parameters:
        storages.pop(parameter.untyped_storage()._cdata, None)
    return sum(storages.values())


def _content_loss(method: Trainable, batch: Batch, photo: dict[str, Tensor]) -> Tensor:
    """Without its weights, which are read from tensors: on shapes alone there are no values to read."""
    images = method.objective.synthesize(method.generator, batch)
    shown = method.objective.features(images.flatten(0, 1))
    return sum((photo[key].repeat_interleave(images.shape[1], 0) - shown[key]).abs().mean() for key in photo)


def _shapes(preset: Preset) -> Batch:
    batch, (height, width) = preset.training.batch, preset.data.size
    return Batch(torch.empty(batch, CLASSES, height, width), torch.empty(batch, 3, height, width), None)


def counted_work(preset: Preset, method: str, cached_photo: bool = False) -> float:
    """TFLOP of one training step with the content loss, counted on shapes alone; a multiply-add is two.

    cached_photo: the features of the photographs are there already.
    """
    with torch.device("meta"):
        built, pairs = build(preset, method), _shapes(preset)
        freeze_all_but_last(built.generator, preset.training.trainable, method)
        with FlopCounterMode(display=False) as of_photos:
            photo = built.objective.photo_features(pairs)
        with FlopCounterMode(display=False) as counter:
            _content_loss(built, pairs, photo).backward()
    return (counter.get_total_flops() + (0 if cached_photo else of_photos.get_total_flops())) / 1e12


def counted_memory(preset: Preset, method: str, again: bool) -> dict[str, float]:
    """Float32 megabytes on shapes alone: activations kept, and weights with gradients and Adam's two moments.

    again: activations are computed again in the backward pass.
    """
    with torch.device("meta"):
        built, pairs = build(preset, method), _shapes(preset)
        freeze_all_but_last(built.generator, preset.training.trainable, method)
        if again:
            recompute_activations(built.generator)
        frozen = [p for network in built.objective.networks().values() for p in network.parameters()]
        results: list[Tensor] = []  # keeps what a backward pass would need
        kept = kept_bytes(lambda: results.append(
            _content_loss(built, pairs, built.objective.photo_features(pairs))),
            [*built.generator.parameters(), *frozen])
    every = sum(p.numel() for p in built.generator.parameters())
    learning = sum(p.numel() for p in built.generator.parameters() if p.requires_grad)
    return {"activations MB": kept / MB, "weights and optimiser": 4 * (every + 3 * learning) / MB}


def matrix_rate(device: str, bf16: bool, clock: Callable[[], float], seconds: float = 2.0) -> float:
    """TFLOP/s of a large square matrix product, the fastest of those that fit into `seconds`."""
    side = 8192 if device == "cuda" else 1024
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = clock()
        (a @ a)[0, 0].item()
        best = min(best, clock() - start)
    return 2 * side**3 / best / 1e12


def compare(naive: TimedStep, optimised: TimedStep) -> dict[str, Any]:
    """First step of both from the same weights: loss, and length of the gradients' difference over the gradient's."""
    losses = [naive(), optimised()]
    gradients = [naive.gradient(), optimised.gradient()]
    difference = float((gradients[0] - gradients[1]).norm() / gradients[0].norm())
    loss, tolerance = abs(losses[1] / losses[0] - 1), TOLERANCE["bf16" if optimised.variant.bf16 else "float32"]
    return {"loss differs by": loss, "gradient differs by": difference, "tolerance": tolerance,
            "fault": None if max(difference, loss) <= tolerance else "not the same step"}


def take_turns(steps: list[TimedStep], seconds: float, clock: Callable[[], float]) -> None:
    """Warm up, then let the steps take turns until the time is used."""
    for step in steps:
        step()
    end, rounds = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or rounds < 3:
        rounds += 1
        for step in steps:
            step.time(clock)


def memory_alone(*built: Any) -> dict[str, float]:
    """Memory of a step that is built for this and gone afterwards."""
    step = TimedStep(*built)
    for _ in range(FIRST_STEPS):
        step()
    found = step.memory()
    del step
    gc.collect()
    return found


def measure_method(preset: Preset, method: str, device: str, rate: float,
                   args: argparse.Namespace) -> Iterator[Result]:
    known = variants(device, args.compile)
    chosen = [v for v in known if not args.rows or any(part in v.name for part in args.rows)]
    if not chosen:
        raise InputError(f"--rows {' '.join(args.rows)}: no such row; known: {'; '.join(v.name for v in known)}")
    content = "perceptual" in build(preset, method).objective.networks()
    if content:
        again = counted_memory(preset, method, True)["activations MB"]
        yield {"method": method, "counted in": "float32", **counted_memory(preset, method, False),
               "computed again": again}
    if method != "crn":
        chosen = [v for v in chosen if not v.naive and not v.cached_photo]
    memory = [memory_alone(variant, preset, method, device) for variant in chosen]
    steps = [TimedStep(variant, preset, method, device) for variant in chosen]
    harness = next((step for step in steps if not step.variant.naive), None)
    naive = steps[0] if steps[0].variant == NAIVE else None
    if naive and harness:
        yield {"method": method, "row": "naive port and harness", **compare(naive, harness)}
    take_turns(steps, args.seconds, CLOCKS[args.clock])
    for step, kept in zip(steps, memory, strict=True):
        seconds = step.milliseconds / 1e3
        work = counted_work(preset, method, step.variant.cached_photo) if content else None
        yield {"method": method, "row": step.variant.name, "ms": step.milliseconds,
               "images/s": preset.training.batch / seconds, "TFLOP": work,
               "TFLOP/s": work and work / seconds, "of the rate": work and work / seconds / rate,
               "x naive": naive and naive.milliseconds / step.milliseconds, **kept}


def measure(args: argparse.Namespace) -> Iterator[Result]:
    preset = load_preset(args.preset, args.settings)
    batch, parts = preset.training.batch, preset.training.accumulate
    if batch % parts:
        raise InputError(f"training.batch={batch}: not a multiple of training.accumulate={parts}")
    device = resolve_device(args.device)
    bf16 = choose_precision("auto", device)[0] == "bf16"
    rate = matrix_rate(device, bf16, CLOCKS[args.clock])
    yield {"preset": args.preset, "size": "x".join(map(str, preset.data.size)), "batch": batch,
           "matrix product": "bf16" if bf16 else "float32", "TFLOP/s": rate}
    for method in args.methods.split(","):
        yield from measure_method(preset, method, device, rate, args)


def options(usage: argparse.ArgumentParser) -> None:
    usage.add_argument("--preset", default="street", help="widths of the networks, size, batch; default: street")
    usage.add_argument("--methods", default="crn", metavar="A,B,...", help="default: crn")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--seconds", type=float, default=20.0, help="for each method; default: 20")
    usage.add_argument("--clock", choices=CLOCKS, default="wall",
                       help="processor: time on the CPU alone, with OMP_NUM_THREADS=1, if others use the machine")
    usage.add_argument("--compile", choices=["default", "reduce-overhead", "max-autotune"], nargs="+", default=[],
                       help="one more row each with torch.compile (reduce-overhead: CUDA graphs)")
    usage.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows with one of these in the name")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
                       help="any keys of the preset, for example training.batch=1")


def main(argv: Sequence[str] | None = None) -> int:
    return run("train_step", __doc__, options, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
