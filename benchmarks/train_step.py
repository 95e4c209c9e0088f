"""One training step of a method: milliseconds, images per second, TFLOP/s, fraction of the matrix rate, memory.

    python -m benchmarks.train_step --preset street                            CRN, from a naive port to the harness
    python -m benchmarks.train_step --preset cityscapes-256p --out FILE.json   the paper's size (wants a GPU)
    python -m benchmarks.train_step --preset street --methods crn,encoder_decoder,full_resolution

Rows of CRN: the naive float32 port, each optimisation added to it on its own, and the harness's step with all of them.
What the preset says of `trainable`, `accumulate` and `activation_checkpointing` holds for every row. Before anything is
timed, losses and gradients of the naive port and of the harness are compared, and the memory of each row is taken while
no other is there. Then rows take turns, and each keeps its fastest step, so that a machine shared with others measures
all of them alike. A row is credited with the work that it does: cached photo features are none, and neither are
activations computed again.
"""

import argparse
import contextlib
import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import models.crn
import models.layers
from baselines.methods import Method, build_method, method_spec
from benchmarks.naive_crn import naive_layers, naive_upsample
from data.errors import InputError, one_line_errors
from data.files import write_json
from models.layers import one_hot
from models.objectives import Batch
from presets.schema import Preset, load_preset
from training.fabric import choose_precision, native_bf16, resolve_device, solo_fabric
from training.feature_cache import PhotoFeatureCache
from training.memory import recompute_activations
from training.rehearsal import random_networks
from training.start import freeze_all_but_last
from training.step import TrainingStep

CLASSES = 20
FIRST_STEPS = 3  # before memory is taken: Adam's state appears in the first, CUDA graphs are recorded in the second
TOLERANCE = {"float32": 1e-3, "bf16": 5e-2}  # of the gradient's length


@dataclass(frozen=True)
class Variant:
    """Which optimisations a row has; all off is the naive port."""

    name: str
    fused_norm: bool = False
    channels_last: bool = False
    fused_adam: bool = False
    packed_gradients: bool = False
    bf16: bool = False
    cached_photo: bool = False
    compile: str | None = None
    triton_norm: bool = False
    aligned: bool = False


NAIVE = Variant("naive float32 port")


def variants(device: str, compile_modes: Sequence[str] = ()) -> list[Variant]:
    """Rows of the table. The harness has no cached features by default, and the precision that auto chooses."""
    native, bf16 = native_bf16(device), choose_precision("auto", device)[0] == "bf16"
    cuda = device == "cuda"
    harness = Variant("harness: all of them", True, True, True, True, bf16, aligned=cuda,
                      triton_norm=cuda and models.layers.FUSED_NORM)
    rows = [NAIVE, replace(NAIVE, name="+ fused layer norm, leaky ReLU in place", fused_norm=True),
            replace(NAIVE, name="+ channels_last", channels_last=True),
            replace(NAIVE, name="+ fused Adam, gradients dropped", fused_adam=True),
            replace(NAIVE, name="+ packed gradients of upsampling", packed_gradients=True)]
    rows += [replace(NAIVE, name="+ bf16 autocast", bf16=True)] if native else []
    rows += [harness, replace(harness, name="harness, photo features cached", cached_photo=True)]
    rows += [replace(harness, name="training.precision=bf16", bf16=True)] if native and not bf16 else []
    if harness.triton_norm:
        rows += [replace(harness, name="all but the norm in Triton", triton_norm=False),
                 replace(harness, name="all but the aligned channels", aligned=False)]
    return rows + [replace(harness, name=f"harness, torch.compile {mode}", compile=mode) for mode in compile_modes]


def build(preset: Preset, name: str, classes: int = CLASSES) -> Method:
    """The method with random networks in its loss: only shapes matter here. On torch's current default device."""
    spec, size = method_spec(name, preset), tuple(preset.data.size)
    torch.manual_seed(preset.seed)
    return build_method(spec, classes, size, **random_networks(preset, spec, classes))


