"""How time and memory of CRN's training step grow with resolution and batch.

    python -m benchmarks.memory_growth --width 0.125 --rows 64 128 256 --batch 1 2 4     measured, here
    python -m benchmarks.memory_growth --count                                           counted, at any size
    python -m benchmarks.memory_growth --count --rows 1024 --trainable 2                 the last two modules learn

Pictures are twice as wide as high. Measured: milliseconds and, on a GPU, peak memory. Counted on shapes alone, without
doing the work: TFLOP, megabytes of activations kept for the backward pass, with and without computing them again,
and megabytes of weights, gradients and Adam's state.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.train_step import CLASSES, CLOCKS, Row, build, counted_work, machine, measure, variants
from data.errors import InputError, one_line_errors
from data.files import write_json
from models.crn import PAPER_WIDTHS
from models.objectives import Batch
from presets.schema import Preset, load_preset
from training.fabric import resolve_device
from training.memory import recompute_activations
from training.start import freeze_all_but_last

MB = 2**20


def sized(rows: int, width: float, trainable: str | int = "all") -> Preset:
    """The paper's experiment at another size, all networks at a fraction of their channels."""
    preset = load_preset("cityscapes-256p", [f"data.size=[{rows}, {2 * rows}]", "training.start_from=a coarser network",
                                             f"training.trainable={trainable}"])
    preset.generators["crn"] = {"widths": [max(4, round(width * channels)) for channels in PAPER_WIDTHS]}
    preset.perceptual.source, preset.perceptual.width = "trained", width
    return preset


def kept_bytes(call: Callable[[], None], parameters: list[Tensor]) -> int:
    """Bytes of the tensors that a forward pass keeps for its backward pass, weights apart."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call()
    for parameter in parameters:
        storages.pop(parameter.untyped_storage()._cdata, None)
    return sum(storages.values())


def counted_memory(preset: Preset, method: str, batch: int, again: bool,
                   trainable: str | int = "all") -> dict[str, float]:
    """Float32 megabytes on shapes alone: activations kept, and weights with gradients and Adam's two moments."""
    height, width = preset.data.size
    with torch.device("meta"):
        built = build(preset, method)
        freeze_all_but_last(built.generator, trainable, method)
        if again:
            recompute_activations(built.generator)
        pair = Batch(torch.empty(batch, CLASSES, height, width), torch.empty(batch, 3, height, width), None)
        results: list = []
        parameters = [*built.generator.parameters(), *_frozen(built.objective.networks())]
        kept = kept_bytes(lambda: results.append(_loss(built, pair)), parameters)
    every = sum(p.numel() for p in built.generator.parameters())
    learning = sum(p.numel() for p in built.generator.parameters() if p.requires_grad)
    return {"activations_mb": kept / MB, "weights_and_optimiser_mb": 4 * (every + 3 * learning) / MB}


def _frozen(networks: dict[str, nn.Module]) -> list[Tensor]:
    return [parameter for network in networks.values() for parameter in network.parameters()]


def _loss(built, pair: Batch) -> Tensor:
    """Content loss without its weights, which are read from tensors: there are no values here to read."""
    images = built.objective.synthesize(built.generator, pair)
    photo, shown = built.objective.photo_features(pair), built.objective.features(images.flatten(0, 1))
    return sum((photo[layer] - shown[layer]).abs().mean() for layer in photo)


def count(preset: Preset, batch: int) -> dict:
    trainable = preset.training.trainable
    again = counted_memory(preset, "crn", batch, True, trainable)["activations_mb"]
    return {"rows": preset.data.size[0], "batch": batch, "tflop": counted_work(preset, "crn", batch, trainable),
            **counted_memory(preset, "crn", batch, False, trainable), "activations_computed_again_mb": again}


def measure_one(preset: Preset, batch: int, device: str, seconds: float, clock: str) -> dict:
    harness = next(variant for variant in variants(device) if variant.name.startswith("harness"))
    row = Row(harness, preset, "crn", batch, device)
    measure([row], seconds, CLOCKS[clock])
    memory = {key: value for key, value in row.memory().items() if key == "peak_mb"}
    return {"ms": row.milliseconds, **memory}


def table(lines: list[dict]) -> str:
    columns = list(lines[0])
    widths = [max(len(column), 9) + 2 for column in columns]
    head = "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True))
    body = ("".join(f"{line[column]:>{width}.4g}" for column, width in zip(columns, widths, strict=True))
            for line in lines)
    return "\n".join([head, *body])


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="python -m benchmarks.memory_growth", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--rows", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    usage.add_argument("--batch", type=int, nargs="+", default=[1])
    usage.add_argument("--width", type=float, default=1.0, help="fraction of all channels; default: the paper's")
    usage.add_argument("--trainable", default="all", metavar="N",
                       help="only the last N modules and the last layer learn")
    usage.add_argument("--count", action="store_true", help="count only, time nothing")
    usage.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    usage.add_argument("--seconds", type=float, default=2.0, help="for each size; default: 2")
    usage.add_argument("--clock", choices=CLOCKS, default="wall", help="see benchmarks.train_step")
    usage.add_argument("--out", type=Path, metavar="FILE.json")
    return usage


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    with one_line_errors("benchmarks.memory_growth"):
        device = resolve_device(args.device)
        for rows in args.rows:
            if rows not in (4 << i for i in range(1, len(PAPER_WIDTHS))):
                raise InputError(f"--rows {rows}: 4 doubled at most 8 times, for example 64, 256, 1024")
        lines = []
        for rows in args.rows:
            preset = sized(rows, args.width, args.trainable)
            for batch in args.batch:
                line = count(preset, batch)
                if not args.count:
                    line |= measure_one(preset, batch, device, args.seconds, args.clock)
                lines.append(line)
        print(table(lines))
        if args.out:
            where = {"counted": "on shapes"} if args.count else {**machine(device), "clock": args.clock}
            write_json(args.out, {"machine": where, "width": args.width, "trainable": args.trainable,
                                  "sizes": lines})
    return 0


if __name__ == "__main__":
    sys.exit(main())