def make_batch(preset: Preset, count: int, device: str, memory_format: torch.memory_format) -> Batch:
    height, width = preset.data.size
    labels = torch.randint(0, CLASSES, (count, height, width), dtype=torch.uint8)
    photo = torch.rand(count, 3, height, width) * 2 - 1
    labels = labels.to(device)
    layout = one_hot(labels, CLASSES).contiguous(memory_format=memory_format)
    return Batch(layout, photo.to(device, memory_format=memory_format), labels.long(), list(range(count)))


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


class Row:
    """One variant of one method's step, built and ready."""

    def __init__(self, variant: Variant, preset: Preset, method: str, batch: int, device: str):
        self.variant, self.milliseconds = variant, float("inf")
        with torch.device(device):
            built = build(preset, method)
        layout = torch.channels_last if variant.channels_last else torch.contiguous_format
        if not variant.fused_norm:
            naive_layers(built.generator)
        for network in (built.generator, built.objective, *built.objective.networks().values()):
            network.to(device, memory_format=layout)
        config = preset.training
        freeze_all_but_last(built.generator, config.trainable, method)
        if config.activation_checkpointing:
            recompute_activations(built.generator)
        if variant.compile:
            built.generator.compile(mode=variant.compile)
        settings = {"lr": config.lr, "betas": tuple(config.betas),
                    **({"fused": True} if variant.fused_adam else {"foreach": False})}
        adversary = built.objective.adversary
        optimisers = [torch.optim.Adam([p for p in net.parameters() if p.requires_grad], **settings)
                      if net is not None else None for net in (built.generator, adversary)]
        if not variant.fused_adam:
            optimisers[0].zero_grad = lambda: nn.Module.zero_grad(built.generator, set_to_none=False)
        fabric = solo_fabric(device, "bf16" if variant.bf16 else "float32")
        self.step = TrainingStep(built.generator, built.objective, *optimisers, config, fabric)
        self.method, self.device, self.lr = built, device, config.lr
        self.parts = make_batch(preset, batch, device, layout).parts(config.accumulate)
        if variant.cached_photo:
            built.objective.photo_cache = PhotoFeatureCache(gigabytes=1000)

    def __call__(self) -> float:
        """One step; the loss."""
        with contextlib.ExitStack() as stack:
            for patch in self._left_out():
                stack.enter_context(patch)
            return float(self.step(self.parts, self.lr)["total"])

    def _left_out(self) -> list[Any]:
        """What takes optimisations of the models away again."""
        chosen = self.variant
        return [*([] if chosen.packed_gradients else [mock.patch.object(models.crn, "upsample", naive_upsample)]),
                *([] if chosen.triton_norm else [mock.patch.object(models.layers, "FUSED_NORM", False)]),
                *([] if chosen.aligned else [mock.patch.object(models.layers, "ALIGNED", 1)])]

    def time(self, clock: Callable[[], float]) -> None:
        start = clock()
        self()  # reading the loss waits for the device
        self.milliseconds = min(self.milliseconds, 1e3 * (clock() - start))

    def gradient(self) -> torch.Tensor:
        """float64, all parameters that learn in one vector, after the step just made."""
        grads = [p.grad.flatten().double().cpu() for _, p in sorted(self.method.generator.named_parameters())
                 if p.requires_grad]
        return torch.cat(grads)

    def memory(self) -> dict[str, float]:
        """Megabytes kept for the backward pass, and on a GPU the peak of one step, with whatever else is there."""
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self()
        peak = {"peak_mb": torch.cuda.max_memory_allocated() / 2**20} if self.device == "cuda" else {}
        return {"saved_mb": sum(kept.values()) / 2**20, **peak}


def counted_work(preset: Preset, method: str, batch: int, trainable: str | int = "all",
                 cached_photo: bool = False) -> float:
    """TFLOP of one training step, counted on shapes alone; a multiply-add is two.

    cached_photo: the features of the photographs are there already.
    """
    with torch.device("meta"):
        built = build(preset, method)
        height, width = preset.data.size
        layout, photo = torch.empty(batch, CLASSES, height, width), torch.empty(batch, 3, height, width)
        freeze_all_but_last(built.generator, trainable, method)
        with FlopCounterMode(display=False) as looking:
            photo_features = built.objective.photo_features(Batch(layout, photo, None))
        with FlopCounterMode(display=False) as counter:
            images = built.objective.synthesize(built.generator, Batch(layout, photo, None))
            image_features = built.objective.features(images.flatten(0, 1))
            k = images.shape[1]
            sum((photo_features[key].repeat_interleave(k, 0) - image_features[key]).abs().mean()
                for key in photo_features).backward()
    return (counter.get_total_flops() + (0 if cached_photo else looking.get_total_flops())) / 1e12


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


def compare(naive: Row, optimised: Row) -> dict[str, float | bool]:
    """First step of both from the same weights: loss, and length of the gradients' difference over the gradient's."""
    losses = [naive(), optimised()]
    gradients = [naive.gradient(), optimised.gradient()]
    difference = float((gradients[0] - gradients[1]).norm() / gradients[0].norm())
    tolerance = TOLERANCE["bf16" if optimised.variant.bf16 else "float32"]
    loss = abs(losses[1] / losses[0] - 1)
    return {"loss_relative_difference": loss, "gradient_relative_difference": difference, "tolerance": tolerance,
            "same": max(difference, loss) <= tolerance}


def measure(rows: list[Row], seconds: float, clock: Callable[[], float]) -> None:
    """Warm up, then let the rows take turns until the time is used."""
    for row in rows:
        row.time(clock)
        row.milliseconds = float("inf")
    end = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < end or rounds < 3:
        rounds += 1
        for row in rows:
            row.time(clock)


def memory_alone(build_row: Callable[[], Row]) -> dict[str, float]:
    """Memory of a row that is built for this and gone afterwards."""
    row = build_row()
    for _ in range(FIRST_STEPS):
        row()
    found = row.memory()
    del row
    gc.collect()
    return found


def describe(row: Row, batch: int, work: float | None, rate: float, naive_ms: float | None) -> dict:
    """work: TFLOP of this row's step."""
    seconds = row.milliseconds / 1e3
    done = {"tflop_per_step": work, "tflop_per_s": work / seconds,
            "fraction_of_matrix_rate": work / seconds / rate} if work else {}
    gain = {"times_naive": naive_ms / row.milliseconds} if naive_ms else {}
    return {**asdict(row.variant), "ms": row.milliseconds, "images_per_s": batch / seconds, **done, **gain}


def machine(device: str) -> dict:
    cuda = device == "cuda"
    name = torch.cuda.get_device_name() if cuda else _cpu_name()
    capability = str(torch.cuda.get_device_capability()) if cuda else torch.backends.cpu.get_cpu_capability()
    return {"device": device, "name": name, "capability": capability, "threads": torch.get_num_threads(),
            "torch": torch.__version__}


def _cpu_name() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def table(results: dict) -> str:
    where, (height, width) = results["machine"], results["size"]
    lines = [f"{where['name']}, {where['threads']} thread(s), torch {where['torch']}, {results['clock']} time",
             f"{results['preset']} at {height}x{width}, batch {results['batch']}; matrix rate "
             f"{results['matrix_tflop_per_s']:.3g} TFLOP/s ({results['matrix_dtype']})"]
    heads = (("ms", 9), ("img/s", 8), ("TFLOP/s", 9), ("of rate", 9), ("x naive", 9), ("saved MB", 10), ("peak MB", 9))
    for method, part in results["methods"].items():
        work = f"{part['tflop_per_step']:.4g} TFLOP per step" if part["tflop_per_step"] else "work not counted"
        lines += ["", f"{method}: {work}", " " * 44 + "".join(f"{head:>{width}}" for head, width in heads)]
        for row in part["rows"]:
            cells = [f"{row['ms']:9.1f}", f"{row['images_per_s']:8.1f}", _cell(row, "tflop_per_s", 9, ".3f"),
                     _cell(row, "fraction_of_matrix_rate", 9, ".2f"), _cell(row, "times_naive", 9, ".2f"),
                     f"{row['saved_mb']:10.1f}", _cell(row, "peak_mb", 9, ".0f")]
            lines.append(f"{row['name']:44}" + "".join(cells))
        if check := part.get("check"):
            lines.append(f"naive and harness: loss differs by {check['loss_relative_difference']:.1e}, gradient by "
                         f"{check['gradient_relative_difference']:.1e} (tolerance {check['tolerance']:g}): "
                         + ("the same" if check["same"] else "NOT THE SAME"))
    return "\n".join(lines)


def _cell(row: dict, key: str, width: int, form: str) -> str:
    return f"{row[key]:{width}{form}}" if key in row else " " * (width - 1) + "-"


def bench_method(preset: Preset, method: str, args: argparse.Namespace, device: str, rate: float) -> dict:
    def build_row(variant: Variant) -> Row:
        return Row(variant, preset, method, args.batch, device)

    chosen = [v for v in variants(device, args.compile) if not args.rows or any(part in v.name for part in args.rows)]
    if not chosen:
        raise InputError(f"--rows {' '.join(args.rows)}: no row is called so; there are "
                         + "; ".join(v.name for v in variants(device, args.compile)))
    content = "perceptual" in build(preset, method).objective.networks()
    if method != "crn":
        chosen = [v for v in chosen if v.channels_last and v.fused_norm and not v.cached_photo]
    memory = [memory_alone(partial(build_row, variant)) for variant in chosen]
    rows = [build_row(variant) for variant in chosen]
    work = {cached: counted_work(preset, method, args.batch, preset.training.trainable, cached) if content else None
            for cached in {variant.cached_photo for variant in chosen}}
    part: dict = {"tflop_per_step": work[False]}
    harness = next((row for row in rows if row.variant.name.startswith("harness")), None)
    naive = rows[0] if rows[0].variant == NAIVE else None
    if naive and harness:
        part["check"] = compare(naive, harness)
    measure(rows, args.seconds, CLOCKS[args.clock])
    naive_ms = naive.milliseconds if naive else None
    part["rows"] = [describe(row, args.batch, work[row.variant.cached_photo], rate, naive_ms) | kept
                    for row, kept in zip(rows, memory, strict=True)]
    return part


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.train_step", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--preset", default="street", help="widths of the networks, size, batch; default: street")
    usage.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="instead of the preset's")
    usage.add_argument("--batch", type=int, help="instead of the preset's")
    usage.add_argument("--methods", default="crn", metavar="A,B,...", help="default: crn")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--threads", type=int, help="CPU threads; default: torch's")
    usage.add_argument("--seconds", type=float, default=20.0, help="for each method; default: 20")
    usage.add_argument("--clock", choices=CLOCKS, default="wall",
                       help="processor: time on the CPU alone, for --threads 1 on a machine shared with others")
    usage.add_argument("--compile", choices=["default", "reduce-overhead", "max-autotune"], nargs="+", default=[],
                       help="one more row each with torch.compile (reduce-overhead: CUDA graphs)")
    usage.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows with one of these in the name")
    usage.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", dest="settings",
                       help="any keys of the preset, for example training.activation_checkpointing=true")
    usage.add_argument("--out", type=Path, metavar="FILE.json")
    return usage


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("benchmarks.train_step"):
        size = [f"data.size={list(args.size)}"] if args.size else []
        preset = load_preset(args.preset, [*size, *args.settings])
        args.batch = args.batch or preset.training.batch
        if args.batch < 1 or args.batch % preset.training.accumulate:
            raise InputError(f"--batch {args.batch}: at least 1, and a multiple of training.accumulate="
                             f"{preset.training.accumulate}")
        device = resolve_device(args.device)
        torch.set_num_threads(args.threads or torch.get_num_threads())
        bf16 = choose_precision("auto", device)[0] == "bf16"
        rate = matrix_rate(device, bf16, CLOCKS[args.clock])
        results = {"machine": machine(device), "preset": args.preset, "settings": args.settings,
                   "size": preset.data.size, "batch": args.batch, "clock": args.clock,
                   "matrix_tflop_per_s": rate, "matrix_dtype": "bf16" if bf16 else "float32"}
        results["methods"] = {name: bench_method(preset, name, args, device, rate) for name in args.methods.split(",")}
    print(table(results))
    if args.out:
        write_json(args.out, json.loads(json.dumps(results)))
    return 0 if all(part.get("check", {"same": True})["same"] for part in results["methods"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
